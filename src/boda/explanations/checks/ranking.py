"""Which method's maps a score follows most, over a sample of images, and whether any beats a blob in the middle.

Each image is a pair: a method and the blob on the same image, so what makes images hard falls out of the difference.
Intervals are of the sample: what other images would do. Those of differences are corrected for as many methods as
were asked (Bonferroni), since the best of many is above the blob by luck more often than one is.

With few images an interval alone is not enough: of ten methods like the blob in all but luck, nine images each with
normal differences, one lay above it in about 10 of 100 samples. So a method is said to beat the blob only where signs
that are drawn for its differences seldom give as large a sum (Fisher, The Design of Experiments, 1935). That is exact
where differences lie as far below their mean as above: 4 to 5 of 100, for normal ones and Student's with 3 degrees of
freedom. A long tail below, which few images may not show, breaks it: 21 to 32 of 100 for a reversed exponential and 9
to 40 images. Of 76 columns of differences of recipes/explain_gallery.md (8 or 10 images) one had a skewness
below -1, as 4 of 100 normal samples have, and 45 of 100 of that exponential.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, log2
from typing import Any

import numpy as np

from boda.counted import counted
from boda.errors import Refused
from boda.evaluation.bootstrap import Difference, Interval, difference_of, draws, interval_of
from boda.evaluation.plain import as_plain
from boda.evaluation.weighted import Floats, Statistic, ratio

_ALL_SIGNS = 14
"""Images up to which all signs are tried; above, as many are drawn."""


@dataclass(frozen=True, slots=True)
class Standing:
    """One method over the sample."""

    method: str
    faithfulness: Interval
    """Insertion less deletion."""
    over_centre: Difference
    """Above the blob in the middle, on the same images."""
    over_chance: Difference
    """Above random maps, on the same images."""
    luck: float
    """How often the differences from the blob would add up to as much, if their signs were chance."""
    likeness: float | None
    """To the maps of the same network with random weights: the mean over images, of those that have one."""
    gap: float | None
    """Of what the scores moved from the method's baseline, the share by which its maps add up to more or less; None
    where the method promises nothing."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """Methods by faithfulness, the best first."""

    standings: tuple[Standing, ...]
    centre: Interval
    """The blob's own."""
    refused: Mapping[str, str]
    """Methods that made no maps, and why."""
    images: int
    confidence: float
    """That no method is wrongly said to beat the blob."""
    unit: str

    @property
    def needed(self) -> int:
        """Images that it takes: among fewer, one of so many methods lies above the blob in all by luck too often."""
        return 1 + ceil(log2(max(len(self.standings), 1) / (1 - self.confidence)))

    @property
    def beating(self) -> tuple[str, ...]:
        """The methods that beat the blob in the middle, and chance: where the blob is worse than that, it is no bar."""
        if self.images < self.needed:
            return ()
        least = (1 - self.confidence) / max(len(self.standings), 1)
        good = (
            one for one in self.standings if one.luck <= least and min(one.over_centre.low, one.over_chance.low) > 0
        )
        return tuple(one.method for one in good)

    def words(self) -> list[str]:
        """What can be said, in short lines."""
        images, methods = counted(self.images, "image"), counted(len(self.standings), "method")
        asked = f"{images}, {methods} asked, {self.confidence:.0%} sure of all"
        refused = [f"{method}: {why}" for method, why in self.refused.items()]
        if not self.standings:
            return ["no method made a map", *refused]
        if self.images < self.needed:
            few = f"too few images to tell a method from a blob in the middle: {self.needed} or more could ({asked})"
            return [few, *refused]
        beating = ", ".join(self.beating)
        said = (
            f"better than a blob in the middle: {beating}"
            if beating
            else "no method is shown to beat a blob in the middle"
        )
        level = ", ".join(one.method for one in self.standings if not one.over_chance.low > 0)
        return [f"{said} ({asked})", *([f"not shown to be better than chance: {level}"] if level else []), *refused]

    def record(self) -> dict[str, Any]:
        """Plain JSON."""
        plain: dict[str, Any] = as_plain(self)
        return plain | {"needed": self.needed, "beating": list(self.beating), "words": self.words()}


