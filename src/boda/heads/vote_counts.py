"""Vote counts: from the fractions that catalogues publish, and which of their columns to read."""

from collections.abc import Collection

import numpy as np
import numpy.typing as npt

from boda.errors import NotFound, Refused
from boda.heads.vote_tree import VoteTree

ENDINGS = ("", "_count", "_weight", "_weighted_fraction", "_fraction")
"""How columns of votes end after `question_answer`, in the order in which `ending_of` looks for them.

Counts come first ("" in Galaxy Zoo DECaLS, `_count` and `_weight` in Galaxy Zoo 2; a weight is a count in which users
who disagree with everybody count less), then fractions of the people who were asked. `_debiased` is taken only when it
is asked for: it is an estimate of what people would have said of the galaxy nearby (Willett et al. 2013; Hart et al.
2016), its answers do not add up to one, and so it is not votes."""


def ending_of(tree: VoteTree, names: Collection[str]) -> str:
    """The first of `ENDINGS` with which a table has a column for every answer of the tree.

    Raises:
        NotFound: none; names the first answer that is missing under the ending that fits best.
    """
    there = set(names)
    missing = {ending: [one for one in tree.columns if one + ending not in there] for ending in ENDINGS}
    best = min(ENDINGS, key=lambda ending: len(missing[ending]))
    if missing[best]:
        raise NotFound(
            f"vote tree {tree.name}: {len(missing[best])} of {len(tree.columns)} columns are missing, "
            f"as {missing[best][0] + best!r}"
        )
    return best


def is_fraction(ending: str) -> bool:
    """Whether columns with this ending hold fractions, not counts."""
    return ending.endswith(("fraction", "debiased"))


def counts_from_fractions(
    tree: VoteTree, fractions: npt.NDArray[np.float64], total: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """How many people gave each answer, from the fractions of those who were asked.

    A fraction is over all people only for questions that everybody is asked; later ones are asked of those who gave
    an answer that leads there, so the counts follow the tree from its root. They stay fractional where the fractions
    are weighted or rounded.

    Args:
        tree: which answer leads to which question.
        fractions: (n, a) in the order of `tree.columns`, 0 to 1; NaN or all 0 where nobody was asked.
        total: (n,) people who classified the image (`total_classifications`); NaN counts as nobody.

    Returns:
        (n, a) counts >= 0.

    Raises:
        Refused: shapes that do not fit, fractions outside 0 to 1 or totals below 0; names the first bad row.
    """
    if fractions.shape != (len(total), len(tree.columns)) or total.ndim != 1:
        raise Refused(
            f"vote tree {tree.name}: {len(tree.columns)} answers and {total.shape} totals do not fit fractions "
            f"of shape {fractions.shape}"
        )
    known, people = np.nan_to_num(fractions), np.nan_to_num(total)
    bad = ~((known >= 0) & (known <= 1 + 1e-6)).all(axis=1) | (people < 0) | ~np.isfinite(people)
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise Refused(f"vote tree {tree.name}: row {row} has fractions outside 0 to 1, or a total of {total[row]}")
    return tree.walk(known, people)[1]
