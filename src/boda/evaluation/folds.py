"""Folds: which rows are held out together.

Without groups the rows of each stratum are dealt out like cards, so that fold sizes and the shares of every stratum
are as equal as they can be. With groups each group goes whole to one fold, the largest first, where its strata are
needed most.
"""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from boda.errors import Refused
from boda.evaluation.rating_metrics import mean_ratings
from boda.evaluation.weighted import Floats

Numbers = npt.NDArray[np.int64]


def split(
    n: int,
    *,
    folds: int = 5,
    strata: npt.NDArray[np.int64] | None = None,
    groups: npt.NDArray[np.int64] | None = None,
    rng: np.random.Generator,
) -> Numbers:
    """The fold that holds each row out.

    Without groups fold sizes differ by at most one row, and so do the rows of any stratum; a stratum with fewer rows
    than folds is in as many folds as it has rows. With groups no group is in two folds, no fold is empty, sizes differ
    by at most the largest group, and strata are as even as placing the groups one by one makes them.

    Args:
        n: how many rows.
        folds: how many folds.
        strata: (n,) rows of one number should be spread evenly, see `strata_of`.
        groups: (n,) rows of one number stay together.
        rng: of ties; the same state gives the same folds.

    Returns:
        (n,) numbers 0 to folds - 1.

    Raises:
        Refused: fewer than two folds, or fewer rows or groups than folds.
    """
    for name, given in (("strata", strata), ("groups", groups)):
        if given is not None and np.shape(given) != (n,):
            raise Refused(f"{n} rows need as many {name}, not an array of shape {np.shape(given)}")
    if folds < 2:
        raise Refused(f"{folds} folds hold nothing out: choose at least 2")
    if n < folds:
        raise Refused(f"{n} rows cannot be split into {folds} folds: choose fewer folds")
    layers = np.zeros(n, np.int64) if strata is None else np.unique(strata, return_inverse=True)[1]
    if groups is None:
        return _dealt(layers, folds, rng)
    teams = np.unique(groups, return_inverse=True)[1]
    count = int(teams.max()) + 1
    if count < folds:
        raise Refused(f"{count} groups cannot be split into {folds} folds: choose fewer folds, or finer groups")
    return _dealt(layers, folds, rng) if count == n else _placed(layers, teams, folds, rng)


def _dealt(layers: Numbers, folds: int, rng: np.random.Generator) -> Numbers:
    """Stratum by stratum, in random order within it, to one fold after the other without starting anew."""
    order = np.lexsort((rng.random(len(layers)), layers))
    numbers = np.empty(len(layers), np.int64)
    numbers[order] = rng.permutation(folds)[np.arange(len(layers)) % folds]
    return numbers


def _placed(layers: Numbers, teams: Numbers, folds: int, rng: np.random.Generator) -> Numbers:
    """Largest group first, to the fold that its strata fill least, among those that it does not overfill.

    What a fold costs is the growth of the summed squares of its size and of each stratum, both relative to all rows.
    A fold may grow past an equal share only when it is the smallest, which bounds the difference of sizes by the
    largest group.
    """
    count, width = int(teams.max()) + 1, int(layers.max()) + 1
    cells, cell_rows = np.unique(teams * width + layers, return_counts=True)
    first = np.searchsorted(cells, np.arange(count + 1) * width)
    in_group = np.bincount(teams)
    weight = 1 / np.bincount(layers)
    filled, sizes = np.zeros((folds, width)), np.zeros(folds, np.int64)
    share, n = len(teams) // folds, len(teams)
    fold_of = np.empty(count, np.int64)
    for team in np.lexsort((rng.random(count), -in_group)):
        part = slice(first[team], first[team + 1])
        strata, rows = cells[part] % width, cell_rows[part]
        size = in_group[team]
        cost = filled[:, strata] @ (rows * weight[strata]) + sizes * (size / n)
        cost[(sizes + size > share) & (sizes > sizes.min())] = np.inf
        best = int(cost.argmin())
        fold_of[team] = best
        filled[best, strata] += rows
        sizes[best] += size
    numbers: Numbers = rng.permutation(folds)[fold_of][teams]
    return numbers


def strata_of(
    kind: Literal["number", "class", "labels", "ratings", "votes"],
    values: npt.NDArray[Any],
    *,
    levels: Sequence[float] = (),
    questions: Sequence[slice] = (),
    bins: int = 10,
) -> Numbers:
    """Strata that spread a target evenly over folds.

    - number, and the mean of ratings: bins of equally many rows, equal values in one bin;
    - class: the class;
    - labels: the rarest label that a row has, or none;
    - votes: the most common answer to the first question, or that nobody was asked.

    Args:
        kind: of the target.
        values: (n,) or (n, o), as `Target.values` has it.
        levels: (r,) what each rating is worth; of ratings only.
        questions: of votes only: which columns are the answers of each.
        bins: how many, of numbers.

    Returns:
        (n,) numbers >= 0.
    """
    if kind == "class":
        return np.asarray(values, np.int64)
    if kind == "number":
        return _binned(np.asarray(values, np.float64), bins)
    if kind == "labels":
        has = values == 1
        rarest_first = np.argsort(has.sum(axis=0), kind="stable")
        ordered = has[:, rarest_first]
        return np.where(ordered.any(axis=1), ordered.argmax(axis=1) + 1, 0)
    counts = np.asarray(values, np.float64)
    counts = counts[:, questions[0]] if kind == "votes" and questions else counts
    known = counts.sum(axis=1) > 0
    strata = np.zeros(len(counts), np.int64)
    if kind == "votes":
        strata[known] = counts[known].argmax(axis=1) + 1
    elif known.any():
        strata[known] = _binned(mean_ratings(counts[known], np.asarray(levels, np.float64)), bins) + 1
    return strata


def _binned(values: Floats, bins: int) -> Numbers:
    edges = np.unique(np.quantile(values, np.arange(1, bins) / bins)) if len(values) else values
    return np.searchsorted(edges, values, side="right").astype(np.int64)
