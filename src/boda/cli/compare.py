"""boda compare."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from boda.cli.options import PATH, force_option, spoken, workspace_argument
from boda.cli.show import Said, Show, Table

if TYPE_CHECKING:
    from boda.pipelines.compare import Comparison


@click.command(epilog="Example: boda compare photos.boda --target score")
@workspace_argument
@click.option("--target", required=True, metavar="COLUMN", help="As of boda train.")
@click.option("--inputs", metavar="COLUMNS", help="Columns that every candidate has besides features.")
@click.option("--as", "target_kind", type=click.Choice(["number", "class", "labels", "ratings", "votes"]))
@click.option("--tree", metavar="NAME|FILE", help="Of votes.")
@click.option("--total", metavar="COLUMN", help="Of votes that are fractions: how many people were asked.")
@click.option(
    "--kind",
    "methods",
    multiple=True,
    type=click.Choice(["linear", "mlp"]),
    default=("linear", "mlp"),
    show_default="linear and mlp",
    help="May be given several times.",
)
@click.option("--groups", metavar="COLUMN", help="Rows that agree here are never on both sides of a test.")
@click.option("--unit", metavar="COLUMN", help="Images that agree here are one row.")
@click.option("--view", metavar="COLUMN", help="Of a unit: what tells its images apart. [default: they are averaged]")
@click.option("--folds", type=click.IntRange(min=2), default=5, show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--to", type=PATH, metavar="FILE.svg", help="The picture. [default: NAME-compare/ beside the workspace]")
@force_option
@spoken
@click.pass_obj
def compare(show: Show, /, workspace: str, inputs: str | None, **options: Any) -> None:
    """Try all feature sets and heads on the same folds."""
    import boda

    names = [name for name in (inputs or "").split(",") if name.strip()]
    found = boda.compare(workspace, inputs=names, **options)
    show(found, lambda: _say(found))


def _say(found: "Comparison") -> Iterator[Said]:
    from boda.keys import shown

    r = found.record
    yield f"{shown(found.target)}: {r['metric']} on {r['rows']:,} rows, {r['folds']['said']}"
    yield f"trivial baseline {r['baseline']:.4f}"
    yield Table(
        ("inputs", "head", "features", r["metric"], "low", "high", "width", "time"),
        [
            [
                shown(" + ".join(one["inputs"])),
                one["method"],
                one["scaling"],
                one["value"],
                one["low"],
                one["high"],
                one["width"],
                f"{one['seconds']:.2f} s",
            ]
            for one in r["candidates"]
        ],
    )
    level = [one for one in r["candidates"][1:] if not _behind(one["to_best"])]
    if level:
        yield f"{len(level)} of the others cannot be told from the best on these rows"
    for warning in r["warnings"]:
        yield f"mind: {warning}"
    yield f"picture: {shown(str(found.picture))}"


def _behind(difference: dict[str, Any]) -> bool:
    low, high = difference["low"], difference["high"]
    return low is not None and high is not None and (low > 0 or high < 0)
