"""Images that look alike to an encoder: exact search in one feature set."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from boda.arrays import StoredFeatures
from boda.neighbours.exact import nearest

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
    features: "FeatureSet", query: npt.ArrayLike | StoredFeatures, k: int, *, exclude: int | None = None
) -> Hits:
    """The k images whose features have the smallest angle to the query's.

    Args:
        features: what is searched, (n, d).
        query: (d,) finite, of the same recipe; nothing here can check that.
        k: how many; fewer come back where there are not so many images.
        exclude: the row that the query itself is, and which is no hit.

    Raises:
        Refused: k < 1, the widths differ, or a value is NaN or infinite.
    """
    one = np.asarray(query)[None]
    hidden = None if exclude is None else np.array([exclude])
    found = nearest(features.array, one, k, exclude=hidden)
    rows = tuple(int(row) for row in found.rows[0])
    keys: Sequence[str] = features.keys
    return Hits(tuple(keys[row] for row in rows), rows, tuple(float(1 - d) for d in found.distances[0]))
