"""Info: what is inside a workspace; and telling it where the images have moved."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from boda.errors import NotFound, Refused
from boda.keys import shown, to_json
from boda.pipelines.places import Where, opened
from boda.recipe import Recipe
from boda.sources.base import root_text
from boda.unreadable import BadImage
from boda.workspace.records import ResultInfo
from boda.workspace.workspace import Workspace

_SAMPLE = 20


@dataclass(frozen=True, slots=True)
class RecipeInfo:
    """One set of features."""

    id: str
    name: str
    precision: str
    width: int
    embedded: int
    quarantined: int
    known: bool
    """Whether new images can be given such features."""


@dataclass(frozen=True, slots=True)
class KeptResult:
    """A head, say, that is kept in the workspace."""

    kind: str
    name: str
    bytes: int
    """Of its files."""
    summary: Mapping[str, Any]
    """What it says of itself: target, score, ..."""


@dataclass(frozen=True, slots=True)
class Info:
    """What is inside a workspace."""

    workspace: str
    source: str | None
    """Its root."""
    kind: str | None
    """Of the source: folder, manifest, tar, ..."""
    images: int
    recipes: tuple[RecipeInfo, ...]
    columns: tuple[str, ...]
    """Of the label sets."""
    results: tuple[KeptResult, ...]
    """By kind, the newest of each last."""
    reasons: Mapping[str, int]
    """`stage/code` to images that at least one recipe lacks."""
    runs: int
    last_run: str | None
    """How it ended."""
    bytes: int
    """Of all files in the workspace."""
    read_only: str | None
    """Why it cannot be written here."""

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        record = asdict(self)
        paths = {"workspace": to_json(self.workspace), "source": to_json(self.source) if self.source else None}
        lists = {name: [asdict(one) for one in getattr(self, name)] for name in ("recipes", "results")}
        return record | paths | lists


def info(workspace: Where, *, source: str | os.PathLike[str] | None = None) -> Info:
    """Say what is inside a workspace.

    Args:
        workspace: which.
        source: where its images are now, after they were moved. Believed only when images of the workspace are found
            there with the same bytes.

    Raises:
        NotAWorkspace, NewerFormat, Damaged: it cannot be opened.
        NotFound: nothing is at the new source.
        Refused: the new source holds none of the images, or others under their names.
        Busy, ReadOnly: the new source cannot be noted now.
    """
    there = opened(workspace)
    if source is not None:
        _move(there, os.fspath(source))
    recipes = tuple(_recipe_info(there, recipe) for recipe in there.recipes())
    described = there.source
    runs = there.runs()
    return Info(
        workspace=str(there.path),
        source=root_text(described) if described else None,
        kind=described.get("kind") if described else None,
        images=len(there),
        recipes=recipes,
        columns=tuple(dict.fromkeys(column for labels in there.labels() for column in labels.columns)),
        results=tuple(map(_kept, there.results())),
        reasons=there.counts([recipe.id for recipe in recipes]).by_reason,
        runs=len(runs),
        last_run=runs[-1].state if runs else None,
        bytes=sum(file.lstat().st_size for file in there.path.rglob("*") if file.is_file()),
        read_only=there.read_only,
    )


def _recipe_info(workspace: Workspace, recipe: Recipe) -> RecipeInfo:
    counts, width = workspace.counts([recipe.id]), workspace.width(recipe)
    return RecipeInfo(
        recipe.id, recipe.name, recipe.precision, width, counts.embedded, counts.quarantined, recipe.known
    )


def _kept(result: ResultInfo) -> KeptResult:
    return KeptResult(result.kind, result.name, sum(file.size for file in result.files), result.summary)


def _move(workspace: Workspace, to: str) -> None:
    """Note the new root, once a sample of the images was found there."""
    from boda.sources.opening import open_described

    described = workspace.source
    if described is None:
        raise Refused(f"{workspace.path}: it has no source that could have moved; run boda embed first")
    if "://" not in to and not Path(to).exists():
        raise NotFound(f"{shown(to)}: no such file or folder")
    moved = open_described(described, root=to)
    keys = workspace.keys()
    sample = keys[:: max(1, len(keys) // _SAMPLE)][:_SAMPLE]
    same, other = 0, []
    for key, ref in workspace.refs(sample).items():
        try:
            digest = hashlib.sha256(moved.read(ref).data).digest()
        except BadImage:
            continue
        known = workspace.content_of(key)
        if known is not None and known != digest:
            other.append(shown(key))
        else:
            same += 1
    if not same:
        why = (
            f"{other[0]} there is another image" if other else f"{shown(sample[0])} is not there" if sample else "empty"
        )
        raise Refused(f"{shown(to)}: none of {len(sample)} images looked for is there as it was ({why})")
    with workspace.write() as writer:
        writer.set_source(moved.description)
