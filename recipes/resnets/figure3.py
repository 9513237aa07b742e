"""Figure 3 of the paper: output sizes, layers, parameters and multiply-adds of three networks for ImageNet."""

from collections.abc import Callable, Sequence
from itertools import groupby

from torch import nn

from boda.models.architectures import architecture
from boda.models.measuring import Layer, by_size, measured
from boda.models.resnet import ResNet
from boda.models.vgg import VGG19
from resnets.published import MULTIPLY_ADDS
from runs.receipt import table

NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "VGG-19": VGG19,
    "34-layer plain": lambda: ResNet(architecture("resnet34"), residual=False),
    "34-layer residual": lambda: ResNet(architecture("resnet34"), shortcut="A"),
}


def figure3() -> str:
    """The table, with the paper's billions of multiply-adds in the last line."""
    found = {name: measured(make, (3, 224, 224)) for name, make in NETWORKS.items()}
    rows = {name: dict(by_size(layers)) for name, layers in found.items()}
    sizes = sorted({size for one in rows.values() for size in one}, reverse=True)
    lines = [[str(size), *(_cell(one.get(size, [])) for one in rows.values())] for size in sizes]
    lines.append(["parameters", *(f"{sum(one.parameters for one in layers):,}" for layers in found.values())])
    lines.append(["multiply-adds", *(f"{_billions(layers):.2f} billion" for layers in found.values())])
    lines.append(["in the paper", *(f"{MULTIPLY_ADDS[name]} billion" for name in found)])
    return table(["output size", *found], lines)


def _cell(layers: Sequence[Layer]) -> str:
    """Layers in words, as `2 × 3x3 conv, 64`, with their share of parameters and multiply-adds."""
    if not layers:
        return ""
    words = [_said(layer) for layer in layers if layer.kind != "norm"]
    runs = [(name, len(list(group))) for name, group in groupby(words)]
    what = ", ".join(f"{count} × {name}" if count > 1 else name for name, count in runs)
    millions = sum(layer.parameters for layer in layers) / 1e6
    return f"{what} ({millions:.2f} M, {_billions(layers):.2f} G)"


def _said(layer: Layer) -> str:
    if layer.kind == "linear":
        return f"fc {layer.output[0]}"
    return f"{layer.window}x{layer.window} conv, {layer.output[0]}"


def _billions(layers: Sequence[Layer]) -> float:
    return sum(layer.multiply_adds for layer in layers) / 1e9
