"""Residual networks, for ImageNet and for CIFAR: He et al., arXiv:1512.03385.

network = ResNet(architecture("resnet50"))            # torchvision's, its state dicts load unchanged
network = ResNet(architecture("resnet20"), classes=10, shortcut="B")
network.forward_stages(images)["layer3"]              # (n, 64, 8, 8)
"""

import math
from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from boda.errors import Refused
from boda.models.architectures import Architecture, Shortcut
from boda.models.blocks import BLOCKS, BasicBlock, Bottleneck
from boda.models.shortcuts import NormLayer


class ResNet(nn.Module):
    """A stem, stages of blocks, the mean over places, and a linear classifier."""

    def __init__(
        self,
        architecture: Architecture,
        *,
        classes: int | None = None,
        replace_stride_with_dilation: Sequence[bool] | None = None,
        zero_init_residual: bool = False,
        norm_layer: NormLayer = nn.BatchNorm2d,
        shortcut: Shortcut | None = None,
        residual: bool = True,
        side: int | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        """A network with random weights: He initialisation (arXiv:1502.01852), in the direction of the gradients.

        Args:
            architecture: by `boda.models.architectures.architecture(name)`, or one of your own.
            classes: how many; None: as many as ImageNet or CIFAR-10 has.
            replace_stride_with_dilation: for each stage after the first, whether its convolutions are dilated in place
                of halving the map.
            zero_init_residual: the last norm of each block begins at zero, so that the block begins as its shortcut
                (Goyal et al., arXiv:1706.02677).
            norm_layer: makes each norm.
            shortcut: option A, B or C (`boda.models.shortcuts`); None: B for ImageNet, A for CIFAR, as in the paper.
            residual: False for the plain network: no shortcuts at all.
            side: of the images it is made for, in pixels; None: the form's.
            generator: of the random weights; None: torch's own.

        Raises:
            Refused: what was asked for cannot be had together.
        """
        super().__init__()
        if shortcut is not None and not residual:
            raise Refused(f"a plain network (residual=False) has no shortcuts: leave out shortcut={shortcut}")
        form, block = architecture.form, BLOCKS[architecture.block]
        self.architecture = architecture
        self.stages = tuple(f"layer{number}" for number in range(1, len(form.widths) + 1))
        entering, dilation = form.widths[0], 1
        self.conv1 = nn.Conv2d(3, entering, form.kernel, stride=form.stride, padding=form.kernel // 2, bias=False)
        self.bn1 = norm_layer(entering)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1) if form.pool else nn.Identity()
        make = partial(
            block,
            groups=architecture.groups,
            width_per_group=architecture.width_per_group,
            norm_layer=norm_layer,
            shortcut=shortcut or form.shortcut,
            residual=residual,
        )
        dilated = _dilated(replace_stride_with_dilation, len(self.stages))
        for name, planes, depth, dilate in zip(self.stages, form.widths, architecture.depths, dilated, strict=True):
            stride, before = 1 if name == "layer1" else 2, dilation
            if dilate:
                dilation, stride = dilation * stride, 1
            blocks = [make(entering, planes, stride=stride, dilation=before)]
            entering = planes * block.expansion
            blocks += [make(entering, planes, dilation=dilation) for _ in range(depth - 1)]
            self.add_module(name, nn.Sequential(*blocks))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(entering, form.classes if classes is None else classes)
        halvings = len(self.stages) - 1 + (1 if form.pool else 0)
        self.window = math.ceil((side or form.side) * dilation / (form.stride * 2**halvings))
        """Side of the last map of an image of the size the network is made for."""
        _initialise(self, generator)
        if zero_init_residual:
            _begin_as_shortcuts(self)

    def forward(self, images: Tensor) -> Tensor:
        """(n, 3, h, w) to (n, k): scores before the softmax."""
        scores: Tensor = self.fc(self.pool(self.forward_maps(images)))
        return scores

    def forward_maps(self, images: Tensor) -> Tensor:
        """(n, 3, h, w) to (n, d, h', w'): the last map, before the mean over places."""
        x = self._stem(images)
        for name in self.stages:
            x = self.get_submodule(name)(x)
        return x

    def forward_stages(self, images: Tensor) -> dict[str, Tensor]:
        """(n, 3, h, w) to the map after each stage, by name: `stem`, `layer1`, `layer2`, ..."""
        x = self._stem(images)
        maps = {"stem": x}
        for name in self.stages:
            x = maps[name] = self.get_submodule(name)(x)
        return maps

    def pool(self, maps: Tensor) -> Tensor:
        """(n, d, h', w') to features (n, d)."""
        return torch.flatten(self.avgpool(maps), 1)

    def forward_dense(self, images: Tensor) -> Tensor:
        """(n, 3, h, w) of any size to (n, k): the scores at every place the classifier fits, averaged.

        The classifier looks at `window` x `window` of the last map, as it does with images of its own size, and is
        moved over the rest as a convolution: the fully-convolutional form of section 3.4. Being linear, it may come
        after the average.
        """
        maps = self.forward_maps(images)
        h, w = maps.shape[-2:]
        looks = avg_pool2d(maps, (min(self.window, h), min(self.window, w)), stride=1)
        scores: Tensor = self.fc(looks.mean((2, 3)))
        return scores

    def _stem(self, images: Tensor) -> Tensor:
        x: Tensor = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        return x


def _dilated(asked: Sequence[bool] | None, stages: int) -> tuple[bool, ...]:
    """For each stage, whether it is dilated; the first never is."""
    if asked is None:
        return (False,) * stages
    if len(asked) != stages - 1:
        raise Refused(
            f"replace_stride_with_dilation={list(asked)} must have {stages - 1} values, one a stage after the first"
        )
    return (False, *asked)


def _initialise(network: nn.Module, generator: torch.Generator | None) -> None:
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu", generator=generator)
        elif isinstance(module, nn.Linear):
            bound = 1 / math.sqrt(module.in_features)  # torch's own, drawn from the generator
            nn.init.uniform_(module.weight, -bound, bound, generator=generator)
            nn.init.uniform_(module.bias, -bound, bound, generator=generator)


def _begin_as_shortcuts(network: nn.Module) -> None:
    for block in network.modules():
        if isinstance(block, BasicBlock | Bottleneck):
            weight = getattr(block.last_norm, "weight", None)
            if weight is None or not block.residual:
                raise Refused("zero_init_residual needs blocks with shortcuts, and norms with weights: leave it out")
            nn.init.zeros_(weight)
