"""Pairing: two heads on the same rows, which are new to both."""

from typing import Any

import numpy as np

from boda.errors import Refused
from boda.evaluation import bootstrap
from boda.evaluation.groups import join
from boda.evaluation.metrics import metrics_of, statistics
from boda.evaluation.plain import as_plain
from boda.heads.head import Head
from boda.keys import shown
from boda.pipelines.heads.judging import questions_of
from boda.pipelines.heads.kin import Tested

_FEW = 3
"""Classes that a message names."""


def refuse_other_target(first: Head, second: Head) -> None:
    """Two heads can be compared where they predict the same of the same.

    Raises:
        Refused: their targets differ in kind, classes, levels or vote tree, or their rows are not the same things.
    """
    one, two = first.target, second.target
    why = ""
    if one.kind != two.kind:
        why = f"one predicts {one.kind}, the other {two.kind}"
    elif one.tree and two.tree and one.tree.questions != two.tree.questions:
        why = f"their vote trees differ: {shown(one.tree.name)} and {shown(two.tree.name)}"
    elif one.names != two.names:
        why = f"they know other names: {_named(one.names, two.names)} and {_named(two.names, one.names)}"
    elif one.levels != two.levels:
        why = f"their ratings are worth {list(one.levels)} and {list(two.levels)}"
    elif (rows := _rows_of(first)) != (others := _rows_of(second)):
        why = f"a row of one is {rows}, of the other {others}"
    if why:
        raise Refused(f"{_both(first, second)} cannot be compared: {why}")


def _named(names: tuple[str, ...], others: tuple[str, ...]) -> str:
    """The names that only one of them has; the first ones, where only their order differs."""
    own = [name for name in names if name not in others] or list(names)
    return ", ".join(map(shown, own[:_FEW])) + (", ..." if len(own) > _FEW else "")


def _rows_of(head: Head) -> str:
    return "an image" if head.unit is None else f"all images of one {shown(head.unit.column)}"


def _both(first: Head, second: Head) -> str:
    return f"{shown(first.name)} and {shown(second.name)}"


def paired(first: Tested, second: Tested, seed: int) -> dict[str, Any]:
    """Each metric of the first head less that of the second, with intervals, on the rows that are new to both.

    Args:
        first: rows of a workspace as the first head knows them.
        second: rows of the same workspace as the second knows them.
        seed: of the bootstrap.

    Returns:
        Plain JSON: `head`, of the second; `rows`; `metrics` by name, each with `first`, `second`, and the difference
        as `value`, `low` and `high`; `warnings` of the second.

    Raises:
        Refused: no row is new to both, or their targets say other things of a row.
    """
    here = {key: row for row, key in enumerate(second.assembled.keys) if second.unseen[row]}
    pairs = [(row, here[key]) for row, key in enumerate(first.assembled.keys) if first.unseen[row] and key in here]
    if not pairs:
        raise Refused(
            f"no labelled row is new to both {_both(first.head, second.head)}: compare them on other images, or train "
            "both ways on the same folds with boda compare"
        )
    ours, theirs = np.array(pairs, np.intp).T
    truth = first.target.values[ours]
    other = (truth != second.target.values[theirs]) & ~(np.isnan(truth) & np.isnan(second.target.values[theirs]))
    if other.any():
        row = int(np.flatnonzero(other.reshape(len(truth), -1).any(axis=1))[0])
        raise Refused(
            f"{_both(first.head, second.head)} cannot be compared: {shown(first.target.name)} and "
            f"{shown(second.target.name)} say other things of {shown(first.assembled.keys[ours[row]])}"
        )
    groups = join(first.groups[ours], second.groups[theirs])
    target = first.head.target
    questions = questions_of(target.tree)
    one, two = (
        statistics(target.kind, truth, points, levels=target.levels, questions=questions)
        for points in (first.points[ours], second.points[theirs])
    )
    known = metrics_of(target.kind, classes=len(target.names), questions=tuple(questions or ()))
    once = np.ones(len(truth))
    metrics = {}
    for name in one:
        difference = bootstrap.paired_difference(
            one[name], two[name], len(truth), groups=groups, rng=np.random.default_rng(seed)
        )
        values = {"first": one[name](once), "second": two[name](once)}
        metrics[name] = values | difference.as_json() | {"better": known[name].better}
    warnings = list(second.warnings)
    record = {"head": second.head.name, "rows": len(truth), "metrics": metrics, "warnings": warnings}
    return as_plain(record)  # type: ignore[no-any-return]
