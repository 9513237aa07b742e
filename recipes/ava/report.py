"""The report: the published tables with ours beside, in Markdown."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ava.published_figures import SPEARMAN
from ava.study import METRICS, Study
from boda.evaluation.ceiling import Ceiling
from boda.evaluation.plain import as_plain

_SCALING = {"raw": "features as they are", "normalised": "features divided by their length"}


@dataclass(frozen=True, eq=False)
class Report:
    """Everything that was found."""

    rows: str
    """Where the rows come from and how they were split, in words."""
    studies: tuple[Study, ...]
    baseline: float
    """Mean absolute error, in ratings, of saying the mean of the training rows."""
    ceiling: Ceiling
    """Of the mean ratings of the test rows."""
    said: tuple[str, ...]
    """What was left out."""
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        plain: dict[str, Any] = as_plain(self)
        return plain

    def markdown(self) -> str:
        """For people."""
        best = self.ceiling.spearman
        ceiling = (
            f"Noise ceiling of Spearman on the test rows, from their rating counts: {best.value:.3f} ({best.low:.3f} "
            f"to {best.high:.3f}); median {self.ceiling.raters:.0f} raters. Saying the mean of the training rows of "
            f"every image has Spearman 0 and a mean absolute error of {self.baseline:.3f}."
        )
        parts = [
            f"{self.rows}\n",
            f"{ceiling}\n",
            *(line for one in self.studies for line in _study(one)),
        ]
        if self.said:
            parts += ["Left out:\n", *(f"- {line}" for line in self.said), ""]
        return "\n".join([*parts, f"All of it took {self.seconds / 60:.1f} minutes.", ""])


def _study(one: Study) -> list[str]:
    held = (
        f"\nThe closed form says of each image the mean rating ± {one.half_width:.2f} at 90 %: "
        f"{100 * one.coverage.value:.1f} % of the test rows are inside ({100 * one.coverage.low:.1f} to "
        f"{100 * one.coverage.high:.1f}). Its penalty is {one.penalty:.3g}.\n"
    )
    return [
        f"## {one.features}, {_SCALING[one.scaling]}\n",
        f"{one.train:,} rows train, {one.test:,} test; mean length of a vector {one.length:.2f}.",
        "\nSpearman after each epoch of the published training:\n",
        *_epochs(one),
        "\nOn the test rows, in ratings, with 90 % intervals:\n",
        *_scores(one),
        "\nSpearman compared on the same draws of the test rows:\n",
        *_differences(one),
        held,
    ]


def _epochs(one: Study) -> list[str]:
    """Published figures and ours, one line an epoch; the closed form under them."""
    beside = {one.features: SPEARMAN[one.features]} if one.features in SPEARMAN else SPEARMAN
    published = [(f"{name} {scale}, published", values) for name, of in beside.items() for scale, values in of.items()]
    columns = [*published, *((f"{name}, here", values) for name, values in one.published.items())]
    ridge = one.scores["closed form, raw"]["spearman"].value
    epochs = max(len(values) for _, values in columns)
    lines = [_row("epoch", *(name for name, _ in columns)), _row(*["---"] * (len(columns) + 1))]
    for place in range(epochs):
        cells = (f"{values[place]:.4f}" if place < len(values) else "" for _, values in columns)
        lines.append(_row(str(place + 1), *cells))
    lines.append(_row("closed form", *("" for _ in published), *(f"{ridge:.4f}" for _ in one.published)))
    return [
        *lines,
        "\nPublished: the best epoch was chosen on the test rows. Here nothing is chosen on them.",
    ]


def _scores(one: Study) -> list[str]:
    lines = [_row("prediction", *METRICS, "seconds"), _row(*["---"] * (len(METRICS) + 2))]
    for name, metrics in one.scores.items():
        cells = [f"{found.value:.4f} ({found.low:.4f} to {found.high:.4f})" for found in metrics.values()]
        took = one.seconds.get(name)
        lines.append(_row(name, *cells, "" if took is None else f"{took:.1f}"))
    shared = [f"{name}: {took:.1f} s." for name, took in one.seconds.items() if name not in one.scores]
    return [*lines, "", *shared]


def _differences(one: Study) -> list[str]:
    lines = [_row("difference", "Spearman", "90 % interval"), _row("---", "---", "---")]
    for name, found in one.differences.items():
        lines.append(_row(name, f"{found.value:+.4f}", f"{found.low:+.4f} to {found.high:+.4f}"))
    return lines


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def riddle(studies: Sequence[Study]) -> str:
    """The answer, with the figures of the first study."""
    one = studies[0]
    few = {name: values[-1] for name, values in one.published.items()}
    many = {name: values[-1] for name, values in one.curves.items()}
    epochs = len(next(iter(one.curves.values())))
    ridge = [one.scores[f"closed form, {name}"]["spearman"].value for name in ("raw", "divided by ten")]
    return (
        "Why did dividing the target by ten help? Least squares scale with their target: the closed form has "
        f"Spearman {ridge[0]:.4f} for raw and {ridge[1]:.4f} for divided scores, a difference of "
        f"{abs(ridge[0] - ridge[1]):.1e}. Adam's steps do not scale: they are about 1e-4 long for a target of any "
        f"size, so weights for a target ten times as large are ten times as far away. After "
        f"{len(one.published['raw'])} epochs raw is at {few['raw']:.4f} and divided at {few['divided by ten']:.4f}; "
        f"raw with ten times the rate is at {few['raw, ten times the rate']:.4f}; after {epochs} epochs raw is at "
        f"{many['raw']:.4f} and divided at {many['divided by ten']:.4f}. The published gap is unfinished optimisation."
    )
