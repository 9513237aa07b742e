"""boda import-features."""

from typing import Any

import click

from boda.cli.options import PATH, spoken, workspace_argument
from boda.cli.show import Show


@click.command("import-features", epilog="Example: boda import-features photos.boda clip.npy --keys clip.keys.jsonl")
@workspace_argument
@click.argument("file", type=PATH)
@click.option(
    "--keys",
    type=PATH,
    metavar="FILE",
    help="Of a .npy: .jsonl, .json, .csv or one key a line. [default: found beside]",
)
@click.option("--stated", type=PATH, metavar="RECIPE.json", help="How the features were made. Without: unknown.")
@click.option("--name", metavar="NAME", help="What to call the features. [default: the name of the file]")
@click.option("--source", type=PATH, metavar="SOURCE", help="Of the images, where W is not there and is to be made.")
@spoken
@click.pass_obj
def import_features(show: Show, /, workspace: str, file: str, stated: str | None, **options: Any) -> None:
    """Take features from FILE (.npy, .npz, .parquet, .csv) into the workspace W.

    Features belong to image bytes: keys that no listed image has are left out and reported, and images that boda has
    not read yet are read once, to know their content.
    """
    import boda

    taken = boda.import_features(workspace, file, recipe=stated, **options)
    show(taken, taken.lines)
