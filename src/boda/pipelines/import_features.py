"""Import: features that others made join the images they belong to, with their recipe stated or marked unknown.

Features belong to image bytes, not to names. So the images must be there once: each is known by its SHA-256, read now
where boda has not read it before. Keys that no listed image has are reported and left out.
"""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from boda.counted import counted
from boda.errors import NotAWorkspace, NotFound, Refused
from boda.keys import from_bytes, from_text, shown, to_bytes, to_json
from boda.pipelines.caches import SCORES, LeftOut
from boda.pipelines.imports import File, Given, read_given
from boda.pipelines.places import Where, existing_file, opened
from boda.recipe import Recipe
from boda.sources.base import ImageRef, Source
from boda.unreadable import BadImage
from boda.workspace.labels import join
from boda.workspace.records import Block, Read
from boda.workspace.workspace import Workspace, create_workspace

if TYPE_CHECKING:
    import pyarrow as pa

    from boda.workspace.writer import Writer

_BLOCK = 4096
_EXAMPLES = 3
_LEFT_OUT_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of the rows of a file."""

    workspace: str
    recipe: Recipe
    rows: int
    """In the files that were taken; rows = imported + already + unmatched + unreadable."""
    imported: int
    """Rows that now are features of an image."""
    already: int
    """Rows whose image has features of this recipe: stored before, or from a copy of it further up the file."""
    unmatched: int
    """Rows whose key no listed image has."""
    unreadable: int
    """Rows whose image cannot be read, so nobody knows its content."""
    without: int
    """Listed images that the file has no row for."""
    examples: tuple[str, ...]
    """Some of the unmatched keys."""
    files: int = 1
    labels: str | None = None
    """The label set with the scores that came with them."""
    left_out: tuple[LeftOut, ...] = ()
    """Files of a cache of which no row was taken, and why."""

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        counts = ("rows", "imported", "already", "unmatched", "unreadable", "without", "files", "labels")
        return {
            "workspace": to_json(self.workspace),
            "recipe": self.recipe.as_json(),
            **{name: getattr(self, name) for name in counts},
            "examples": [to_json(key) for key in self.examples],
            "left_out": [one.as_json() for one in self.left_out],
        }

    def lines(self) -> list[str]:
        """For people."""
        known = "" if self.recipe.known else ", of an unknown recipe"
        name = f"{shown(self.recipe.name)} ({self.recipe.id})"
        lines = [f"{shown(self.workspace)}: {self.imported:,} of {counted(self.rows, 'row')} taken in as {name}{known}"]
        if self.already:
            lines.append(f"{counted(self.already, 'row was', 'rows were')} there already")
        if self.unmatched:
            lines.append(
                f"{counted(self.unmatched, 'row matches', 'rows match')} no image, as "
                f"{', '.join(map(shown, self.examples))}"
            )
        if self.unreadable:
            lines.append(f"{counted(self.unreadable, 'row is of an image', 'rows are of images')} that cannot be read")
        if self.without:
            lines.append(f"{counted(self.without, 'image has', 'images have')} no row in the file")
        if self.labels is not None:
            lines.append(f"scores joined as labels {shown(self.labels)}")
        if self.left_out:
            lines.append(f"{len(self.left_out):,} of {self.files:,} files are left out, with all their rows:")
            lines += [f"  {shown(one.file)}: {shown(one.why)}" for one in self.left_out[:_LEFT_OUT_SHOWN]]
            if len(self.left_out) > _LEFT_OUT_SHOWN:
                lines.append(f"  and {len(self.left_out) - _LEFT_OUT_SHOWN:,} more; --json names them all")
        return lines


def import_features(
    workspace: Where,
    file: File,
    *,
    keys: str | os.PathLike[str] | None = None,
    recipe: Recipe | str | os.PathLike[str] | None = None,
    name: str | None = None,
    source: str | os.PathLike[str] | None = None,
) -> Imported:
    """Take in features that were made elsewhere.

    Args:
        workspace: that lists the images; made from `source` where it is not there.
        file: `.npy` with a file of keys, `.npz`, `.parquet` or `.csv`; or the `.pt` files of a cache, as a pattern
            (`cache/*.pt`) or one by one: dictionaries with `image_names`, `image_features` and maybe `scores`, which
            become labels. Names of a cache match keys, file names or stems, whatever matches most; a file whose
            counts differ is left out and reported.
        keys: of a `.npy`, where they are not beside it as NAME.keys.jsonl, .json, .txt or .csv.
        recipe: how they were made, or the JSON file that says it (`Recipe.as_json`); None: marked as unknown, and
            told apart from all others by a digest of keys and values.
        name: what to call them; by default the name of the file, or of the folder of several.
        source: of the images, for a new workspace.

    Raises:
        NotFound: a file is not there, or not one key matches an image.
        Refused: keys and rows differ in number, keys occur twice, or a value is NaN or infinite; nothing was stored.
        MissingExtra: a cache, and torch is not installed.
        NotAWorkspace: no workspace, and no source to make it from.
        Busy, ReadOnly: the workspace cannot be written now.
    """
    given = read_given(file, Path(keys) if keys is not None else None, name)
    _check(given)
    stated = _recipe(recipe, given)
    there, images = _workspace(workspace, source)
    with there.write() as writer:
        if images is not None:
            writer.set_source(images.description)
            writer.list(images.entries(), images.columns, now_ns=writer.clock_ns())
        return _Import(there, stated, given).into(writer)


def _check(given: Given) -> None:
    where, keys, vectors = shown(given.where), given.keys, given.vectors
    if not len(keys):
        raise Refused(f"{where}: no rows")
    twice = [shown(key) for key, count in Counter(keys).items() if count > 1]
    if twice:
        raise Refused(f"{where}: {len(twice):,} keys occur more than once, as {', '.join(twice[:_EXAMPLES])}")
    for start in range(0, len(vectors), _BLOCK):
        with np.errstate(over="ignore"):
            finite = np.isfinite(vectors[start : start + _BLOCK].astype(np.float32)).all(axis=1)
        if not finite.all():
            row = start + int(np.flatnonzero(~finite)[0])
            raise Refused(f"{where}: row {row} ({shown(keys[row])}) is not finite in float32")


def _recipe(stated: Recipe | str | os.PathLike[str] | None, given: Given) -> Recipe:
    if isinstance(stated, Recipe):
        return stated
    if stated is not None:
        return _read_recipe(existing_file(stated))
    digest = hashlib.sha256()
    for key in given.keys:
        digest.update(to_bytes(key) + b"\0")
    for start in range(0, len(given.vectors), _BLOCK):
        digest.update(np.ascontiguousarray(given.vectors[start : start + _BLOCK], "<f4").tobytes())
    return Recipe("unknown", digest.hexdigest(), "unknown", "unknown", None, name=given.name)


def _read_recipe(file: Path) -> Recipe:
    try:
        return Recipe.from_json(json.loads(file.read_text("utf-8")))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Refused(f"{shown(str(file))}: not a recipe as Recipe.as_json writes it ({error})") from error


def _workspace(where: Where, source: str | os.PathLike[str] | None) -> tuple[Workspace, Source | None]:
    """The workspace, and the images to list first where it is made now."""
    from boda.sources.opening import open_source

    try:
        there = opened(where)
    except NotAWorkspace:
        if source is None or isinstance(where, Workspace) or Path(where).exists():
            raise
        images = open_source(source)
        return create_workspace(where), images
    if source is not None:
        raise Refused(f"{shown(str(there.path))}: is there already and knows its images; leave out the source")
    return there, None


@dataclass
class _Import:
    """One file, or one cache, on its way into one workspace."""

    workspace: Workspace
    recipe: Recipe
    given: Given
    keys: Sequence[str] = field(init=False)
    """As the workspace has them; where an image was not found, as given."""
    counts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        """Find what the workspace calls these images."""
        self.keys = self._as_listed() if self.given.by_name else self.given.keys

    def into(self, writer: "Writer") -> Imported:
        """Match, then store block by block."""
        rows, contents = self._matched()
        if self.given.scores is not None:
            _check_labels(self.workspace, self.given)
        writer.add_recipe(self.recipe, int(self.given.vectors.shape[1]))
        read = self._reader()
        for start in range(0, len(rows), _BLOCK):
            self._store(writer, rows[start : start + _BLOCK], contents[start : start + _BLOCK], read)
        writer.merge(self.recipe.id)
        if self.given.scores is not None:
            writer.put_labels(self.given.name, _labels(self.given, rows, [self.keys[row] for row in rows]))
        matched = set(rows)
        examples = [key for row, key in enumerate(self.given.keys) if row not in matched][:_EXAMPLES]
        return Imported(
            str(self.workspace.path),
            self.recipe,
            rows=len(self.keys),
            imported=self.counts["imported"],
            already=self.counts["already"],
            unmatched=len(self.keys) - len(rows),
            unreadable=self.counts["unreadable"],
            without=len(self.workspace) - len(rows),
            examples=tuple(examples),
            files=self.given.files,
            labels=None if self.given.scores is None else self.given.name,
            left_out=self.given.left_out,
        )

    def _as_listed(self) -> Sequence[str]:
        """What notebooks call an image is a path of another machine, a file name or an id."""
        import pyarrow as pa

        raw = pa.array([to_bytes(key) for key in self.given.keys], pa.binary())
        listed = self.workspace.keys()
        try:
            joined = join(listed, pa.table({"image": raw, "row": range(len(raw))}), column="image").table
        except Refused:
            return self.given.keys
        found = dict(zip(joined["row"].to_pylist(), joined["key"].to_pylist(), strict=True))
        return [from_bytes(found[row]) if row in found else key for row, key in enumerate(self.given.keys)]

    def _matched(self) -> tuple[list[int], list[bytes | None]]:
        """Rows of the file that belong to a listed image, and its content as far as known."""
        frame = self.workspace.frame().select(["key", "content"])
        listed = {from_text(key): content for key, content in zip(*(c.to_pylist() for c in frame.columns), strict=True)}
        rows = [row for row, key in enumerate(self.keys) if key in listed]
        if not rows:
            ours, theirs = (", ".join(map(shown, list(some)[:_EXAMPLES])) for some in (listed, self.keys))
            raise NotFound(
                f"{shown(str(self.workspace.path))}: no key matches. In the workspace: {ours}. In the file: {theirs}"
            )
        known = (listed[self.keys[row]] for row in rows)
        return rows, [bytes.fromhex(content) if content else None for content in known]

    def _reader(self) -> Callable[[ImageRef], Read | None]:
        from boda.sources.opening import open_described

        source: Source | None = None

        def read(ref: ImageRef) -> Read | None:
            nonlocal source
            try:
                source = source or open_described(self.workspace.source or {})
                blob = source.read(ref)
            except BadImage:
                return None
            return Read(ref.key, hashlib.sha256(blob.data).digest(), blob.size, blob.mtime_ns, 0, 0, 0, "")

        return read

    def _store(
        self,
        writer: "Writer",
        rows: Sequence[int],
        contents: Sequence[bytes | None],
        read: Callable[[ImageRef], Read | None],
    ) -> None:
        block = Block()
        unread = self.workspace.refs(self.keys[r] for r, c in zip(rows, contents, strict=True) if c is None)
        with ThreadPoolExecutor(4) as threads:
            fresh = iter(list(threads.map(read, unread.values())))
        stored: list[tuple[int, bytes]] = []
        for row, content in zip(rows, contents, strict=True):
            new = next(fresh) if content is None else None
            if new is not None:
                block.reads.append(new)
            known = new.content if new is not None else content
            if known is None:
                self.counts["unreadable"] += 1
            else:
                stored.append((row, known))
        there = writer.has_features(self.recipe.id, [content for _, content in stored])
        first = {content: row for row, content in reversed(stored) if content not in there}
        kept = sorted((row, content) for content, row in first.items())
        self.counts["already"] += len(stored) - len(kept)
        self.counts["imported"] += len(kept)
        vectors = self.given.vectors
        values = np.stack([vectors[row] for row, _ in kept]) if kept else vectors[:0]
        block.features[self.recipe.id] = ([content for _, content in kept], values.astype(self.recipe.dtype))
        writer.commit(block)


def _score_columns(given: Given) -> list[str]:
    width = 0 if given.scores is None else given.scores.shape[1]
    return [SCORES] if width == 1 else [f"{SCORES}_{place}" for place in range(width)]


def _check_labels(workspace: Workspace, given: Given) -> None:
    """A set of other columns that somebody joined under this name is not replaced."""
    there = {labels.name: labels.columns for labels in workspace.labels()}
    if given.name == "source" or there.get(given.name, tuple(_score_columns(given))) != tuple(_score_columns(given)):
        raise Refused(
            f"{shown(str(workspace.path))}: labels {shown(given.name)!r} are there already, and are no scores; choose "
            "another --name"
        )


def _labels(given: Given, rows: Sequence[int], keys: Sequence[str]) -> "pa.Table":
    """The scores of these rows, for their images; null where there is none."""
    import pyarrow as pa

    assert given.scores is not None
    raw = pa.array([to_bytes(key) for key in keys], pa.binary())
    columns = zip(_score_columns(given), given.scores[rows].T, strict=True)
    return pa.table({"key": raw} | {name: pa.array(values, from_pandas=True) for name, values in columns})
