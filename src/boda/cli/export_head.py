"""boda export-head."""

from typing import Any

import click

from boda.cli.options import PATH, force_option, spoken
from boda.cli.show import Show


@click.command(
    "export-head",
    epilog="Examples: boda export-head photos.boda --head score --to score.onnx · "
    "boda export-head photos.boda --head score --to score/",
)
@click.argument("workspace", metavar="[W]", type=PATH, required=False)
@click.option("--head", type=PATH, required=True, metavar="NAME|DIR", help="Its name in W, or its folder.")
@click.option("--to", type=PATH, required=True, metavar="FILE|DIR", help="NAME.onnx for one graph, else a folder.")
@click.option("-e", "--encoder", metavar="NAME", help="What made its features. [default: as the head says]")
@click.option("--weights", type=PATH, metavar="FILE", help="Weights of the encoder: .safetensors, .pt, .pth, .th")
@click.option("--rows", is_flag=True, help="In a folder, with the keys of the images it was trained on.")
@force_option
@spoken
@click.pass_obj
def export_head(show: Show, /, workspace: str | None, head: str, **options: Any) -> None:
    """Write a head and its encoder for others: as one ONNX graph, or as a folder for a model hub with its card.

    What is written is compared with the head first, on images that were made and on images of W, to 1e-4.
    """
    import boda

    written = boda.export_head(workspace, head, **options)
    show(written, written.lines)
