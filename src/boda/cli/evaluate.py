"""boda evaluate."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from boda.cli.options import PATH, spoken, workspace_argument
from boda.cli.show import Said, Show, Table

if TYPE_CHECKING:
    from boda.pipelines.evaluate import Evaluation


@click.command(epilog="Example: boda evaluate new_photos.boda --head score --against old.boda/score")
@workspace_argument
@click.option("--head", required=True, type=PATH, metavar="NAME|DIR", help="Its name in the workspace, or its folder.")
@click.option("--against", type=PATH, metavar="NAME|DIR", help="Another head: which is better on rows new to both.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the bootstrap.")
@spoken
@click.pass_obj
def evaluate(show: Show, /, workspace: str, head: str, against: str | None, seed: int) -> None:
    """Say how good a head is on labelled images that are new to it."""
    import boda

    found = boda.evaluate(workspace, head, against=against, seed=seed)
    show(found, lambda: _say(found))


def _say(found: "Evaluation") -> Iterator[Said]:
    from boda.cli.train import said_evaluation
    from boda.keys import shown

    head = shown(found.head)
    if found.unseen is not None:
        yield f"{head} on {found.unseen['rows']:,} labelled rows that are new to it"
        yield _metrics(found.unseen)
    if found.unknown is not None:
        yield f"{head} on {found.unknown['rows']:,} labelled rows; it may have been trained on any of them"
        yield _metrics(found.unknown)
    if found.kin is not None:
        yield f"{head} on {found.kin['rows']:,} labelled rows that are kin to what it was trained on and flatter it:"
        yield f"{found.kin['of_group']:,} of a group it was trained on, {found.kin['copies']:,} more by copies"
        yield _metrics(found.kin)
    if found.trained_on:
        yield f"{found.trained_on:,} labelled rows here were used to train it and test nothing"
    yield from (f"mind: {warning}" for warning in found.warnings)
    if found.against is not None:
        yield from _said_pair(found.against, head, shown(found.against["head"]))
    if found.held_out:
        yield "when it was trained, on rows held out:"
        yield from said_evaluation(found.held_out)


def _metrics(record: Any) -> Table:
    return Table(
        ("metric", "value", "low", "high", "baseline"),
        [[name, one["value"], one["low"], one["high"], one["baseline"]] for name, one in record["metrics"].items()],
    )


def _said_pair(record: Any, first: str, second: str) -> Iterator[Said]:
    yield f"{first} less {second} on {record['rows']:,} labelled rows that are new to both"
    yield Table(
        ("metric", "first", "second", "difference", "low", "high"),
        [
            [name, one["first"], one["second"], one["value"], one["low"], one["high"]]
            for name, one in record["metrics"].items()
        ],
    )
    yield from (f"mind: {second}: {warning}" for warning in record["warnings"])
