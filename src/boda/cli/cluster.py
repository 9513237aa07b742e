"""boda cluster."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from boda.cli.options import PATH, recipe_option, spoken, workspace_argument
from boda.cli.show import Said, Show, Table
from boda.counted import counted, found_of_asked

if TYPE_CHECKING:
    from boda.pipelines.cluster import Clustered
    from boda.pipelines.clusters.cells import Cell

_METHODS = ("kmeans", "spherical", "minibatch", "gmm", "hdbscan", "agglomerative")
_WIDEST = 12
"""Clusters of a table of classes that a terminal shows."""


def _numbers(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[int, ...] | None:
    """Whole numbers of "2,5,10"."""
    if value is None:
        return None
    parts = [part.strip() for part in value.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise click.BadParameter(f"{value!r} must be numbers of clusters with commas between, such as 2,5,10")
    return tuple(map(int, parts))


@click.command(epilog="Example: boda cluster photos.boda -k 2,5,10 --labels class")
@workspace_argument
@click.option(
    "-k", callback=_numbers, metavar="K,...", help="How many clusters, or several to compare. [default: 2,3,4,5,6,8,10]"
)
@click.option("--method", type=click.Choice(_METHODS), default="kmeans", show_default=True)
@click.option("--labels", metavar="COLUMN", help="Classes to compare the clusters with; they are not clustered by.")
@click.option("--class-groups", type=click.IntRange(min=1), metavar="G", help="Of the classes. [default: K]")
@click.option(
    "--classes-by",
    type=click.Choice(["majority", "matched"]),
    default="majority",
    show_default=True,
    help="How clusters get classes: the most frequent one, or one to one (Hungarian).",
)
@recipe_option
@click.option("--name", metavar="NAME", help="Of the clustering in the workspace. [default: METHOD-K, as kmeans-10]")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--restarts", type=click.IntRange(min=1), default=10, show_default=True, help="The best start is kept.")
@click.option(
    "--cell", "cells", multiple=True, metavar="CLASS,CLUSTER", help="List these images; CLUSTER alone: all of it."
)
@click.option("--clusters", metavar="NAME", help="With --cell: of a clustering that is kept. Nothing is computed.")
@click.option("--to", type=PATH, metavar="DIR", help="Tables and pictures. [default: NAME-cluster/ beside W]")
@click.option("--page/--no-page", default=True, help="An HTML page too. [default: page]")
@click.option("--force", is_flag=True, help="Write over files of others in that folder.")
@spoken
@click.pass_context
def cluster(
    context: click.Context, /, workspace: str, clusters: str | None, cells: tuple[str, ...], **options: Any
) -> None:
    """Find groups of images without labels, and say which of them are real."""
    import boda

    show: Show = context.obj
    if clusters is not None:
        _refuse_others(context)
        from boda.pipelines.clusters.cells import kept_cells

        kept = kept_cells(workspace, clusters, cells, labels=options["labels"])
        show(kept, lambda: _said_cells(kept.cells))
        return
    found = boda.cluster(workspace, cells=cells, **options)
    show(found, lambda: _say(found))


def _refuse_others(context: click.Context) -> None:
    """With --clusters only --cell and --labels have a meaning."""
    from click.core import ParameterSource

    given = {
        name
        for name in context.params
        if context.get_parameter_source(name) not in {ParameterSource.DEFAULT, ParameterSource.DEFAULT_MAP}
    }
    if "cells" not in given:
        raise click.UsageError("--clusters needs --cell CLASS,CLUSTER: it lists images of a clustering that is kept.")
    other = sorted(given - {"workspace", "clusters", "cells", "labels"})
    if other:
        raise click.UsageError(f"--clusters computes nothing: leave out {', '.join(other).replace('_', '-')}.")


def _say(found: "Clustered") -> Iterator[Said]:
    from boda.keys import shown

    record = found.record
    yield (
        f"{counted(record['rows'], 'image')}, {shown(record['encoder'] or 'unknown features')} ({record['recipe']}), "
        f"{record['method']}, seed {record['seed']}"
    )
    yield Table(
        ("k", "halves agree", "low", "high", "shuffled", "correlated", "seeds agree", "silhouette"),
        [_said_stability(one) for one in record["clusterings"]],
    )
    yield record["verdict"]
    for one in record["clusterings"]:
        if one["against"]:
            yield f"not {found_of_asked(one['k'], one['asked'])}: {one['against']}"
    for one in record["clusterings"]:
        yield from _said_clustering(one)
    yield from _said_cells(found.cells)
    yield f"kept as: {', '.join(map(shown, found.clusterings))}"
    yield f"files: {shown(str(found.folder))}"
    if found.page is not None:
        yield f"page: {shown(str(found.page))}"


def _said_stability(one: Any) -> list[str | int | float | None]:
    """Agreement of halves with its range, that of the nulls, of seeds, and the silhouette."""
    silhouette = None if one["silhouette"] is None else one["silhouette"]["value"]
    k = one["k"] if one["asked"] in (None, one["k"]) else found_of_asked(one["k"], one["asked"])
    if one["stability"] is None:
        return [k, None, None, None, None, None, None, silhouette]
    found, nulls = one["stability"]["found"], one["stability"]["nulls"]
    halves, seeds = found["halves"], found["seeds"]
    return [
        k,
        *(halves[name] for name in ("mean", "low", "high")),
        *(nulls[kind]["halves"]["mean"] for kind in ("shuffled", "correlated")),
        None if seeds is None else seeds["mean"],
        silhouette,
    ]


def _said_clustering(one: Any) -> Iterator[Said]:
    """The clusters, and how they relate to classes."""
    rows = [
        [
            str(cluster["cluster"]),
            cluster["rows"],
            None if cluster["jaccard"] is None else cluster["jaccard"]["mean"],
            None if cluster["silhouette"] is None else cluster["silhouette"]["value"],
            _key(cluster["medoid"]),
        ]
        for cluster in one["clusters"]
    ]
    if one["unclustered"] or not rows:
        rows.append(["none", one["unclustered"], None, None, ""])
    yield Table((one["name"], "images", "found again", "silhouette", "medoid"), rows)
    if one["classes"] is not None:
        yield from _said_classes(one["classes"])


def _said_classes(classes: Any) -> Iterator[Said]:
    from boda.keys import shown

    table = classes["table"]
    if len(table["counts"][0]) <= _WIDEST:
        loose = any(table["unclustered"])
        header = (classes["column"], *map(str, range(len(table["counts"][0]))), *(["none"] if loose else []))
        counts = zip(table["classes"], table["counts"], table["unclustered"], strict=True)
        yield Table(
            tuple(map(shown, header)), [[name, *cells, *([none] if loose else [])] for name, cells, none in counts]
        )
    yield Table(
        ("with classes", "value", "low", "high"),
        [[name, *(one[part] for part in ("value", "low", "high"))] for name, one in classes["agreement"].items()],
    )
    if classes["held_out"] is not None:
        right, usual = classes["held_out"]["accuracy"], classes["held_out"]["baseline"]
        yield (
            f"classes by {classes['map']['how']}, own class held out: {100 * right['value']:.1f} % right "
            f"({100 * right['low']:.1f} to {100 * right['high']:.1f}), the commonest class alone "
            f"{100 * usual['value']:.1f} %"
        )
    if classes["groups"] is not None:
        for way, groups in classes["groups"]["by"].items():
            said = " | ".join(", ".join(map(shown, group)) for group in groups)
            yield f"classes by {classes['groups']['ways'][way]}: {said}"
        for note in classes["groups"]["notes"]:
            yield f"mind: {note}"


def _said_cells(cells: "tuple[Cell, ...]") -> Iterator[Said]:
    from boda.keys import shown

    for cell in cells:
        yield f"{cell.words}: {len(cell.keys):,} image{'' if len(cell.keys) == 1 else 's'}"
        yield from (f"  {shown(key)}" for key in cell.keys)


def _key(key: Any) -> str:
    from boda.keys import from_bytes, shown

    return shown(key if isinstance(key, str) else from_bytes(bytes.fromhex(key["bytes"])))
