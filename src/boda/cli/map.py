"""boda map."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from boda.cli.options import PATH, force_option, recipe_option, spoken, workspace_argument
from boda.cli.show import Said, Show, Table
from boda.counted import counted

if TYPE_CHECKING:
    from boda.pipelines.map_points import Mapped


@click.command("map", epilog="Example: boda map photos.boda --colour label")
@workspace_argument
@click.option("--method", type=click.Choice(["tsne", "umap", "pca"]), help="[default: tsne]")
@click.option("--dims", type=int, metavar="2|3", help="[default: 2]")
@recipe_option
@click.option("--metric", type=click.Choice(["euclidean", "cosine"]), help="Between features. [default: euclidean]")
@click.option(
    "--perplexity",
    type=float,
    metavar="P",
    help="Of t-SNE: how many neighbours count. [default: 30, less of few images]",
)
@click.option("--neighbours", type=int, metavar="K", help="Of UMAP. [default: 15, less of few images]")
@click.option(
    "--onto", metavar="NAME|W/NAME", help="Place the images that this map does not know on it; nothing on it moves."
)
@click.option("--colour", metavar="COLUMN|cluster:NAME", help="By which points are coloured.")
@click.option(
    "--starts",
    type=click.IntRange(min=0),
    default=3,
    show_default=True,
    help="Maps from other random starts, to measure what chance did; 0 for none.",
)
@click.option("--seed", type=click.IntRange(min=0), help="[default: 0]")
@click.option("--name", metavar="NAME", help="Of the map in the workspace. [default: the method]")
@click.option("--to", type=PATH, metavar="FILE.html|DIR", help="[default: NAME-map/ beside the workspace]")
@force_option
@spoken
@click.pass_obj
def map_points(show: Show, /, workspace: str, **options: Any) -> None:
    """Make a map of all images, with its errors: a picture, and a page that shows images under the mouse."""
    import boda

    found = boda.map_points(workspace, progress=show.progress, **options)
    show(found, lambda: _say(found))


def _say(found: "Mapped") -> Iterator[Said]:
    from boda.keys import shown

    settings, record = found.settings, found.record
    how = {
        "tsne": f"t-SNE, perplexity {settings.perplexity:.4g}" if settings.perplexity else "",
        "umap": f"UMAP, {settings.neighbours} neighbours",
        "pca": "principal components",
    }
    yield (
        f"{shown(found.name)}: {len(found.keys):,} images in {settings.dims} dimensions, {how[settings.method]}, "
        f"{shown(found.recipe.name)} ({found.recipe.id})"
    )
    if onto := record["onto"]:
        yield from _said_onto(onto)
    yield from _said_errors(record["measured"])
    for sentence in record["limits"]:
        yield f"mind: {sentence}"
    yield f"picture: {shown(str(found.picture))}"
    yield f"page: {shown(str(found.page))}"


def _said_onto(onto: Any) -> Iterator[Said]:
    from boda.keys import shown

    yield (
        f"{counted(onto['placed'], 'image')} placed on map {shown(onto['map'])} of {shown(onto['workspace'])}; its "
        f"{onto['points']:,} points did not move"
    )
    if onto["gone"]:
        yield f"mind: {onto['gone']:,} points of it are left out, whose images are gone or not what they were"


def _said_errors(measured: Any) -> Iterator[Said]:
    """Each figure with its interval and what there is to compare it with."""
    baseline, found = measured["baseline"], measured["disagreement"]
    names = {"trustworthiness": "trustworthiness", "continuity": "continuity", "kept": "neighbours kept"}
    rows: list[list[str | float | None]] = [
        [
            words,
            *(measured[name][part] for part in ("value", "low", "high")),
            baseline[name]["value"] if baseline else None,
        ]
        for name, words in names.items()
    ]
    yield Table((f"{measured['k']} neighbours, {measured['rows']:,} images", "value", "low", "high", "PCA"), rows)
    if found:
        yield (
            f"{found['starts']} random starts disagree on {found['value']:.2f} of who the {found['k']} nearest are "
            f"({found['low']:.2f} to {found['high']:.2f}, {found['rows']:,} images); unrelated maps "
            f"{found['by_chance']:.2f}"
        )
