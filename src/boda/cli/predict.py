"""boda predict."""

from typing import TYPE_CHECKING, Any

import click

from boda.cli.options import PATH, device_option, force_option, pixel_options, spoken
from boda.cli.show import Said, Show, Table

if TYPE_CHECKING:
    from boda.pipelines.clusters.predicting import ClusterPredictions
    from boda.pipelines.heads.predicting import HeadPredictions

_TOPK = 5
_CROPS = ("1", "10")
_OF_CLASSIFIER = ("scales", "pixels", "decode", "stretch", "range")
_COLUMNS = 6
"""Besides key and prediction that a terminal shows."""


def _sides(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[int, ...] | None:
    """Whole numbers of "224,256"."""
    if value is None:
        return None
    parts = value.split(",")
    if not all(part.strip().isdecimal() and int(part) > 0 for part in parts):
        raise click.BadParameter(f"{value!r} must be short sides in pixels, such as 224,256,384,480,640")
    return tuple(int(part) for part in parts)


@click.command(
    epilog="Examples: boda predict cat.jpg dog.jpg --encoder auto --topk 3 · boda predict photos.boda --head score"
)
@click.argument("images", nargs=-1, required=True, type=PATH, metavar="IMAGE...")
@click.option("--head", type=PATH, metavar="NAME|DIR", help="A head of your own: its name in W, or its folder.")
@click.option("--clusters", metavar="NAME", help="Clusters of boda cluster: their name in W, or W.boda/NAME.")
@click.option("-e", "--encoder", metavar="NAME", help="With its own classifier. [default: auto]")
@click.option("--topk", type=click.IntRange(min=1), default=_TOPK, show_default=True, help="Classes for each image.")
@click.option(
    "--crops",
    type=click.Choice(_CROPS),
    default=_CROPS[0],
    show_default=True,
    help="10: the four corners and the centre with their mirror images, averaged.",
)
@click.option(
    "--scales",
    callback=_sides,
    metavar="SIDE,...",
    help="See the whole image at these short sides, averaged: 224,256,384,480,640. Of resnet: encoders.",
)
@click.option(
    "--from", "from_table", type=PATH, metavar="TABLE", help="Of a head that takes columns: theirs for new images."
)
@click.option("--weights", type=PATH, metavar="FILE", help="Weights of the encoder: .safetensors, .pt, .pth, .th")
@device_option
@pixel_options
@click.option("--to", type=PATH, metavar="TABLE", help="Write the table too: .csv or .parquet")
@force_option
@spoken
@click.pass_obj
def predict(show: Show, /, images: tuple[str, ...], **options: Any) -> None:
    """Say what a head of your own predicts, which cluster, or what a pretrained classifier sees.

    A head gives its target with a 90 % interval or probabilities, clusters give the cluster and what class it means;
    new images are embedded with their own recipe. A classifier gives index, class name and per cent.
    """
    import boda

    options["crops"] = int(options["crops"])
    if options["head"] is not None and options["clusters"] is not None:
        raise click.UsageError("Give either --head or --clusters.")
    if options["head"] is None and options.pop("from_table") is not None:
        raise click.UsageError("--from is for a head that takes columns: give --head too")
    if options["head"] is None and options["clusters"] is None:
        options = {name: value for name, value in options.items() if name not in {"head", "clusters"}}
        found = boda.predict(images, **options)
        record = found.as_json()
        show(found, lambda: _say(record))
        return
    given = [name for name in _OF_CLASSIFIER if options.pop(name) is not None]
    if options.pop("topk") != _TOPK or options.pop("crops") != 1 or given:
        raise click.UsageError(
            "--topk, --crops, --scales, --pixels, --decode, --stretch and --range are for a classifier: a head or "
            "a clustering has its own recipe"
        )
    said = boda.predict(images, **options)
    show(said, lambda: _say_rows(said))


def _say_rows(found: "HeadPredictions | ClusterPredictions") -> list[Said]:
    """As many columns as a terminal shows: the rest is in the table of --to."""
    from boda.keys import from_text, shown

    table = found.table()
    names = [name for name in table.column_names if name not in {"trained_on", "reason"}][: 2 + _COLUMNS]
    rows: list[list[str | int | float | None]] = []
    for row in table.to_pylist():
        key = shown(from_text(row["key"]))
        seen = "trained on" if row["trained_on"] else row["reason"] or ""
        rows.append([key, *(row[name] for name in names[1:]), seen])
    return [Table((*names, ""), rows)]


def _say(record: dict[str, Any]) -> list[Said]:
    rows: list[list[str | int | float | None]] = []
    for one in record["predictions"]:
        key = _shown(one["key"])
        if not one.get("topk"):
            rows.append([key, None, None, one.get("reason") or "no prediction"])
        rows += [[key, top["index"], top["percent"], top["name"]] for top in one.get("topk") or ()]
    return [Table(("image", "index", "per cent", "class"), rows)]


def _shown(key: "str | dict[str, str]") -> str:
    from boda.keys import from_bytes, shown

    return shown(key if isinstance(key, str) else from_bytes(bytes.fromhex(key["bytes"])))
