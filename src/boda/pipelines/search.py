"""Search: the images of a workspace that are most like some images or texts, and unlike others."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from boda.keys import from_text, to_json
from boda.neighbours.exact import Rows
from boda.pictures.sheet import write_sheet
from boda.pipelines.places import Where, opened
from boda.pipelines.searching.examples import Given, ImagePath, all_given, encoder_of, read_examples
from boda.pipelines.searching.kept_index import KeptIndex, kept_index
from boda.pipelines.searching.sheet import MARK, draw_sheet, place_for_sheet, title_of
from boda.recipe import Recipe
from boda.retrieval.feedback import direction
from boda.retrieval.search import Hits, similar
from boda.workspace.features import FeatureSet
from boda.workspace.where import rows_where
from boda.workspace.workspace import Workspace

if TYPE_CHECKING:
    from boda.encoders.base import Encoder


LARGE = 1_000_000
"""Rows from which an exact answer takes long enough to say that there is an index (docs/decisions/0013)."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found."""

    workspace: str
    query: str
    """The key of the row, the path of the image, or the text; several joined by + and -."""
    recipe: Recipe
    hits: Hits
    sheet: Path
    """The contact sheet, a PNG: what was given first, then the hits."""
    given: tuple[Given, ...] = ()
    searched: int = 0
    """Rows that were asked for: all, or those that meet `where`."""
    where: str | None = None
    index: KeptIndex | None = None
    """What chose the hits, where the search was approximate; None where it was exact."""

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "workspace": to_json(self.workspace),
            "query": to_json(self.query),
            "given": [one.as_json() for one in self.given],
            "recipe": self.recipe.id,
            "encoder": self.recipe.name,
            "where": self.where,
            "searched": self.searched,
            "approximate": None if self.index is None else self.index.as_json(),
            "hits": self.hits.as_json(),
            "sheet": to_json(str(self.sheet)),
        }


def search(
    workspace: Where,
    *,
    row: str | Sequence[str] | None = None,
    image: ImagePath | Sequence[ImagePath] | None = None,
    text: str | Sequence[str] | None = None,
    less_row: str | Sequence[str] | None = None,
    less_image: ImagePath | Sequence[ImagePath] | None = None,
    k: int = 20,
    where: str | None = None,
    approximate: bool = False,
    recipe: str | Recipe | None = None,
    encoder: "str | Encoder | None" = None,
    weights: str | os.PathLike[str] | None = None,
    device: str = "auto",
    to: str | os.PathLike[str] | None = None,
    force: bool = False,
) -> Found:
    """Find the k images whose features have the smallest angle to what is given, exactly, and draw them.

    Several examples make one direction: the mean of those wanted, less half the mean of those unwanted
    (`boda.retrieval.feedback`); the likeness is then that to this direction.

    Args:
        workspace: where to search.
        row: the key of an image in it, or several; these are no hits themselves, their copies are.
        image: any image file, or several, which get features by the recipe of the workspace.
        text: words, where what made the features has a text side (`open_clip:ARCH/TAG`).
        less_row: as `row`, but hits are not to be like it.
        less_image: as `image`, but hits are not to be like it.
        k: how many; fewer come back where there are not so many.
        where: a condition on columns that hits meet, as `label == 'cat' and score > 5` (`boda.workspace.where`).
        approximate: find them by an index that is kept in the workspace, and made where it is not there; some of the
            nearest may be missed, how many is measured. With `where` the search is exact all the same.
        recipe: which features, where there are several: id, beginning of an id, or name.
        encoder: for images and texts, what made the features, where the workspace may not say it itself.
        weights: for both, the weights file they were made with.
        device: for both, where to compute: `auto`, `cpu`, `cuda`, ...
        to: the contact sheet; by default a PNG in NAME-search/ beside the workspace.
        force: write over a file at `to`.

    Raises:
        NotFound: no such row, file, column or features.
        Refused: nothing is given that hits are to be like; a row is quarantined; the encoder makes other features, or
            knows no texts; the condition makes no sense; the examples cancel out.
        BadImage: an image cannot be used.
        MissingExtra: `approximate`, and usearch is not installed.
    """
    given = all_given((row, image, text), (less_row, less_image, None))
    there = opened(workspace)
    features = there.features(recipe)
    examples = read_examples(there, features, given, encoder_of(features.recipe, encoder, weights, device))
    like, less = (np.array([one.features for one in examples if one.given.less is side]) for side in (False, True))
    wanted = like[0] if len(examples) == 1 else direction(like, less)
    hidden = [one.row for one in examples if one.row is not None]
    among = None if where is None else _rows_among(there, features, where)
    asked = title_of([one.given for one in examples])
    if where is not None:
        asked += f"-where-{hashlib.sha256(where.encode('utf-8', 'surrogateescape')).hexdigest()[:8]}"
    sheet = place_for_sheet(there, asked, to, force=force)
    index = kept_index(there, features) if approximate and among is None else None
    proposed = among if index is None else index.index.candidates(wanted, k + len(hidden))
    hits = similar(features, wanted, k, exclude=hidden, among=proposed)
    write_sheet(draw_sheet(there, examples, features.recipe, hits), sheet, mark=MARK)
    named = tuple(one.given for one in examples)
    searched = len(features) if among is None else len(among)
    return Found(str(there.path), title_of(named), features.recipe, hits, sheet, named, searched, where, index)


def _rows_among(workspace: Workspace, features: FeatureSet, where: str) -> Rows:
    """The rows of a feature set whose images meet a condition, ascending."""
    table = workspace.frame()
    met = table["key"].filter(rows_where(table, where)).to_pylist()
    wanted = {from_text(key) for key in met}
    return np.array([row for row, key in enumerate(features.keys) if key in wanted], np.int64)
