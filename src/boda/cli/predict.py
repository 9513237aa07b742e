"""boda predict."""

from typing import Any

import click

from boda.cli.options import PATH, force_option, spoken
from boda.cli.show import Said, Show, Table


@click.command(epilog="Example: boda predict cat.jpg dog.jpg --encoder auto --topk 3")
@click.argument("images", nargs=-1, required=True, type=PATH, metavar="IMAGE...")
@click.option("-e", "--encoder", default="auto", show_default=True, metavar="NAME", help="With its own classifier.")
@click.option("--topk", type=click.IntRange(min=1), default=5, show_default=True, help="Classes for each image.")
@click.option("--weights", type=PATH, metavar="FILE", help="Weights of the encoder: .safetensors, .pt, .pth, .th")
@click.option("--decode", type=click.Choice(["scaled", "exact"]), help="[default: scaled]")
@click.option("--to", type=PATH, metavar="TABLE", help="Write the table too: .csv or .parquet")
@force_option
@spoken
@click.pass_obj
def predict(show: Show, /, images: tuple[str, ...], **options: Any) -> None:
    """Say what a pretrained classifier sees: index, class name and per cent."""
    import boda

    found = boda.predict(images, **options)
    record = found.as_json()
    show(found, lambda: _say(record))


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
