"""The two residual blocks of He et al., arXiv:1512.03385, figure 5.

Names of parameters are torchvision's. Every ReLU is a module of its own and none works in place, so that hooks see
what each gives. With `residual=False` a block is plain: its convolutions and nothing beside them.
"""

from typing import ClassVar, Final

from torch import Tensor, nn

from boda.errors import Refused
from boda.models.architectures import Shortcut
from boda.models.shortcuts import NormLayer, conv1x1, make_shortcut


def conv3x3(entering: int, leaving: int, *, stride: int = 1, groups: int = 1, dilation: int = 1) -> nn.Conv2d:
    """A 3 x 3 convolution without bias that keeps the size of the map, but for its stride."""
    return nn.Conv2d(
        entering, leaving, 3, stride=stride, padding=dilation, groups=groups, dilation=dilation, bias=False
    )


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions."""

    expansion: ClassVar[int] = 1
    """Channels it gives, in planes."""

    def __init__(
        self,
        entering: int,
        planes: int,
        *,
        stride: int = 1,
        groups: int = 1,
        width_per_group: int = 64,
        dilation: int = 1,
        norm_layer: NormLayer = nn.BatchNorm2d,
        shortcut: Shortcut = "B",
        residual: bool = True,
    ) -> None:
        """A block from `entering` channels to `planes`.

        Raises:
            Refused: groups, their width or dilation, which it cannot have.
        """
        super().__init__()
        if groups != 1 or width_per_group != 64:
            raise Refused(
                f"basic blocks have no groups and no width of their own (groups={groups}, "
                f"width_per_group={width_per_group}): take an architecture of bottlenecks, such as resnet50"
            )
        if dilation != 1:
            raise Refused("basic blocks are not dilated: take an architecture of bottlenecks, such as resnet50")
        self.residual = residual
        self.conv1 = conv3x3(entering, planes, stride=stride)
        self.bn1 = norm_layer(planes)
        self.relu1 = nn.ReLU()
        self.conv2 = conv3x3(planes, planes)
        self.bn2 = norm_layer(planes)
        self.relu2 = nn.ReLU()
        self.downsample = (
            make_shortcut(shortcut, entering, planes, stride=stride, norm_layer=norm_layer) if residual else None
        )

    @property
    def last_norm(self) -> nn.Module:
        """The norm before the sum."""
        return self.bn2

    def forward(self, x: Tensor) -> Tensor:
        """(n, entering, h, w) to (n, planes, h / stride, w / stride), sides rounded up."""
        identity = x
        if self.downsample is not None:
            identity = self.downsample(x)
        out: Tensor = self.relu1(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        if self.residual:
            out = out + identity
        answer: Tensor = self.relu2(out)
        return answer


class Bottleneck(nn.Module):
    """A 1 x 1 convolution to few channels, a 3 x 3 convolution of these, a 1 x 1 convolution to many.

    The stride is that of the 3 x 3 convolution, as torchvision has it; in the paper it is that of the first.
    """

    expansion: ClassVar[int] = 4
    """Channels it gives, in planes."""

    def __init__(
        self,
        entering: int,
        planes: int,
        *,
        stride: int = 1,
        groups: int = 1,
        width_per_group: int = 64,
        dilation: int = 1,
        norm_layer: NormLayer = nn.BatchNorm2d,
        shortcut: Shortcut = "B",
        residual: bool = True,
    ) -> None:
        """A block from `entering` channels to four times `planes`."""
        super().__init__()
        width, leaving = planes * width_per_group // 64 * groups, planes * self.expansion
        self.residual = residual
        self.conv1 = conv1x1(entering, width)
        self.bn1 = norm_layer(width)
        self.relu1 = nn.ReLU()
        self.conv2 = conv3x3(width, width, stride=stride, groups=groups, dilation=dilation)
        self.bn2 = norm_layer(width)
        self.relu2 = nn.ReLU()
        self.conv3 = conv1x1(width, leaving)
        self.bn3 = norm_layer(leaving)
        self.relu3 = nn.ReLU()
        self.downsample = (
            make_shortcut(shortcut, entering, leaving, stride=stride, norm_layer=norm_layer) if residual else None
        )

    @property
    def last_norm(self) -> nn.Module:
        """The norm before the sum."""
        return self.bn3

    def forward(self, x: Tensor) -> Tensor:
        """(n, entering, h, w) to (n, 4 planes, h / stride, w / stride), sides rounded up."""
        identity = x
        if self.downsample is not None:
            identity = self.downsample(x)
        out: Tensor = self.relu1(self.bn1(self.conv1(x)))
        out = self.relu2(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        if self.residual:
            out = out + identity
        answer: Tensor = self.relu3(out)
        return answer


BLOCKS: Final[dict[str, type[BasicBlock] | type[Bottleneck]]] = {"basic": BasicBlock, "bottleneck": Bottleneck}
"""By the name that an `Architecture` has for it."""
