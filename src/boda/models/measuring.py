"""Measuring networks: what each layer gives, costs and holds, and how strongly layers respond.

network = measured(lambda: ResNet(architecture("resnet34"), residual=False), (3, 224, 224))
for size, layers in by_size(network): ...           # the rows of figure 3 of He et al., arXiv:1512.03385
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer with weights, or a norm, as it was used once."""

    name: str
    """In the network, as `layer2.0.conv1`."""
    kind: str
    """`conv`, `linear`, or `norm`."""
    window: int
    """Side of a convolution's kernel; 1 of others."""
    output: tuple[int, int, int]
    """Channels, height and width; of features and scores height and width are 1."""
    parameters: int
    multiply_adds: int
    """Of one image; those of norms and offsets are not counted, as in the paper."""
    projects: bool = False
    """Whether it is on a shortcut."""


def measured(make: Callable[[], nn.Module], shape: tuple[int, int, int]) -> list[Layer]:
    """The layers of a network in the order in which an image of this shape passes them.

    Nothing is computed and no weight takes memory: the network is made on torch's `meta` device.

    Args:
        make: makes it.
        shape: of one image: channels, height, width.
    """
    with torch.device("meta"):
        network, images = make().eval(), torch.empty(1, *shape)
    found: list[Layer] = []
    names = {module: name for name, module in network.named_modules()}

    def passed(module: nn.Module, _given: Any, output: Tensor) -> None:
        found.append(_layer(names[module], module, output))

    with ExitStack() as hooks, torch.no_grad():
        for module in names:
            if isinstance(module, nn.Conv2d | nn.Linear | nn.modules.batchnorm._BatchNorm | nn.GroupNorm):
                hooks.callback(module.register_forward_hook(passed).remove)
        network(images)
    return found


def by_size(layers: Sequence[Layer]) -> list[tuple[int, list[Layer]]]:
    """Layers in a row whose output has the same height, with that height, as figure 3 of the paper orders them."""
    return [(size, list(group)) for size, group in groupby(layers, key=lambda layer: layer.output[1])]


def deviations(network: nn.Module, batches: Iterable[Tensor]) -> dict[str, float]:
    """Standard deviation of the responses of each 3 x 3 convolution: after its norm, before anything else is done.

    As figure 7 of He et al., arXiv:1512.03385. The network looks in eval mode, and is afterwards as it was.

    Args:
        network: norms follow its convolutions.
        batches: (b, 3, h, w) as the network sees them, together at least one image.

    Returns:
        By the name of each convolution, in the order in which images pass them.
    """
    names = {module: name for name, module in network.named_modules()}
    last: dict[str, Any] = {"name": None, "output": None}
    sums: dict[str, Tensor] = {}

    def convolved(module: nn.Module, _given: Any, output: Tensor) -> None:
        last.update(name=names[module], output=output)

    def normed(_module: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> None:
        if given[0] is not last["output"]:
            return
        values = output.detach().float()
        count = values.new_tensor(float(values.numel()))
        # sums of a batch fit float32; of all batches they are added in float64, on the host
        found = torch.stack([count, values.sum(), values.square().sum()]).cpu().double()
        sums[last["name"]] = sums[last["name"]] + found if last["name"] in sums else found

    with ExitStack() as hooks, _looking(network), torch.no_grad():
        for module in names:
            if isinstance(module, nn.Conv2d) and module.kernel_size == (3, 3):
                hooks.callback(module.register_forward_hook(convolved).remove)
            elif isinstance(module, nn.modules.batchnorm._BatchNorm | nn.GroupNorm):
                hooks.callback(module.register_forward_hook(normed).remove)
        for batch in batches:
            network(batch)
    return {name: _deviation(*found.tolist()) for name, found in sums.items()}


def _layer(name: str, module: nn.Module, output: Tensor) -> Layer:
    channels, height, width = (*output.shape[1:], 1, 1)[:3]
    kind, window, each = "norm", 1, 0
    if isinstance(module, nn.Conv2d):
        window = module.kernel_size[0]
        kind, each = "conv", module.weight[0].numel()
    elif isinstance(module, nn.Linear):
        kind, each = "linear", module.in_features
    parameters = sum(parameter.numel() for parameter in module.parameters())
    shape = channels, height, width
    return Layer(name, kind, window, shape, parameters, each * channels * height * width, "downsample" in name)


def _deviation(count: float, total: float, squares: float) -> float:
    return float(max(0.0, squares / count - (total / count) ** 2) ** 0.5)


@contextmanager
def _looking(network: nn.Module) -> Iterator[None]:
    """Within, the network is in eval mode; afterwards each part as it was."""
    before = {module: module.training for module in network.modules()}
    network.eval()
    try:
        yield
    finally:
        for module, training in before.items():
            module.training = training
