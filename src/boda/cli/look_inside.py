"""boda look-inside."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from boda.cli.options import PATH, device_option, recipe_option, spoken
from boda.cli.show import Said, Show, Table

if TYPE_CHECKING:
    from boda.pipelines.look_inside import Looked

_KINDS = ("filters", "channels", "activations", "maximise", "neighbours", "map")
_CLIMBING = ("steps", "jitter", "total_variation", "l2", "basis")


def _numbers(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[int, ...] | None:
    """Whole numbers of "3,17"."""
    if value is None:
        return None
    parts = [part.strip() for part in value.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise click.BadParameter(f"{value!r} must be channels with commas between, such as 3,17")
    return tuple(map(int, parts))


@click.command(
    "look-inside",
    epilog="Examples: boda look-inside auto filters · boda look-inside photos.boda maximise --class 281",
)
@click.argument("where", metavar="W|IMAGES|ENCODER", type=PATH)
@click.argument("kind", metavar="KIND", type=click.Choice(_KINDS))
@click.option(
    "--layer",
    multiple=True,
    metavar="NAME",
    help="As layer3, or last; of neighbours several. See: boda encoders NAME --layers  [default: that of the features]",
)
@click.option("--channels", callback=_numbers, metavar="N,...", help="[default: those that stand out most]")
@click.option("--place", type=int, nargs=2, metavar="ROW COLUMN", help="The channel at one place of the layer's grid.")
@click.option("--image", type=PATH, metavar="KEY|FILE", help="Of activations and neighbours.")
@click.option(
    "--class",
    "class_index",
    multiple=True,
    metavar="C",
    help="Maximise this class of the network's own, by number or name; may be given several times.",
)
@click.option("--probability", is_flag=True, help="Its softmax probability, not its logit.")
@click.option(
    "--score",
    metavar="SCORE",
    help="Maximise head:NAME[:ANSWER], cluster:NAME:K, like:KEY, text:WORDS, class:C or channel:LAYER:N.",
)
@click.option("--start", type=PATH, metavar="KEY|FILE", help="Maximise from this image.  [default: from noise]")
@click.option("--steps", type=click.IntRange(min=1), metavar="N", help="Of gradient ascent.")
@click.option("--jitter", type=float, metavar="SHARE", help="Largest random shift before a step, of the shorter side.")
@click.option("--total-variation", type=float, metavar="COST", help="Of differences between neighbouring pixels.")
@click.option("--l2", type=float, metavar="COST", help="Of the distance from grey.")
@click.option("--basis", type=click.Choice(["fourier", "pixels"]), help="What is climbed: waves, or bare pixels.")
@click.option(
    "--count",
    type=int,
    metavar="N",
    help="Images a channel or score, channels of an image, neighbours. [default: 6-11]",
)
@click.option("--colour", metavar="COLUMN|cluster:NAME", help="Of map: by which points are coloured.")
@click.option(
    "--limit", type=int, metavar="N", help="Images that are looked at, drawn at random of more.  [default: 2000]"
)
@recipe_option
@click.option("-e", "--encoder", metavar="NAME", help="What sees IMAGES; of W what made its features. [default: auto]")
@click.option("--weights", type=PATH, metavar="FILE", help="Weights of the encoder: .safetensors, .pt, .pth, .th")
@device_option
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--to", type=PATH, metavar="DIR", help="[default: NAME-look-inside/ beside W, else boda-look-inside/]")
@click.option("--force", is_flag=True, help="Write over files of others in that folder.")
@spoken
@click.pass_obj
def look_inside(show: Show, /, where: str, kind: Any, **options: Any) -> None:
    """Show what a network has inside: filters, channels, activations, made images, neighbours, a map of a layer.

    filters and maximise need no images: give the name of an ENCODER. All others look at a workspace, or at a folder of
    IMAGES with --encoder.
    """
    import boda

    ascent = {name: value for name in _CLIMBING if (value := options.pop(name)) is not None}
    for name in ("layer", "class_index"):
        options[name] = options[name] or None
    found = boda.look_inside(where, kind, ascent=ascent or None, progress=show.progress, **options)
    show(found, lambda: _say(found))


def _say(found: "Looked") -> Iterator[Said]:
    from boda.keys import shown

    yield from found.words
    if found.kind == "neighbours":
        yield from _said_neighbours(found.record["found"])
    for file in found.files:
        yield f"file: {shown(str(file))}"


def _said_neighbours(record: Any) -> Iterator[Said]:
    from boda.keys import from_bytes, shown

    for layer in record["layers"]:
        keys = [one["key"] for one in layer["neighbours"]]
        names = [one if isinstance(one, str) else from_bytes(bytes.fromhex(one["bytes"])) for one in keys]
        likeness = [one["likeness"] for one in layer["neighbours"]]
        rows = [[rank, shown(name), one] for rank, (name, one) in enumerate(zip(names, likeness, strict=True), 1)]
        yield Table(("", layer["layer"], "likeness"), rows)
