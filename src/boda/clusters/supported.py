"""Supported: the number of clusters that the rows speak for, or that they speak for none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from boda.clusters.nulls import KINDS
from boda.clusters.repeated import Spread, Stability
from boda.counted import counted

STABLE = 0.75
"""Mean Jaccard index from which a cluster is stable (Hennig, Computational Statistics and Data Analysis 52, 2007)."""
SHARE = 1 / 4
"""Of the disagreement that there is without groups; more is the shape of one cloud rather than groups."""


@dataclass(frozen=True)
class Verdict:
    """Which k, and why no other."""

    k: int | None
    """None: none of those looked at."""
    words: str
    against: Mapping[int | None, str]
    """By the k that was asked for, what speaks against each clustering but the one that is named."""


def supported(stabilities: Sequence[Stability]) -> Verdict:
    """Name the k that the rows support, of those looked at.

    A k can be supported where

    1. its halves agree better than those of features without groups, of either kind: nine in ten of its repetitions
       above nine in ten of theirs, with at most a quarter of their mean disagreement. Disagreement (1 less the adjusted
       Rand index) falls with the number of rows for anything that can be cut in one best way only, so a difference
       alone would be clear for any cloud that is not quite the null. A quarter is about what two normal groups have
       whose means are 3.2 standard deviations apart. In 19 sets of 800 or 1,500 rows without groups (normal, long,
       uniform, triangular, skewed, a ring), at 3 to 6 k each, it was once 0.26 of the more stable null's, else above
       0.5.
    2. every cluster is found again with a mean Jaccard index of at least 0.75. One cluster too many cuts a group
       anywhere, which the other clusters hide in the index of all rows, but not in those of its two parts.
    3. where groups are round, the rows of every cluster are nearer to one another than to another cluster (a mean
       silhouette above 0). Rows strewn between groups are one cluster too many as well, and a stable one.

    Of these it is the largest k whose gap, the agreement of halves above that of the more stable null, may be the
    largest gap: the upper end of its range reaches the mean of the best. Two of three groups taken together are often
    as stable as the three, so the finest is named; but not one whose gap has clearly fallen, as where long groups are
    cut across, always at the same place.

    Among many k looked at, each is judged by the same rule; nothing is chosen by labels.
    """
    against = {one.asked: words for one in stabilities if (words := _against(one))}
    able = [one for one in stabilities if one.asked not in against]
    if not able:
        if all(one.k == 0 for one in stabilities) and stabilities:
            return Verdict(None, "no cluster was found: every row is in none", against)
        return Verdict(None, "none of these numbers of clusters is supported by the features", against)
    best = max(_gap(one)[0] for one in able)
    chosen = max((one for one in able if _gap(one)[1] >= best), key=lambda one: one.k)
    against |= {one.asked: _beside(chosen, one) for one in able if one is not chosen}
    return Verdict(chosen.k, f"the features support {chosen.k} clusters", against)


def _beside(chosen: Stability, other: Stability) -> str:
    """Why one that could be named is not."""
    if other.k == chosen.k:
        return f"as many as are found where {chosen.asked} are asked for"
    return "stable too, but coarser" if other.k < chosen.k else "less far above features without groups"


def _against(stability: Stability) -> str | None:
    """What speaks against it, None where nothing does."""
    if stability.k < 2:
        return f"{counted(stability.k, 'cluster is', 'clusters are')} no grouping"
    halves = stability.found.halves
    beaten_by = {
        kind: null.halves
        for kind, null in stability.nulls.items()
        if not (halves.low > null.halves.high and 1 - halves.mean <= SHARE * (1 - null.halves.mean))
    }
    if beaten_by:
        kind = max(beaten_by, key=lambda one: beaten_by[one].mean)
        return (
            f"its halves agree by {_told(halves)}, those of features without groups ({KINDS[kind]}) by "
            f"{_told(beaten_by[kind])}; they would have to lie above these, and lack at most a quarter of what these do"
        )
    weakest = min(range(stability.k), key=lambda cluster: stability.found.clusters[cluster].mean)
    if stability.found.clusters[weakest].mean < STABLE:
        return f"cluster {weakest} is found again with a Jaccard index of {_told(stability.found.clusters[weakest])}"
    for cluster, silhouette in enumerate(stability.silhouettes):
        if silhouette is not None and silhouette <= 0:
            return (
                f"rows of cluster {cluster} are no nearer to one another than to another (silhouette {silhouette:.2f})"
            )
    return None


def _told(spread: Spread) -> str:
    return f"{spread.mean:.2f} ({spread.low:.2f} to {spread.high:.2f})"


def _gap(stability: Stability) -> tuple[float, float]:
    """How much better its halves agree than those of the more stable null: the mean, and the most it may be."""
    null = max((null.halves for null in stability.nulls.values()), key=lambda halves: halves.mean)
    halves = stability.found.halves
    return halves.mean - null.mean, halves.high - null.low
