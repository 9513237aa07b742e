"""boda encoders."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from boda.cli.options import spoken
from boda.cli.show import Said, Show, Table

if TYPE_CHECKING:
    from boda.encoders.layers import Layer
    from boda.pipelines.encoders import EncoderList


@click.command(epilog="Examples: boda encoders · boda encoders timm:resnet18 --layers")
@click.argument("name", required=False)
@click.option("--layers", is_flag=True, help="Every layer of NAME, as --layer of boda embed takes it.")
@spoken
@click.pass_obj
def encoders(show: Show, /, name: str | None, *, layers: bool) -> None:
    """List encoders with width, input, licence and whether they work here offline; or one, with its layers."""
    from boda.pipelines.encoders import encoders

    if layers and name is None:
        raise click.UsageError("--layers needs the NAME of an encoder.")
    found = encoders(name, layers=layers)
    show(found, lambda: _say(found))


def _say(found: "EncoderList") -> Iterator[Said]:
    rows = [
        [one.name, one.width, "x".join(map(str, one.input or ())) or None, one.licence or None, one.missing or "yes"]
        for one in found.encoders
    ]
    yield Table(("encoder", "width", "input", "licence", "here"), rows)
    if found.more:
        yield found.more
    elif layers := found.encoders[0].layers:
        rows = [[one.name, one.kind, _gives(one), one.parameters or None] for one in layers]
        yield Table(("layer", "type", "gives", "parameters"), rows)


def _gives(layer: "Layer") -> str:
    """The shape of its output for one image, or why it has not one."""
    if layer.calls != 1:
        return f"called {layer.calls} times" if layer.calls else "not called"
    return "x".join(map(str, layer.shape)) if layer.shape else "no tensor for each image"
