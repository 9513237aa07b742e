"""Which method's maps a score follows most, over a sample of images, and whether any beats a blob in the middle.

Each image is a pair: a method and the blob on the same image, so what makes images hard falls out of the difference.
Intervals are of the sample: what other images would do. Those of differences are corrected for as many methods as
were asked (Bonferroni), since the best of many is above the blob by luck more often than one is.
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
        good = (one for one in self.standings if one.over_centre.low > 0 and one.over_chance.low > 0)
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
    standings = [
        Standing(
            method,
            interval_of(whole[method], drawn[method], units=n, level=confidence),
            *(
                difference_of(whole[name], drawn[name], units=n, level=corrected)
                for name in (f"{method}, over centre", f"{method}, over chance")
            ),
        )
        for method in scores
    ]
    standings.sort(key=lambda one: -one.faithfulness.value)
    of_centre = interval_of(whole["centre"], drawn["centre"], units=n, level=confidence)
    shown = unit if span is None else "share of what hiding everything does"
    return Ranking(tuple(standings), of_centre, dict(refused or {}), n, confidence, shown)


def _mean(values: Floats, scale: Floats) -> Statistic:
    return lambda weights: ratio(weights @ values, weights @ scale)


def _refuse_gaps(method: str, n: int, own: Floats, by_chance: Floats) -> None:
    if own.shape != (n,) or by_chance.shape != (n,):
        raise Refused(f"{method}: {own.shape} maps and {by_chance.shape} random maps for {n} images: one each")
    if not (np.isfinite(own).all() and np.isfinite(by_chance).all()):
        raise Refused(f"{method}: faithfulness is NaN or infinite in some image")
