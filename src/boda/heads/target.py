"""Target: what a head learns to say of each row."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from boda.errors import Refused

if TYPE_CHECKING:
    from boda.heads.vote_tree import VoteTree

Kind: TypeAlias = Literal["number", "class", "labels", "ratings", "votes"]


@dataclass(frozen=True, slots=True)
class Blank:
    """What a head says of a row, without what is known of any."""

    kind: Kind
    name: str
    names: tuple[str, ...] = ()
    levels: tuple[float, ...] = ()
    tree: "VoteTree | None" = None


@dataclass(frozen=True, eq=False)
class Target:
    """What is known of each row.

    `values` has one row each:

    - number: (n,) float64, finite;
    - class: (n,) int64, places in `names`;
    - labels: (n, l) float64 of 0, 1 and NaN where nobody said, one column a name;
    - ratings: (n, r) float64 counts >= 0, one column a rating;
    - votes: (n, a) float64 counts >= 0, one column an answer of the tree, in its order.

    Raises:
        Refused: shapes or values that are not so; the message names the first bad row.
    """

    kind: Kind
    name: str
    values: npt.NDArray[Any]
    names: tuple[str, ...] = ()
    """Of classes, labels, ratings or answers; empty for a number."""
    levels: tuple[float, ...] = ()
    """What each rating is worth; of ratings only."""
    tree: "VoteTree | None" = None
    """Of votes only."""

    def __post_init__(self) -> None:
        """Check shapes and values, so that nothing broadcasts by accident."""
        values, wide = self.values, self.kind in {"labels", "ratings", "votes"}
        if values.ndim != (2 if wide else 1) or (wide and values.shape[1] != len(self.names)):
            raise Refused(f"target {self.name!r}: a target of {self.kind} cannot have the shape {values.shape}")
        row = first_bad(self.kind, values, len(self.names))
        if row is not None:
            raise Refused(f"target {self.name!r}: row {row} is {values[row]}, which is no value of {self.kind}")
        if self.kind == "ratings" and len(self.levels) != len(self.names):
            raise Refused(f"target {self.name!r}: {len(self.names)} ratings need as many levels")

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: npt.NDArray[np.intp]) -> "Target":
        """Only these rows."""
        return replace(self, values=self.values[rows])

    @property
    def outputs(self) -> int:
        """How many numbers a predictor gives for one row (see `learner.Predictor`)."""
        return len(self.names) if self.names else 1

    @property
    def blank(self) -> Blank:
        """The same without values."""
        return Blank(self.kind, self.name, self.names, self.levels, self.tree)


def first_bad(kind: Kind, values: npt.NDArray[Any], classes: int) -> int | None:
    """The first row whose values are none that a target of this kind can have; None where all are well."""
    if kind == "class":
        bad = ~np.isin(values, np.arange(classes))
    elif kind == "labels":
        bad = ~(np.isin(values, (0.0, 1.0)) | np.isnan(values)).all(axis=1)
    elif kind == "number":
        bad = ~np.isfinite(values)
    else:
        bad = ~(np.isfinite(values) & (values >= 0)).all(axis=1)
    return int(bad.argmax()) if bad.any() else None
