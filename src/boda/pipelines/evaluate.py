"""Evaluate: how good a head is on labelled images, those it was trained on apart from those it never saw."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from boda.errors import Refused
from boda.evaluation import bootstrap
from boda.evaluation.groups import join, sharing
from boda.evaluation.metrics import metrics_of, statistics
from boda.evaluation.plain import as_plain
from boda.heads import columns
from boda.heads.answers import points_of
from boda.heads.asking import read_target
from boda.heads.assembling import Assembled, assemble
from boda.heads.head import Head
from boda.pipelines.heads.judging import questions_of
from boda.pipelines.heads.keeping import AnyHead, load_head
from boda.pipelines.places import Where, opened


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Metrics of a head on the images of a workspace."""

    workspace: str
    head: str
    unseen: Mapping[str, Any] | None
    """Of labelled rows it was not trained on, as far as that is known; None where there are none."""
    held_out: Mapping[str, Any]
    """As it was measured in training, on rows that its folds' models had not seen."""
    trained_on: int | None
    """Labelled rows here that it was trained on; they test nothing and are left out of `unseen`. None: the head came
    without its rows, so that any of these may be among them."""

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "workspace": self.workspace,
            "head": self.head,
            "unseen": self.unseen,
            "held_out": dict(self.held_out),
            "trained_on": self.trained_on,
        }


def evaluate(workspace: Where, head: AnyHead, *, seed: int = 0) -> Evaluation:
    """Compare what a head says with the labels of a workspace.

    Args:
        workspace: whose images and labels.
        head: its name there, its folder, or itself.
        seed: of the bootstrap.

    Raises:
        NotFound: no such head, features or column.
        Refused: no labelled image has all inputs.
    """
    there = opened(workspace)
    loaded = load_head(head, there)
    everything = assemble(there, there.frame(), loaded.wanted, loaded.unit)
    rows, target = read_target(everything.table, loaded.asked, loaded.target.tree)
    assembled = everything.take(rows)
    seen = loaded.trained.seen(assembled.keys, assembled.contents)
    fresh = np.flatnonzero(~seen)
    unseen = None
    if len(fresh):
        these = assembled.take(fresh)
        points = points_of(loaded.target, loaded.outputs(these.inputs), loaded.calibration)
        unseen = _measured(loaded, target.take(fresh).values, points, _groups(loaded, these), seed)
    if unseen is None and not loaded.evaluation:
        raise Refused(f"all {len(rows)} labelled images were used to train this head: nothing here can test it")
    trained_on = int(seen.sum()) if loaded.trained.known else None
    return Evaluation(str(there.path), loaded.name, unseen, loaded.evaluation, trained_on)


def _groups(head: Head, assembled: Assembled) -> npt.NDArray[np.int64]:
    """(n,) rows that say nearly the same: equal files, and one group where the head was tested by such a column."""
    same_file = sharing(assembled.files())
    column = head.evaluation.get("folds", {}).get("by")
    if column not in assembled.table.column_names:
        return same_file
    return join(same_file, columns.texts(assembled.table, column))


def _measured(head: Head, truth: Any, points: Any, groups: npt.NDArray[np.int64], seed: int) -> dict[str, Any]:
    """Metrics with intervals, for which whole groups are drawn."""
    target = head.target
    questions = questions_of(target.tree)
    of_rows = statistics(target.kind, truth, points, levels=target.levels, questions=questions)
    found = bootstrap.intervals(of_rows, len(truth), groups=groups, rng=np.random.default_rng(seed))
    known = metrics_of(target.kind, classes=len(target.names), questions=tuple(questions or ()))
    metrics = {
        name: {"value": one.value, "low": one.low, "high": one.high, "better": known[name].better}
        for name, one in found.items()
    }
    return as_plain({"rows": len(truth), "metrics": metrics})  # type: ignore[no-any-return]
