"""What carries a block's input past its convolutions: options A, B and C of He et al., arXiv:1512.03385, section 4.1.

A   the input itself; where the shape changes, every second pixel of it and zeros for the channels that are new
B   the input itself; where the shape changes, a projection (1 x 1 convolution and norm)
C   a projection everywhere
"""

from collections.abc import Callable
from typing import TypeAlias, get_args

from torch import Tensor, nn
from torch.nn.functional import pad

from boda.errors import Refused
from boda.models.architectures import Shortcut

NormLayer: TypeAlias = Callable[[int], nn.Module]
"""The number of channels to a norm: `nn.BatchNorm2d`, `partial(nn.GroupNorm, 8)`."""


def conv1x1(entering: int, leaving: int, *, stride: int = 1) -> nn.Conv2d:
    """A 1 x 1 convolution without bias: a norm follows, which has one."""
    return nn.Conv2d(entering, leaving, 1, stride=stride, bias=False)


def make_shortcut(
    option: Shortcut, entering: int, leaving: int, *, stride: int, norm_layer: NormLayer
) -> nn.Module | None:
    """The module on the shortcut of a block; None where the input goes as it is.

    Args:
        option: A, B or C.
        entering: channels of the block's input.
        leaving: channels of its output.
        stride: of the block.
        norm_layer: makes the norm of a projection.

    Raises:
        Refused: no such option, or zeros would have to take channels away.
    """
    if option not in get_args(Shortcut):
        raise Refused(f"no shortcut {option!r}; one of {', '.join(get_args(Shortcut))}")
    changes = stride != 1 or entering != leaving
    if option == "C" or (option == "B" and changes):
        return nn.Sequential(conv1x1(entering, leaving, stride=stride), norm_layer(leaving))
    return ZeroPadding(entering, leaving, stride) if changes else None


class ZeroPadding(nn.Module):
    """Every `stride`-th pixel, with zero channels around its own: half of the new ones before, half after.

    The paper does not say where the zeros go. Half and half is where the published CIFAR weights have them (Idelbayev,
    github.com/akamaster/pytorch_resnet_cifar10).
    """

    def __init__(self, entering: int, leaving: int, stride: int) -> None:
        """Channels in and out, and the stride.

        Raises:
            Refused: there are fewer channels out than in.
        """
        super().__init__()
        if leaving < entering:
            raise Refused(f"shortcut A pads {entering} channels with zeros, so they cannot become {leaving}: use B")
        self.stride = stride
        self.before = (leaving - entering) // 2
        self.after = leaving - entering - self.before

    def forward(self, x: Tensor) -> Tensor:
        """(n, entering, h, w) to (n, leaving, h / stride, w / stride), sides rounded up."""
        return pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.before, self.after))
