"""The ResNets by name: facts only, without torch.

Sources: He et al., "Deep Residual Learning for Image Recognition", arXiv:1512.03385 (table 1 for ImageNet, section 4.2
for CIFAR-10); Xie et al., arXiv:1611.05431 (ResNeXt); Zagoruyko and Komodakis, arXiv:1605.07146 (wide). The names are
torchvision's, and `resnet20` and so on for CIFAR-10.
"""

import difflib
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from boda.errors import NotFound, Refused
from boda.keys import shown

Shortcut: TypeAlias = Literal["A", "B", "C"]
"""The options of section 4.1 of the paper, see `boda.models.shortcuts`."""


@dataclass(frozen=True, slots=True)
class Form:
    """What the paper's networks for ImageNet and those for CIFAR-10 differ in."""

    side: int
    """Height and width of the images it was made for, in pixels."""
    classes: int
    widths: tuple[int, ...]
    """Planes of each stage; every stage but the first halves the map."""
    kernel: int
    """Side of the first convolution."""
    stride: int
    """Of the first convolution."""
    pool: bool
    """Whether the maximum of 3 x 3, at every second pixel, follows it."""
    shortcut: Shortcut


IMAGENET: Final = Form(224, 1000, (64, 128, 256, 512), kernel=7, stride=2, pool=True, shortcut="B")
CIFAR: Final = Form(32, 10, (16, 32, 64), kernel=3, stride=1, pool=False, shortcut="A")


@dataclass(frozen=True, slots=True)
class Architecture:
    """One ResNet.

    Raises:
        Refused: the form has another number of stages, or a number is not above 0.
    """

    form: Form
    block: Literal["basic", "bottleneck"]
    depths: tuple[int, ...]
    """Blocks of each stage."""
    groups: int = 1
    """Of the 3 x 3 convolutions of bottlenecks."""
    width_per_group: int = 64
    """Channels of each of these groups in the first stage."""

    def __post_init__(self) -> None:
        """Check the numbers."""
        if len(self.depths) != len(self.form.widths):
            raise Refused(
                f"depths={self.depths}: this form has {len(self.form.widths)} stages; give one depth for each"
            )
        if min(*self.depths, self.groups, self.width_per_group) < 1:
            raise Refused(f"{self}: depths, groups and width_per_group must be above 0")


def cifar(depth: int) -> Architecture:
    """The paper's network of 6n + 2 layers for images of 32 x 32: three stages of n basic blocks.

    Raises:
        Refused: the depth is not 6n + 2.

    >>> cifar(20).depths
    (3, 3, 3)
    """
    blocks, rest = divmod(depth - 2, 6)
    if blocks < 1 or rest:
        raise Refused(f"a ResNet for CIFAR has 6n + 2 layers (8, 14, 20, 32, 44, 56, 110, ...), not {depth}")
    return Architecture(CIFAR, "basic", (blocks,) * 3)


ARCHITECTURES: Final = {
    "resnet18": Architecture(IMAGENET, "basic", (2, 2, 2, 2)),
    "resnet34": Architecture(IMAGENET, "basic", (3, 4, 6, 3)),
    "resnet50": Architecture(IMAGENET, "bottleneck", (3, 4, 6, 3)),
    "resnet101": Architecture(IMAGENET, "bottleneck", (3, 4, 23, 3)),
    "resnet152": Architecture(IMAGENET, "bottleneck", (3, 8, 36, 3)),
    "resnext50_32x4d": Architecture(IMAGENET, "bottleneck", (3, 4, 6, 3), groups=32, width_per_group=4),
    "resnext101_32x8d": Architecture(IMAGENET, "bottleneck", (3, 4, 23, 3), groups=32, width_per_group=8),
    "wide_resnet50_2": Architecture(IMAGENET, "bottleneck", (3, 4, 6, 3), width_per_group=128),
    "wide_resnet101_2": Architecture(IMAGENET, "bottleneck", (3, 4, 23, 3), width_per_group=128),
    **{f"resnet{depth}": cifar(depth) for depth in (20, 32, 44, 56, 110, 1202)},
}


def architecture(name: str) -> Architecture:
    """The ResNet of this name.

    Raises:
        NotFound: there is none; the error has near names.

    >>> architecture("resnet20").form.side
    32
    """
    if name not in ARCHITECTURES:
        near = difflib.get_close_matches(name, ARCHITECTURES, n=3, cutoff=0.5) or list(ARCHITECTURES)
        raise NotFound(f"no ResNet named {shown(name)!r}; one of {', '.join(near)}")
    return ARCHITECTURES[name]
