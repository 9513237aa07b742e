"""boda import-head."""

from typing import Any

import click

from boda.cli.options import PATH, recipe_option, spoken, workspace_argument
from boda.cli.show import Show


@click.command(
    "import-head", epilog="Example: boda import-head photos.boda aesthetic_linear.pth --target score --name aesthetic"
)
@workspace_argument
@click.argument("weights", type=PATH, metavar="FILE")
@click.option("--target", required=True, metavar="NAME", help="What it predicts.")
@recipe_option
@click.option("--any-length", is_flag=True, help="It takes features of any length, not only of length 1.")
@click.option("--name", metavar="NAME", help="Of the head. [default: that of the file]")
@click.option("--force", is_flag=True, help="Take the place of a head of this name.")
@spoken
@click.pass_obj
def import_head(show: Show, /, workspace: str, weights: str, *, any_length: bool, **options: Any) -> None:
    """Keep a linear layer that somebody else trained as a head: it must be made for features that are here."""
    import boda
    from boda.cli.train import Trained
    from boda.keys import shown

    head = boda.import_head(workspace, weights, unit_length=not any_length, **options)
    show(Trained(head), lambda: [f"{shown(head.name)}: {shown(head.target.name)} from {shown(head.wanted[0].name)}"])
