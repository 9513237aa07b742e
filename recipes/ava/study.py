"""One set of features through everything: the published training, Adam to convergence, and the closed form.

All that is said of the test rows is in ratings of 1 to 10, whatever was trained on, and is judged on the same rows and
the same draws of them.
"""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ava.adam_curves import adam_curves
from ava.closed_form import ClosedForm, closed_form
from ava.features import AvaFeatures
from ava.published_training import Settings, published_training
from ava.scales import DIVIDED, RAW, SCALES
from ava.split import Split
from ava.table import AvaTable
from boda.evaluation.bootstrap import Difference, Interval, difference_of, draws, interval_of
from boda.evaluation.metrics import statistics
from boda.evaluation.plain import as_plain
from boda.evaluation.proportion import Share, share_of
from boda.evaluation.weighted import Floats, Statistic, spearman_of

Scaling = Literal["raw", "normalised"]
SCALINGS: tuple[Scaling, ...] = ("raw", "normalised")
METRICS = ("spearman", "pearson", "mae")

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is computed."""

    settings: Settings = field(default_factory=Settings)
    """Of the published training."""
    epochs: int = 300
    """Of the curves to convergence."""
    rounds: int = 1000
    """Of the bootstrap."""
    seed: int = 0
    """Of folds and draws."""


@dataclass(frozen=True, eq=False)
class Study:
    """What came out."""

    features: str
    scaling: Scaling
    train: int
    test: int
    length: float
    """Mean length of the training vectors as they came."""
    published: dict[str, tuple[float, ...]]
    """Spearman after each epoch of the published training, by what was trained."""
    curves: dict[str, tuple[float, ...]]
    """The same of `adam_curves`, by target scale."""
    scores: dict[str, dict[str, Interval]]
    """By prediction and metric, in ratings."""
    differences: dict[str, Difference]
    """Of Spearman, by what is compared."""
    coverage: Share
    """Of the closed form's 90 % intervals, on the test rows."""
    half_width: float
    """Of these intervals, in ratings."""
    penalty: float
    seconds: dict[str, float]

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        plain: dict[str, Any] = as_plain(self)
        return plain


@dataclass(frozen=True, eq=False)
class _Sides:
    """The rows of both sides, and what has been found with them so far."""

    training: npt.NDArray[np.float32]
    """(n, d), in the order of training."""
    ratings: Floats
    test: npt.NDArray[np.float32]
    """(m, d)."""
    truth: Floats
    predictions: dict[str, Floats] = field(default_factory=dict)
    """Of the test rows, in ratings."""
    seconds: dict[str, float] = field(default_factory=dict)

    def spearman(self, predicted: Floats) -> float:
        """On the test rows."""
        return spearman_of(self.truth, predicted)(np.ones(len(self.truth)))

    def normalised(self) -> "_Sides":
        """With every vector divided by its length."""
        return replace(self, training=_normalised(self.training), test=_normalised(self.test))


def one_thread() -> AbstractContextManager[Any]:
    """One thread for many small products.

    Threads that share them wait for each other, beside other programs far longer than they compute: measured, the
    Spearman of 19,430 rows takes 41 ms in place of 0.5 ms.
    """
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[Any] = threadpool_limits(1)
    return limits


def study(
    features: AvaFeatures,
    table: AvaTable,
    split: Split,
    scaling: Scaling,
    effort: Effort,
    *,
    checkpoints: Path,
    say: Say,
) -> Study:
    """Train, predict and judge.

    Args:
        features: of at least the rows of the split.
        table: all rows.
        split: rows of the table.
        scaling: of the features: as they are, or divided by their length.
        effort: how much is computed.
        checkpoints: the folder that the published training goes on from.
        say: is told what goes on.
    """
    vectors = [features.of(table.ids[rows]) for rows in (split.train, split.test)]
    sides = _Sides(vectors[0], table.means[split.train], vectors[1], table.means[split.test])
    length = float(np.linalg.norm(sides.training, axis=1).mean())
    ridge = _closed_forms(sides, scaling, effort)
    say(f"{features.name}, {scaling}: closed form: {sides.spearman(ridge.test):.4f}")
    if scaling == "normalised":
        sides = sides.normalised()
    with one_thread():
        published = _published(sides, effort, checkpoints / f"{features.name}-{scaling}".replace("/", ""))
        for name, values in published.items():
            say(f"{features.name}, {scaling}: {name}: {' '.join(f'{one:.4f}' for one in values)}")
        curves = _curves(sides, effort)
        last = ", ".join(f"{name} {values[-1]:.4f}" for name, values in curves.items())
        say(f"{features.name}, {scaling}: {effort.epochs} epochs: {last}")
        scores, differences = _judged(sides, effort)
    low, high = ridge.intervals.of(ridge.test)
    inside = share_of((low <= sides.truth) & (sides.truth <= high))
    return Study(
        features.name, scaling, len(sides.training), len(sides.test), length, published, curves, scores, differences,
        inside, ridge.intervals.half_width, ridge.penalty, sides.seconds,
    )  # fmt: skip


