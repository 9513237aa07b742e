"""The collection: the images of a workspace that can be looked at, with their features."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from boda.arrays import StoredFeatures
from boda.errors import Refused
from boda.evaluation.groups import join
from boda.keys import from_text
from boda.recipe import Recipe
from boda.workspace.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Collection:
    """n images that were read and are not quarantined, in the order of the frame."""

    workspace: Workspace
    keys: tuple[str, ...]
    contents: tuple[bytes, ...]
    """(n,) SHA-256 of the files."""
    table: "pa.Table"
    """Their rows of the frame."""
    recipe: Recipe | None
    """Of the features; None where there are none."""
    features: StoredFeatures | None
    """(m, d)"""
    index: Rows
    """(n,); image i has the features of this row, or none: -1."""

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def same_file(self) -> Rows:
        """(n,) equal files have one number, 0, 1, ... in the order of their first."""
        return join(self.contents)

    @property
    def distinct(self) -> Rows:
        """The first row of each content, in order."""
        return np.unique(self.same_file, return_index=True)[1].astype(np.int64)

    def sizes(self, name: str) -> npt.NDArray[np.float64]:
        """(n,) `width` or `height` in pixels; NaN where nobody knows."""
        return np.array([value or np.nan for value in self.table[name].to_pylist()], np.float64)


def collect(workspace: Workspace, recipe: Recipe | None) -> Collection:
    """The images of a workspace, and their features of one recipe.

    Raises:
        Refused: no image was read yet.
    """
    frame = workspace.frame()
    bad = {one.key for one in workspace.quarantined(recipe.id if recipe is not None else None)}
    keys = [from_text(key) for key in frame["key"].to_pylist()]
    contents: Sequence[str | None] = frame["content"].to_pylist()
    rows = [row for row, key in enumerate(keys) if contents[row] is not None and key not in bad]
    if not rows:
        raise Refused(f"{workspace.path}: there is no image to inspect; read them with: boda embed")
    features, index = None, np.full(len(rows), -1)
    if recipe is not None:
        found = workspace.features(recipe)
        place = {key: row for row, key in enumerate(found.keys)}
        features, index = found.array, np.array([place.get(keys[row], -1) for row in rows], np.int64)
    return Collection(
        workspace,
        tuple(keys[row] for row in rows),
        tuple(bytes.fromhex(contents[row] or "") for row in rows),
        frame.take(np.array(rows)),
        recipe,
        features,
        index,
    )
