"""boda evaluate."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from boda.cli.options import PATH, spoken, workspace_argument
from boda.cli.show import Said, Show, Table

if TYPE_CHECKING:
    from boda.pipelines.evaluate import Evaluation


@click.command(epilog="Example: boda evaluate new_photos.boda --head score")
@workspace_argument
@click.option("--head", required=True, type=PATH, metavar="NAME|DIR", help="Its name in the workspace, or its folder.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the bootstrap.")
@spoken
@click.pass_obj
def evaluate(show: Show, /, workspace: str, head: str, seed: int) -> None:
    """Say how good a head is on labelled images, apart from those it was trained on."""
    import boda

    found = boda.evaluate(workspace, head, seed=seed)
    show(found, lambda: _say(found))


def _say(found: "Evaluation") -> Iterator[Said]:
    from boda.cli.train import said_evaluation
    from boda.keys import shown

    if found.unseen is not None:
        which = "it was not trained on" if found.trained_on is not None else "(it does not say which it was trained on)"
        yield f"{shown(found.head)} on {found.unseen['rows']:,} labelled rows {which}"
        metrics = found.unseen["metrics"].items()
        rows = [[name, one["value"], one["low"], one["high"]] for name, one in metrics]
        yield Table(("metric", "value", "low", "high"), rows)
    if found.trained_on:
        yield f"{found.trained_on:,} labelled rows here were used to train it and test nothing"
    if found.held_out:
        yield "when it was trained, on rows held out:"
        yield from said_evaluation(found.held_out)
