"""The worst errors of a head on rows it was not fitted on, as pictures: the quickest way to see what it misses."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from boda.evaluation.weighted import Floats
from boda.heads.head import Head
from boda.heads.target import Target
from boda.keys import from_text, shown
from boda.pictures.wording import interval, number, share
from boda.pipelines.heads.coverage import one_number
from boda.pipelines.heads.material import Material
from boda.pipelines.thumbnails import source_of, thumbnails
from boda.workspace.workspace import Workspace

MOST = 24
_SIDE = 160
_SMALLEST = 16
_TILE = (10, 10, 13)
"""What a page has behind pictures."""

Shown: TypeAlias = tuple[bytes | None, tuple[str, ...]]
"""A WebP file, or None where there is nothing to show; the lines under it."""


@dataclass(frozen=True, eq=False)
class Errors:
    """How wrong the prediction of each row is."""

    size: Floats
    """(n,) larger is worse; 0 or less is no error."""
    lines: Callable[[int], tuple[str, ...]]
    """What is said of a row: the truth, and the prediction."""
    words: str
    """How the worst are chosen, with {shown} and {wrong} for how many."""


def worst_errors(workspace: Workspace, head: Head, material: Material, points: Floats) -> tuple[list[Shown], str]:
    """The worst errors as pictures with lines, worst first, at most 24, and a sentence that says how they were chosen.

    Args:
        workspace: where the images are.
        head: which was wrong.
        material: the rows it was tested on.
        points: (n,) or (n, o) predictions of these by models that had not seen them.

    Raises:
        DecoderBroken: decoders die on everything here.
    """
    errors = errors_of(head, material.target, points)
    wrong = np.flatnonzero(errors.size > 0)
    chosen = wrong[np.argsort(-errors.size[wrong], kind="stable")][:MOST]
    keys = [from_text(key) for key in material.assembled.table["key"].take(chosen).to_pylist()]
    found: list[Shown] = []
    for row, picture in zip(chosen.tolist(), _pictures(workspace, head, material, keys, chosen), strict=True):
        name = shown(material.assembled.keys[row])
        lines = (name, *errors.lines(row))
        found.append((None, (*lines, picture)) if isinstance(picture, str) else (picture, lines))
    return found, errors.words.format(shown=len(chosen), wrong=f"{len(wrong):,}")


def errors_of(head: Head, target: Target, points: Floats) -> Errors:
    """How wrong each prediction is, in the way that suits the target.

    Of a number its distance; of a class the probability of the wrong answer; of labels that of the wrongest one; of
    votes the distance of the shares of the first question's answers.
    """
    match target.kind:
        case "number" | "ratings":
            return _number_errors(head, target, points)
        case "class":
            return _class_errors(target, points)
        case "labels":
            return _label_errors(target, points)
        case "votes":
            return _vote_errors(target, points)


def _number_errors(head: Head, target: Target, points: Floats) -> Errors:
    truth, said = one_number(target, points)

    low, high = (None, None) if head.interval is None else head.interval.of(said)

    def lines(row: int) -> tuple[str, ...]:
        found = f"true {number(float(truth[row]))}", f"predicted {number(float(said[row]))}"
        if head.interval is None or low is None or high is None or not np.isfinite(low[row]):
            return found
        return (*found, f"{share(head.interval.level)}: {interval(float(low[row]), float(high[row]))}")

    return Errors(np.abs(truth - said), lines, "The {shown} predictions that are furthest from the truth.")


def _class_errors(target: Target, points: Floats) -> Errors:
    said, sure = points.argmax(axis=1), points.max(axis=1)

    def lines(row: int) -> tuple[str, ...]:
        return f"true: {shown(target.names[target.values[row]])}", f"said: {_named(target.names, points[row])}"

    words = "The {shown} most certain of the {wrong} wrong answers."
    return Errors(np.where(said == target.values, 0.0, sure), lines, words)


def _label_errors(target: Target, points: Floats) -> Errors:
    wrong = (points > 0.5) != (target.values == 1)
    off = np.where(wrong & ~np.isnan(target.values), np.abs(points - target.values), 0.0)
    worst = off.argmax(axis=1)

    def lines(row: int) -> tuple[str, ...]:
        label = int(worst[row])
        true = "is" if target.values[row, label] == 1 else "is not"
        return f"{true}: {shown(target.names[label])}", f"said with {share(float(points[row, label]))}"

    return Errors(off.max(axis=1), lines, "The {shown} wrongest labels, of {wrong} images with a label that is wrong.")


def _vote_errors(target: Target, points: Floats) -> Errors:
    """By the first question, which everybody is asked; few voters say little, so only the better half is looked at."""
    truth, said, voters, names = first_question(target, points)
    distance = np.abs(truth - said).sum(axis=1) / 2
    distance[voters < np.median(voters)] = 0.0

    def lines(row: int) -> tuple[str, ...]:
        return (
            f"{voters[row]:.0f} people: {_named(names, truth[row])}",
            f"predicted: {_named(names, said[row])}",
        )

    return Errors(distance, lines, "The {shown} whose fractions are furthest off, of those with many votes.")


def first_question(target: Target, points: Floats) -> tuple[Floats, Floats, Floats, tuple[str, ...]]:
    """Of the question that everybody is asked: (n, a) fractions as voted and as predicted, (n,) votes, its answers.

    The fractions of rows without a vote are 0.
    """
    assert target.tree is not None
    part = target.tree.slices[0]
    counts = target.values[:, part]
    voters = counts.sum(axis=1)
    return counts / np.maximum(voters, 1)[:, None], points[:, part], voters, target.tree.questions[0].answers


def _named(names: Sequence[str], shares: npt.NDArray[np.float64]) -> str:
    best = int(shares.argmax())
    return f"{shown(names[best])}, {share(float(shares[best]))}"


def _pictures(
    workspace: Workspace, head: Head, material: Material, keys: Sequence[str], rows: npt.NDArray[np.intp]
) -> list[bytes | str]:
    """A WebP file of each image, or why there is none."""
    source = source_of(workspace)
    if source is None:
        return ["its source is not there"] * len(keys)
    table = material.assembled.table.take(rows)
    sides = [side for name in ("width", "height") for side in table[name].to_pylist() if side]
    side = int(np.clip(max(sides, default=_SIDE), _SMALLEST, _SIDE))
    refs = list(workspace.refs(keys).values())
    recipe = head.recipes[0] if head.recipes else None
    return [
        _webp(one) if isinstance(one, Image.Image) else shown(str(one))
        for one in thumbnails(source, refs, side, recipe, paper=_TILE)
    ]


def _webp(image: Image.Image) -> bytes:
    into = BytesIO()
    image.save(into, "WEBP", quality=80)
    return into.getvalue()
