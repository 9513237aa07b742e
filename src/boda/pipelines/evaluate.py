"""Evaluate: how good a head is on labelled images, those new to it apart from those it learned from and their kin."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from boda.errors import Refused
from boda.evaluation import baseline, bootstrap
from boda.evaluation.metrics import metrics_of, statistics
from boda.evaluation.plain import as_plain
from boda.heads.inputs import Rows
from boda.pipelines.heads.judging import questions_of
from boda.pipelines.heads.keeping import AnyHead, load_head
from boda.pipelines.heads.kin import Tested, tell_apart
from boda.pipelines.heads.pairing import paired, refuse_other_target
from boda.pipelines.places import Where, opened
from boda.pipelines.seeds import check_seed


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Metrics of a head on the images of a workspace.

    Each metric has `value`, `low`, `high`, `better`, and `baseline`: what it is where every row is told the average
    of these rows, which nobody could know, so that it is if anything too good.
    """

    workspace: str
    head: str
    unseen: Mapping[str, Any] | None
    """`rows` and `metrics` of labelled rows that are new to it; None where there are none."""
    kin: Mapping[str, Any] | None
    """The same of rows that it was not trained on, but that are `of_group`s that it was, or near `copies`; they
    flatter, and are no part of `unseen`. None where there are none."""
    held_out: Mapping[str, Any]
    """As it was measured in training, on rows that its folds' models had not seen."""
    trained_on: int | None
    """Labelled rows here that it was trained on; they test nothing and are left out. None: the head came without its
    rows, so that any of these may be among them."""
    unknown: Mapping[str, Any] | None = None
    """In place of `unseen` where the head came without its rows: it may have been trained on any of these."""
    warnings: tuple[str, ...] = ()
    """Kin that could not be looked for, and why."""
    against: Mapping[str, Any] | None = None
    """Where another head was given: `head`, and `rows` that are new to both, with `metrics` of each, `first` and
    `second`, and their difference, first less second, as `value`, `low` and `high`."""

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "workspace": self.workspace,
            "head": self.head,
            "unseen": self.unseen,
            "kin": self.kin,
            "held_out": dict(self.held_out),
            "trained_on": self.trained_on,
            "unknown": self.unknown,
            "warnings": list(self.warnings),
            "against": self.against,
        }


def evaluate(workspace: Where, head: AnyHead, *, against: AnyHead | None = None, seed: int = 0) -> Evaluation:
    """Compare what a head says with the labels of a workspace, and with what another head says.

    Args:
        workspace: whose images and labels.
        head: its name there, its folder, or itself.
        against: another head of the same target, for paired differences on the rows that are new to both.
        seed: of the bootstrap.

    Raises:
        NotFound: no such head, features or column.
        Refused: no labelled image has all inputs; or the two heads predict different things, or no row is new to both;
            or a seed below 0.
    """
    check_seed(seed)
    there = opened(workspace)
    loaded = load_head(head, there)
    other = None if against is None else load_head(against, there)
    if other is not None:
        refuse_other_target(loaded, other)
    tested = tell_apart(there, loaded)
    unseen, kin = (_measured(tested, np.flatnonzero(rows), seed) for rows in (tested.unseen, tested.kin))
    if not len(tested.target) and not loaded.evaluation:
        raise Refused(f"all {tested.trained_on} labelled images were used to train this head: nothing here can test it")
    if kin is not None:
        kin |= {"of_group": int(tested.of_group.sum()), "copies": int(tested.copied.sum())}
    return Evaluation(
        workspace=str(there.path),
        head=loaded.name,
        unseen=unseen if loaded.trained.known else None,
        kin=kin,
        held_out=loaded.evaluation,
        trained_on=tested.trained_on if loaded.trained.known else None,
        unknown=None if loaded.trained.known else unseen,
        warnings=tested.warnings,
        against=None if other is None else paired(tested, tell_apart(there, other), seed),
    )


def _measured(tested: Tested, rows: Rows, seed: int) -> dict[str, Any] | None:
    """Metrics of some rows with intervals, for which whole groups are drawn, beside what their average is worth."""
    if not len(rows):
        return None
    target, truth = tested.head.target, tested.target.values[rows]
    questions, classes = questions_of(target.tree), len(target.names)
    of_rows = statistics(target.kind, truth, tested.points[rows], levels=target.levels, questions=questions)
    rng = np.random.default_rng(seed)
    found = bootstrap.intervals(of_rows, len(rows), groups=tested.groups[rows], rng=rng)
    trivial = baseline.statistics(target.kind, truth, None, classes=classes, levels=target.levels, questions=questions)
    known = metrics_of(target.kind, classes=classes, questions=tuple(questions or ()))
    metrics = {
        name: {
            "value": one.value,
            "low": one.low,
            "high": one.high,
            "baseline": trivial[name](np.ones(len(rows))),
            "better": known[name].better,
        }
        for name, one in found.items()
    }
    return as_plain({"rows": len(rows), "metrics": metrics})  # type: ignore[no-any-return]
