"""Images that look alike to an encoder: exact search in one feature set, or in some of its rows."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from boda.arrays import StoredFeatures
from boda.errors import Refused
from boda.neighbours.exact import Rows, nearest

if TYPE_CHECKING:
    from boda.workspace.features import FeatureSet


@dataclass(frozen=True, slots=True)
class Hits:
    """The images most like a query, most like first; equally like ones in the order of the workspace."""

    keys: tuple[str, ...]
    rows: tuple[int, ...]
    """Of the feature set: row i belongs to `features.keys[i]`."""
    likeness: tuple[float, ...]
    """Cosine of the angle between the features, -1..1; 1 is the same direction."""

    def __len__(self) -> int:
        return len(self.keys)

    def as_json(self) -> list[dict[str, Any]]:
        """One object a hit."""
        from boda.keys import to_json

        pairs = zip(self.keys, self.likeness, strict=True)
        return [{"key": to_json(key), "likeness": likeness} for key, likeness in pairs]


def similar(
    features: "FeatureSet",
    query: npt.ArrayLike | StoredFeatures,
    k: int,
    *,
    exclude: int | Collection[int] | None = None,
    among: Rows | None = None,
) -> Hits:
    """The k images whose features have the smallest angle to the query's.

    Args:
        features: what is searched, (n, d).
        query: (d,) finite, of the same recipe; nothing here can check that.
        k: how many; fewer come back where there are not so many images.
        exclude: the row that the query itself is, or several; these are no hits.
        among: the rows to search, ascending; None: all.

    Raises:
        Refused: k < 1, the widths differ, or a value is NaN or infinite.
    """
    if k < 1:
        raise Refused(f"k is {k}: ask for at least 1 neighbour")
    hidden = frozenset(exclude if isinstance(exclude, Collection) else () if exclude is None else (exclude,))
    there = features.array if among is None else cast("StoredFeatures", _Chosen(features.array, among))
    found = nearest(there, np.asarray(query)[None], k + len(hidden))
    rows = found.rows[0] if among is None else among[found.rows[0]]
    kept = [place for place, row in enumerate(rows.tolist()) if row not in hidden][:k]
    chosen = tuple(int(rows[place]) for place in kept)
    keys: Sequence[str] = features.keys
    likeness = tuple(float(1 - found.distances[0, place]) for place in kept)
    return Hits(tuple(keys[row] for row in chosen), chosen, likeness)


class _Chosen:
    """Some rows of a feature matrix, gathered block by block as they are read: the whole is never copied."""

    ndim = 2

    def __init__(self, array: StoredFeatures, rows: Rows) -> None:
        self._array, self._rows = array, rows
        self.shape = (len(rows), array.shape[1])

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, block: slice) -> StoredFeatures:
        return self._array[self._rows[block]]
