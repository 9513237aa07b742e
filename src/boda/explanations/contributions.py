"""Contributions: how much the image and each number of a row moved what a head says of it.

The inputs share out how far a row's score is from the mean score of a background, as the Shapley values (Shapley 1953)
of a game: a coalition of inputs is worth the mean score of rows in which these inputs are the explained row's and all
others those of a row of the background, one after the other (Lundberg and Lee, NeurIPS 2017, arXiv:1705.07874;
interventional: Janzing et al., AISTATS 2020, arXiv:1910.13413). So they add up, an input that the score does not look
at gets 0, and two that do the same get the same.

They say what moved the head, not the world: what a photograph shows of the number beside it can be credited to either.
And where a score is not a sum over inputs it is also asked of mixed rows that there may never be, a palace of 30 m2.
"""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch

from boda.errors import Refused
from boda.explanations.head_score import DesignScore, design_score
from boda.explanations.score import Score
from boda.explanations.shapley import Coalitions, Floats, Game, sampled_shapley, shapley
from boda.heads.head import Head
from boda.heads.parts import FeaturePart
from boda.keys import shown

IMAGE = "image"
"""What all features of an image together are called; with `@VIEW` behind it where a unit has several views."""
EXACT = 10
"""Inputs up to which all their coalitions are tried."""
PAIRS = 100
"""Orders that are drawn where there are more."""
_MIXED = 16_384
"""Mixed rows at once."""

Designs: TypeAlias = npt.NDArray[np.floating[Any]]
"""(n, width) prepared rows, as `head.preparation.design` makes them."""


@dataclass(frozen=True, eq=False)
class Contributions:
    """What each of p inputs adds to the scores of n rows: `values.sum(axis=1)` is `scores - base`."""

    title: str
    """Of the score, for people."""
    unit: str
    """Of values, base and scores: that of the score."""
    names: tuple[str, ...]
    """(p,) the image, then each column."""
    values: Floats
    """(n, p)"""
    base: float
    """The mean score of the background."""
    scores: Floats
    """(n,)"""
    errors: Floats
    """(n, p) standard errors of the values; 0 where they are exact."""


def contributions(
    head: Head,
    rows: Designs,
    answer: str | None = None,
    *,
    background: Designs,
    rng: np.random.Generator | None = None,
    pairs: int = PAIRS,
) -> Contributions:
    """Share out each row's score among its inputs: the image as a whole, each number, each column of names.

    Exact where the score is linear in the design (numbers, classes and labels of linear heads: weights times row less
    mean row, however many inputs there are) and where there are at most `EXACT` inputs. Beyond, orders of inputs are
    drawn, and the values have standard errors.

    Args:
        head: with any inputs.
        rows: (n, width).
        answer: a class, a label, or an answer of a vote tree; None: a number, a mean rating.
        background: (m, width) what rows are compared with, such as some hundred rows of the collection; the mean row
            as (1, width) is as good where the score is linear, elsewhere it is a row that nobody has. What is not
            linear is asked of 2^p n m mixed rows.
        rng: draws the orders; needed only where they are drawn.
        pairs: how many, at least 2; the error falls with their root.

    Raises:
        Refused: no such answer; rows or background of another width, not finite, or no background; or orders are to be
            drawn, and `rng` is missing.
    """
    score, inputs = design_score(head, answer), inputs_of(head)
    _check(head, rows, "rows")
    _check(head, background, "background")
    if not len(background):
        raise Refused("there is no background to compare rows with: give some rows of the collection")
    names = tuple(name for name, _ in inputs)
    columns = np.zeros((len(inputs), head.preparation.width), bool)
    for place, (_, own) in enumerate(inputs):
        columns[place, own] = True
    values, errors = _shared_out(head, score, rows, background, columns, rng, pairs)
    base = float(_said(score, background).mean())
    return Contributions(score.title, score.unit, names, values, base, _said(score, rows), errors)


