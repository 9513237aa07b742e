"""boda demo."""

from typing import Any

import click

from boda.cli.options import PATH, spoken
from boda.cli.show import Show


@click.command(epilog="Example: boda demo --to demo/")
@click.option("--to", type=PATH, default="demo", show_default=True, metavar="FOLDER", help="Where it all goes.")
@click.option("--data", is_flag=True, help="Galaxies of the folder that BODA_DATA points at, instead of digits.")
@spoken
@click.pass_obj
def demo(show: Show, /, **options: Any) -> None:
    """Embed real images, train a head, find groups, map and inspect them, and make a page of it all.

    Needs no network, and about two minutes on two cores.
    """
    import boda

    result = boda.demo(progress=show.progress, **options)
    show(result, result.lines)
