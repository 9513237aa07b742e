"""boda encoders."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from boda.cli.options import spoken
from boda.cli.show import Said, Show, Table

if TYPE_CHECKING:
    from boda.pipelines.encoders import EncoderList


@click.command(epilog="Examples: boda encoders · boda encoders timm:resnet18")
@click.argument("name", required=False)
@spoken
@click.pass_obj
def encoders(show: Show, /, name: str | None) -> None:
    """List encoders with width, input, licence and whether they work here offline; or one with its layers."""
    from boda.pipelines.encoders import encoders

    found = encoders(name)
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
        yield Table(("layer", "channels", "stride"), [[one.name, one.channels, one.stride] for one in layers])
