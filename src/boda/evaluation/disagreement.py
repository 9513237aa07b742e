"""Disagreement: whether random folds flatter a score that folds by group do not give."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from boda.evaluation.bootstrap import Difference, Groups, Interval, intervals, paired_difference
from boda.evaluation.metrics import Metric
from boda.evaluation.plain import as_plain
from boda.evaluation.weighted import Statistic


@dataclass(frozen=True, slots=True)
class Disagreement:
    """One metric on both kinds of folds, with intervals over groups."""

    metric: str
    random: Interval
    grouped: Interval
    gap: Difference
    """How much better random folds look; paired, above 0 whichever way is better."""
    flattered: bool
    """Whether the interval of the gap lies above 0."""
    sentence: str

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        plain: dict[str, Any] = as_plain(self)
        return plain


def compare_folds(
    metric: Metric,
    random: Statistic,
    grouped: Statistic,
    groups: Groups,
    *,
    name: str = "group",
    rng: np.random.Generator,
    rounds: int = 1000,
    level: float = 0.9,
) -> Disagreement:
    """Compare predictions out of random folds with predictions out of folds by group, on the same rows.

    Args:
        metric: what is compared.
        random: the metric of predictions out of random folds.
        grouped: the same of predictions out of folds that keep groups together.
        groups: (n,); whole groups are drawn in the bootstrap of both.
        name: what people call these groups: a column.
        rng: of the draws.
        rounds: how many draws.
        level: of the intervals.
    """
    n = len(groups)
    state = np.random.default_rng(rng.integers(2**63))
    found = intervals({"random": random, "grouped": grouped}, n, groups=groups, rng=state, rounds=rounds, level=level)
    first, second = (random, grouped) if metric.higher_is_better else (grouped, random)
    gap = paired_difference(first, second, n, groups=groups, rng=rng, rounds=rounds, level=level)
    flattered = gap.low > 0
    return Disagreement(
        metric.name,
        found["random"],
        found["grouped"],
        gap,
        flattered,
        _sentence(metric.name, found["random"].value, found["grouped"].value, gap, flattered, name),
    )


def _sentence(metric: str, random: float, grouped: float, gap: Difference, flattered: bool, name: str) -> str:  # noqa: FBT001
    if not np.isfinite([random, grouped]).all():
        return f"{metric} is not defined on these rows, so folds cannot be compared."
    scores = f"{metric} is {random:.3g} with random folds and {grouped:.3g} with folds by {name}"
    spread = f"{gap.level:.0%} interval of the gap {gap.low:.2g} to {gap.high:.2g}"
    if flattered:
        return (
            f"{scores} ({spread}): rows of one {name} are alike, so random folds test on what was learned from. "
            f"For images of a new {name} expect {grouped:.3g}."
        )
    return f"{scores} ({spread}): random folds do not clearly flatter it."
