"""boda train."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from boda.cli.options import PATH, spoken, workspace_argument
from boda.cli.show import Said, Show, Table

if TYPE_CHECKING:
    from boda.heads.head import Head


@click.command(epilog="Example: boda train photos.boda --target score --inputs auto,iso --groups photographer")
@workspace_argument
@click.option(
    "--target",
    required=True,
    metavar="COLUMN",
    help="A column; log10(COLUMN); COLUMN=VALUE, one class against the rest; 'count_*', many columns.",
)
@click.option(
    "--inputs", metavar="NAMES", help="Feature sets and columns, with commas between. [default: the latest features]"
)
@click.option(
    "--as",
    "target_kind",
    type=click.Choice(["number", "class", "labels", "ratings", "votes"]),
    help="What the target is. [default: told by its values]",
)
@click.option("--tree", metavar="NAME|FILE", help="Of votes: gz2, decals, nine, or a TOML file of your own.")
@click.option("--total", metavar="COLUMN", help="Of votes that are fractions: how many people were asked.")
@click.option("--kind", "method", type=click.Choice(["auto", "linear", "mlp"]), default="auto", show_default=True)
@click.option(
    "--loss", type=click.Choice(["likelihood", "emd"]), default="likelihood", show_default=True, help="Of ratings."
)
@click.option(
    "--scaling",
    type=click.Choice(["standardised", "normalised", "raw"]),
    default="standardised",
    show_default=True,
    help="Of features.",
)
@click.option("--groups", metavar="COLUMN", help="Rows that agree here are never on both sides of a test.")
@click.option("--unit", metavar="COLUMN", help="Images that agree here are one row: the photographs of one house.")
@click.option("--view", metavar="COLUMN", help="Of a unit: tells its images apart. [default: they are averaged]")
@click.option("--folds", type=click.IntRange(min=2), default=5, show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--name", metavar="NAME", help="Of the head in the workspace. [default: the target]")
@click.option("--to", type=PATH, metavar="DIR", help="Write the head as a folder too.")
@click.option("--page", type=PATH, metavar="FILE.html", help="The report. [default: in NAME-train/ beside W]")
@click.option("--no-page", is_flag=True, help="Write no report.")
@click.option("--force", is_flag=True, help="Write over a folder or a page that is there.")
@spoken
@click.pass_obj
def train(
    show: Show, /, workspace: str, inputs: str | None, *, page: str | None, no_page: bool, **options: Any
) -> None:
    """Learn to predict a column from features, and test it honestly."""
    import boda
    from boda.pipelines.heads.reporting import page_beside

    if no_page and page is not None:
        raise click.UsageError("Give either --page FILE.html or --no-page.")
    names = [name for name in (inputs or "").split(",") if name.strip()]
    head = boda.train(workspace, inputs=names, page=False if no_page else page, **options)
    result = Trained(head, None if no_page else page or str(page_beside(Path(workspace), head.name)))
    show(result, result.say)


class Trained:
    """A head, as the command line says it."""

    def __init__(self, head: "Head", page: str | None = None) -> None:
        self._head, self._page = head, page

    def as_json(self) -> dict[str, Any]:
        """Name, target, inputs, evaluation, and where the page is."""
        from boda.keys import to_json

        head = self._head
        return {
            "head": head.name,
            "target": head.target.name,
            "kind": head.target.kind,
            "model": head.model.kind,
            "inputs": [one.name for one in head.wanted],
            "recipes": [recipe.id for recipe in head.recipes],
            "evaluation": dict(head.evaluation),
            "page": None if self._page is None else to_json(self._page),
        }

    def say(self) -> Iterator[Said]:
        """What was learned, how it was tested, metrics with interval and baseline, then what to mind."""
        from boda.keys import shown

        head = self._head
        inputs = ", ".join(shown(one.name) for one in head.wanted)
        yield f"{shown(head.name)}: {shown(head.target.name)} ({head.target.kind}) from {inputs}, {head.model.kind}"
        yield from said_evaluation(head.evaluation)
        if self._page is not None:
            yield f"page: {shown(self._page)}"


def said_evaluation(record: Any) -> Iterator[Said]:
    """An evaluation as the command line says it."""
    yield f"{record['rows']:,} rows, {record['folds']['said']}"
    for why, count in record["left_out"].items():
        yield f"left out, {why}: {count:,}"
    yield Table(
        ("metric", "value", "low", "high", "baseline"),
        [[name, one["value"], one["low"], one["high"], one["baseline"]] for name, one in record["metrics"].items()],
    )
    if record.get("inputs"):
        yield Table(
            ("inputs", record["primary"], "low", "high"),
            [[one["inputs"], one["value"], one["low"], one["high"]] for one in record["inputs"]],
        )
        yield Table(
            ("difference", record["primary"], "low", "high"),
            [[one["of"], one["value"], one["low"], one["high"]] for one in record["differences"]],
        )
    if record.get("importance"):
        yield Table(
            ("shuffled", f"loss of {record['primary']}", "low", "high"),
            [[one["name"], one["value"], one["low"], one["high"]] for one in record["importance"]],
        )
    if gap := record.get("random_folds"):
        rows = [[how, gap[how]["value"], gap[how]["low"], gap[how]["high"]] for how in ("random", "grouped", "gap")]
        yield Table(("folds", gap["metric"], "low", "high"), rows)
    yield from said_trust(record)
    for warning in record.get("warnings", ()):
        yield f"mind: {warning}"


def said_trust(record: Any) -> Iterator[Said]:
    """How uneven classes are, intervals, calibration and the ceiling, one line each."""
    if imbalance := record.get("imbalance"):
        counted = sorted(zip(imbalance["counts"], imbalance["names"], strict=True))
        (fewest, rarest), (most, commonest) = counted[0], counted[-1]
        yield f"{len(counted)} classes, from {fewest:,} rows ({rarest}) to {most:,} ({commonest})"
    if conformal := record.get("conformal"):
        yield _said_coverage(conformal)
    if calibration := record.get("calibration"):
        yield (
            f"calibration: expected error {calibration['error_before']:.3f} as learned, {calibration['error']:.3f} "
            "once scores are calibrated on the other folds"
        )
    if ceiling := record.get("ceiling"):
        best = ceiling["spearman"]["value"]
        most = "no Spearman: no rating differs" if best is None else f"a Spearman of about {best:.2f} at most"
        yield f"ceiling: {ceiling['raters']:.0f} raters an image allow {most}"


def _said_coverage(conformal: Any) -> str:
    """How often intervals or sets held the truth, how large they are, and the least and most of labels or questions."""
    kind, size = "intervals", "without an end"
    if "labels" in conformal:
        kind, size = "sets of yes and no", f"{conformal['set_size']:.2f} of them on average"
    elif "set_size" in conformal:
        size = f"{conformal['set_size']:.2f} classes on average"
    elif conformal["width"] is not None:
        kind = "intervals of votes" if "questions" in conformal else kind
        size = f"{conformal['width']:.4g} wide"
    coverage = conformal["coverage"]
    return (
        f"{100 * conformal['level']:.0f} % {kind}: measured coverage {100 * coverage['value']:.1f} % "
        f"({100 * coverage['low']:.1f} to {100 * coverage['high']:.1f}), {size}"
        f"{_said_range(conformal.get('questions') or conformal.get('labels') or ())}"
    )


def _said_range(parts: Any) -> str:
    from boda.keys import shown

    known = [one for one in parts if one["coverage"]["value"] is not None]
    if len(known) < 2:
        return ""
    ends = [find(known, key=lambda one: one["coverage"]["value"]) for find in (min, max)]
    return "; from " + " to ".join(f"{100 * one['coverage']['value']:.1f} % ({shown(one['name'])})" for one in ends)