def rank(
    scores: Mapping[str, Floats],
    centre: Floats,
    chance: Mapping[str, Floats],
    *,
    rng: np.random.Generator,
    confidence: float = 0.95,
    unit: str = "",
    span: Floats | None = None,
    likeness: Mapping[str, Floats] | None = None,
    gaps: Mapping[str, tuple[Floats, Floats]] | None = None,
    refused: Mapping[str, str] | None = None,
    rounds: int = 5000,
) -> Ranking:
    """Rank methods over a sample.

    Args:
        scores: (n,) faithfulness by method, of the same n images.
        centre: (n,) of the blob in the middle.
        chance: (n,) by method, of random maps as coarse as its own; their mean, where there are several.
        rng: of the draws.
        confidence: that no method is wrongly said to beat the blob, nor wrongly to be better than chance.
        unit: of the scores.
        span: (n,) `Checks.span`. With it, the sum of faithfulness is divided by the sum of spans: a share of what
            hiding everything does, so that scores of all units compare; no image is divided by its own span, which
            may be nearly nothing. None: means in units of the score.
        likeness: (n,) by method, of its maps to those of random weights; NaN where one has none.
        gaps: by method that promises to add up: (n,) by how far it is off, and (n,) what the score moved.
        refused: methods that made no maps, and why.
        rounds: of the bootstrap.

    Raises:
        Refused: no images, numbers that are missing or not finite, spans that are all 0 or some below 0, a confidence
            that is no share.
    """
    n = len(centre)
    if not 0 < confidence < 1:
        raise Refused(f"confidence={confidence} must be above 0 and below 1")
    scale = np.ones(n) if span is None else span
    if n and not (scale.sum() > 0 and scale.min() >= 0):
        raise Refused("hiding the whole image moves no score of the sample, so there is nothing to take shares of")
    _refuse_gaps("a blob in the middle", n, centre, centre)
    columns = {"centre": centre}
    for method, own in scores.items():
        by_chance = chance[method] if method in chance else np.zeros(0)
        _refuse_gaps(method, n, own, by_chance)
        columns |= {f"{method}": own, f"{method}, over centre": own - centre, f"{method}, over chance": own - by_chance}
    means = {name: _mean(values, scale) for name, values in columns.items()}
    drawn = draws(means, n, rng=rng, rounds=rounds)
    whole = {name: mean(np.ones(n)) for name, mean in means.items()}
    corrected = 1 - (1 - confidence) / max(len(scores), 1)

    def over(name: str) -> Difference:
        return difference_of(whole[name], drawn[name], units=n, level=corrected)

    standings = [
        Standing(
            method,
            interval_of(whole[method], drawn[method], units=n, level=confidence),
            over(f"{method}, over centre"),
            over(f"{method}, over chance"),
            luck_of(scores[method] - centre, rng),
            _mean_likeness((likeness or {}).get(method)),
            _share_off((gaps or {}).get(method)),
        )
        for method in scores
    ]
    standings.sort(key=lambda one: -one.faithfulness.value)
    of_centre = interval_of(whole["centre"], drawn["centre"], units=n, level=confidence)
    shown = unit if span is None else "share of what hiding everything does"
    return Ranking(tuple(standings), of_centre, dict(refused or {}), n, confidence, shown)


def luck_of(differences: Floats, rng: np.random.Generator) -> float:
    """How often random signs give a sum as large as this one: of all signs, or of as many as 14 differences have.

    >>> luck_of(np.array([1.0, 2.0, 3.0]), np.random.default_rng(0))
    0.125
    """
    n = len(differences)
    if n <= _ALL_SIGNS:
        signs = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
    else:
        signs = rng.integers(2, size=(2**_ALL_SIGNS, n))
        signs[0] = 0
    sums = (1 - 2 * signs) @ differences
    return float(np.mean(sums >= differences.sum() - 1e-12 * np.abs(differences).sum()))


def _mean_likeness(values: Floats | None) -> float | None:
    return None if values is None or np.isnan(values).all() else float(np.nanmean(values))


def _share_off(gap: tuple[Floats, Floats] | None) -> float | None:
    if gap is None:
        return None
    off, moved = (float(np.abs(values).sum()) for values in gap)
    return off / moved if moved > 0 else None


def _mean(values: Floats, scale: Floats) -> Statistic:
    return lambda weights: ratio(weights @ values, weights @ scale)


def _refuse_gaps(method: str, n: int, own: Floats, by_chance: Floats) -> None:
    if own.shape != (n,) or by_chance.shape != (n,):
        raise Refused(f"{method}: {own.shape} maps and {by_chance.shape} random maps for {n} images: one each")
    if not (np.isfinite(own).all() and np.isfinite(by_chance).all()):
        raise Refused(f"{method}: faithfulness is NaN or infinite in some image")
