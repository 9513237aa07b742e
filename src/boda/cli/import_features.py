"""boda import-features."""

from typing import Any

import click

from boda.cli.options import PATH, spoken, workspace_argument
from boda.cli.show import Show


@click.command("import-features", epilog="Example: boda import-features photos.boda clip.npy --keys clip.keys.jsonl")
@workspace_argument
@click.argument("files", type=PATH, metavar="FILE...", nargs=-1, required=True)
@click.option(
    "--keys",
    type=PATH,
    metavar="FILE",
    help="Of a .npy: .jsonl, .json, .csv or one key a line. [default: found beside]",
)
@click.option("--stated", type=PATH, metavar="RECIPE.json", help="How the features were made. Without: unknown.")
@click.option("--name", metavar="NAME", help="What to call the features. [default: as the file, or its folder]")
@click.option("--source", type=PATH, metavar="SOURCE", help="Of the images, where W is not there and is to be made.")
@spoken
@click.pass_obj
def import_features(show: Show, /, workspace: str, files: tuple[str, ...], stated: str | None, **options: Any) -> None:
    """Take features from FILE (.npy, .npz, .parquet, .csv; a cache of .pt files) into the workspace W.

    Features belong to image bytes: keys that no listed image has are left out and reported, and images that boda has
    not read yet are read once, to know their content.

    The .pt files of a cache are dictionaries with image_names, image_features and scores; give them all, or a pattern
    in quotes: 'cache/*.pt'. Names match keys, file names or stems; scores become labels. A file whose counts differ
    is left out and reported.
    """
    import boda

    taken = boda.import_features(workspace, files[0] if len(files) == 1 else files, recipe=stated, **options)
    show(taken, taken.lines)
