"""The contact sheet of a search: what hits are to be like, what they are not to be like, then the hits."""

import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from boda.errors import Refused
from boda.keys import shown
from boda.pictures.sheet import Tile, contact_sheet, written_by
from boda.pipelines.places import folder_beside, place_for
from boda.pipelines.searching.examples import Example, Given, ref_of
from boda.pipelines.thumbnails import source_of, thumbnails
from boda.recipe import Recipe
from boda.retrieval.search import Hits
from boda.sources.base import ImageRef
from boda.unreadable import Unreadable
from boda.workspace.workspace import Workspace

MARK = "boda search"
_SIDE = 180


def draw_sheet(workspace: Workspace, examples: Sequence[Example], recipe: Recipe, hits: Hits) -> Image.Image:
    """The examples first, each a picture or a text; then the hits with their likeness."""
    rows = [one.given.name for one in examples if one.row is not None]
    source = source_of(workspace)
    if source is None:
        shown_rows: list[Image.Image | Unreadable | str] = ["the source is not there"] * (len(rows) + len(hits))
    else:
        shown_rows = [*thumbnails(source, list(_refs(workspace, [*rows, *hits.keys])), _SIDE, recipe)]
    of_rows = iter(shown_rows)
    tiles = [_tile(_picture(one, recipe) or next(of_rows), _caption(one, examples)) for one in examples]
    numbered = enumerate(zip(hits.keys, hits.likeness, strict=True), 1)
    tiles += [
        _tile(picture, (f"{number}   {likeness:.4f}", key))
        for picture, (number, (key, likeness)) in zip(of_rows, numbered, strict=True)
    ]
    return contact_sheet(tiles, side=_SIDE, columns=7, title=f"{workspace.path.name}: {recipe.name} ({recipe.id})")


def place_for_sheet(
    workspace: Workspace, name: str, to: str | os.PathLike[str] | None, *, force: bool, mark: str = MARK
) -> Path:
    """Where a picture may be written: at `to`, or in NAME-search/ beside the workspace.

    Raises:
        NotFound: the folder of `to` is not there.
        Refused: `to` is no PNG, or something else is there.
    """
    if to is not None and Path(to).suffix.lower() != ".png":
        raise Refused(f"{shown(os.fspath(to))}: a contact sheet is a PNG; give a name that ends in .png")
    path = Path(to) if to is not None else folder_beside(workspace.path, "search") / f"{slug(name)}.png"
    return place_for(path, force=force, ours=written_by(path, mark))


def title_of(given: Sequence[Given]) -> str:
    """What was asked for in one line: names joined by + and -."""
    first, *others = given
    return first.name + "".join(f" {'-' if one.less else '+'} {one.name}" for one in others)


def _refs(workspace: Workspace, keys: Sequence[str]) -> list[ImageRef]:
    found = workspace.refs(keys)
    return [found[key] for key in keys]


def _picture(example: Example, recipe: Recipe) -> Image.Image | Unreadable | str | None:
    """None for rows, which are shown with the hits."""
    if example.file is not None:
        return thumbnails(example.file, [ref_of(example.file)], _SIDE, recipe)[0]
    return example.given.name if example.row is None else None


def _caption(example: Example, examples: Sequence[Example]) -> tuple[str, str]:
    if example.given.less:
        return "less like", example.given.name
    return "query" if len(examples) == 1 else "like", example.given.name


def _tile(picture: Image.Image | Unreadable | str, caption: tuple[str, str]) -> Tile:
    if isinstance(picture, Image.Image):
        return Tile(picture, caption)
    return Tile(None, caption, str(picture))


def slug(name: str) -> str:
    """A tame file name for any query: its letters, and a few digits of its digest where some were left out."""
    tame = re.sub(r"[^\w.-]+", "_", name, flags=re.UNICODE).lstrip("._-")[-60:]
    tame = "".join(sign for sign in tame if sign.isprintable())
    return tame if tame == name else f"{tame}-{hashlib.sha256(os.fsencode(name)).hexdigest()[:8]}"