def inputs_of(head: Head) -> tuple[tuple[str, list[int]], ...]:
    """The inputs of a head as people count them, and which columns of the design each became.

    Several feature sets of one image are one input, and so are all columns that a column of names or a number that may
    be missing became.
    """
    views = () if head.unit is None else head.unit.views
    of_view = {f"{one.name}@{view}": f"{IMAGE}@{view}" for one in head.wanted if one.recipe for view in views}
    found: dict[tuple[bool, str], list[int]] = {}  # a column may be called as the image is
    for part in head.preparation.kept:
        is_image, place = isinstance(part, FeaturePart), head.preparation.parts[part.name]
        name = of_view.get(part.name, IMAGE) if is_image else part.name
        found.setdefault((is_image, name), []).extend(range(place.start, place.stop))
    return tuple((name, own) for (_, name), own in found.items())


def _check(head: Head, rows: Designs, what: str) -> None:
    if rows.ndim != 2 or rows.shape[1] != head.preparation.width:
        raise Refused(
            f"head {shown(head.name)!r} takes prepared rows of width {head.preparation.width}, not {what} of shape "
            f"{rows.shape}"
        )
    if not np.isfinite(rows).all():
        raise Refused(f"{what} for head {shown(head.name)!r} hold NaN or infinity")


def _shared_out(
    head: Head,
    score: DesignScore,
    rows: Designs,
    background: Designs,
    columns: Coalitions,
    rng: np.random.Generator | None,
    pairs: int,
) -> tuple[Floats, Floats]:
    """(n, p) values and (n, p) standard errors; `columns` (p, width) says which are whose."""
    if head.model.kind != "mlp" and head.target.kind not in {"ratings", "votes"}:
        moved = (rows - background.mean(axis=0, dtype=np.float64)) * _weights(score, head.preparation.width)
        values: Floats = moved @ columns.T.astype(np.float64)
        return values, np.zeros_like(values)
    game = _game(score, rows, background, columns)
    if len(columns) <= EXACT:
        values = shapley(game, len(columns))
        return values, np.zeros_like(values)
    if rng is None or pairs < 2:
        raise Refused(
            f"head {shown(head.name)!r} has {len(columns)} inputs, too many to try all their coalitions: give rng, and "
            "at least 2 pairs of orders"
        )
    return sampled_shapley(game, len(columns), pairs=pairs, rng=rng)


def _weights(score: Score, width: int) -> Floats:
    """(width,) of a score that is linear: its gradient, which is the same everywhere."""
    with torch.inference_mode(mode=False), torch.enable_grad():
        anywhere = torch.zeros(1, width, dtype=torch.float64, requires_grad=True)
        (slopes,) = torch.autograd.grad(score.of(anywhere).sum(), anywhere)
    weights: Floats = slopes[0].numpy()
    return weights


def _game(score: DesignScore, rows: Designs, background: Designs, columns: Coalitions) -> Game:
    """Coalitions of inputs to the mean scores of rows that have only these inputs of their own, (c, n).

    What each input of a row adds to the products that the model begins with is computed once.
    """
    weights = score.weights.numpy()
    mine, theirs = (
        np.stack([side[:, own].astype(np.float64) @ weights[own] for own in columns]) for side in (rows, background)
    )
    step = max(1, _MIXED // len(background))

    def worth(members: npt.NDArray[np.bool_]) -> Floats:
        own, others = mine[members].sum(axis=0), theirs[~members].sum(axis=0)
        found = np.empty(len(rows))
        for start in range(0, len(rows), step):
            mixed = own[start : start + step, None] + others
            with torch.no_grad():
                said = score.after(torch.from_numpy(mixed.reshape(-1, weights.shape[1])))
            found[start : start + step] = said.numpy().reshape(mixed.shape[:2]).mean(axis=1)
        return found

    return lambda coalitions: np.stack([worth(members) for members in coalitions])


def _said(score: Score, design: Designs) -> Floats:
    with torch.no_grad():
        found: Floats = score.of(torch.tensor(design)).numpy()
    return found