def _closed_forms(sides: _Sides, scaling: Scaling, effort: Effort) -> ClosedForm:
    """Of both scales, on the same folds; the one of raw scores."""
    found = {}
    for scale in SCALES:
        folds = np.random.default_rng(effort.seed)
        one = closed_form(sides.training, sides.ratings, sides.test, scale=scale, scaling=scaling, rng=folds)
        sides.predictions[f"closed form, {scale.name}"] = one.test
        sides.seconds[f"closed form, {scale.name}"] = one.seconds
        found[scale] = one
    return found[RAW]


def _published(sides: _Sides, effort: Effort, checkpoints: Path) -> dict[str, tuple[float, ...]]:
    """Spearman after every epoch, of both scales and of raw scores with ten times the rate."""
    import torch  # noqa: F401 - before the clock starts

    found = {}
    for name, scale, settings in (
        ("raw", RAW, effort.settings),
        ("divided by ten", DIVIDED, effort.settings),
        ("raw, ten times the rate", RAW, effort.settings.times(10)),
    ):
        file = checkpoints.with_name(f"{checkpoints.name}-{name.replace(' ', '-')}.pt")
        called = f"{name}, {settings.epochs} epochs"
        began, anew, of_epoch = time.perf_counter(), not file.exists(), []
        training = published_training(sides.training, scale.target(sides.ratings), settings=settings, checkpoint=file)
        for epoch in training:
            sides.predictions[called] = scale.ratings(epoch.predict(sides.test))
            of_epoch.append(sides.spearman(sides.predictions[called]))
        if anew:
            sides.seconds[called] = time.perf_counter() - began
        found[name] = tuple(of_epoch)
    return found


def _curves(sides: _Sides, effort: Effort) -> dict[str, tuple[float, ...]]:
    """Spearman after every epoch of both scales."""
    began = time.perf_counter()
    found: dict[str, list[float]] = {scale.name: [] for scale in SCALES}
    settings = replace(effort.settings, epochs=effort.epochs)
    targets = [scale.target(sides.ratings) for scale in SCALES]
    for layers in adam_curves(sides.training, targets, settings=settings):
        for scale, epoch in zip(SCALES, layers, strict=True):
            predicted = scale.ratings(epoch.predict(sides.test))
            found[scale.name].append(sides.spearman(predicted))
            sides.predictions[f"{scale.name}, {effort.epochs} epochs"] = predicted
    sides.seconds[f"both, {effort.epochs} epochs"] = time.perf_counter() - began
    return {name: tuple(values) for name, values in found.items()}


def _judged(sides: _Sides, effort: Effort) -> tuple[dict[str, dict[str, Interval]], dict[str, Difference]]:
    """Each prediction with intervals, and pairs of them on the same draws."""
    measured: dict[str, Statistic] = {}
    for name, predicted in sides.predictions.items():
        every = statistics("number", sides.truth, predicted)
        measured |= {f"{name}|{metric}": every[metric] for metric in METRICS}
    n, rng = len(sides.truth), np.random.default_rng(effort.seed)
    drawn, once = draws(measured, n, rng=rng, rounds=effort.rounds), np.ones(n)
    values = {name: statistic(once) for name, statistic in measured.items()}
    scores = {
        name: {
            metric: interval_of(values[f"{name}|{metric}"], drawn[f"{name}|{metric}"], units=n) for metric in METRICS
        }
        for name in sides.predictions
    }
    differences = {}
    for first, second in _pairs(effort):
        one, two = f"{first}|spearman", f"{second}|spearman"
        differences[f"{first} less {second}"] = difference_of(
            values[one] - values[two], drawn[one] - drawn[two], units=n
        )
    return scores, differences


def _pairs(effort: Effort) -> tuple[tuple[str, str], ...]:
    few, many = f"{effort.settings.epochs} epochs", f"{effort.epochs} epochs"
    return (
        (f"divided by ten, {few}", f"raw, {few}"),
        (f"divided by ten, {few}", f"raw, ten times the rate, {few}"),
        (f"divided by ten, {many}", f"raw, {many}"),
        ("closed form, divided by ten", "closed form, raw"),
        ("closed form, raw", f"divided by ten, {few}"),
        ("closed form, raw", f"divided by ten, {many}"),
    )


def _normalised(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Each row divided by its length; rows of zeros stay."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, np.float32(1)), np.float32)
