"""The workspace: the folder NAME.boda, read and written through one object."""

import contextlib
import difflib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from boda import keys as key_forms
from boda.errors import Damaged, NotFound, ReadOnly, Refused
from boda.recipe import Recipe
from boda.sources.base import ImageRef
from boda.unreadable import Code, Stage, Unreadable
from boda.workspace import (
    catalogue,
    features,
    frames,
    label_files,
    locking,
    marker,
    results,
    schema,
    segments,
    sweeping,
    tallies,
)
from boda.workspace.atomic import disk_trouble, fsync_folder
from boda.workspace.features import FeatureSet
from boda.workspace.records import Counts, LabelSet, Quarantined, ResultInfo, RunRecord
from boda.workspace.writer import Writer

if TYPE_CHECKING:
    import sqlite3

    import pyarrow as pa

_REF = "SELECT key, path, inner, listed_size, listed_mtime_ns FROM image WHERE key = ? AND position IS NOT NULL"
_OURS = {
    *(marker.NAME, locking.NAME, catalogue.NAME, catalogue.JOURNAL),
    *(segments.FOLDER, label_files.FOLDER, results.FOLDER),
}


def open_workspace(path: str | os.PathLike[str]) -> "Workspace":
    """Open a workspace for reading; `Workspace.write` writes.

    Raises:
        NotAWorkspace: nothing there, or something else.
        NewerFormat: a newer boda made it.
        Damaged: it is one, but its catalogue is not whole.
    """
    folder = Path(path)
    marker.check(folder)
    workspace = Workspace(folder)
    with workspace.reading():
        pass
    return workspace


def create_workspace(path: str | os.PathLike[str]) -> "Workspace":
    """Make a workspace, or open the one that is there already.

    The file `FORMAT` comes last: before it there is no workspace, and making it again goes on where it stopped.

    Raises:
        Refused: the folder holds other things.
        DiskTrouble: the disk does not take it.
    """
    folder = Path(path)
    if (folder / marker.NAME).exists():
        return open_workspace(folder)
    with disk_trouble(folder):
        if folder.exists() and not folder.is_dir():
            raise Refused(f"{folder}: a file has this name; choose another with --to")
        if not folder.is_dir():
            folder.mkdir(parents=True)
            fsync_folder(folder.absolute().parent)
        others = {entry.name for entry in folder.iterdir()} - _OURS
        if any(not sweeping.is_temporary(name) for name in others):
            raise Refused(f"{folder}: a folder with other things in it; choose another with --to")
    with locking.held(folder):
        with disk_trouble(folder):
            for name in others:
                (folder / name).unlink(missing_ok=True)
        catalogue.create(folder)
        marker.write(folder)
    return open_workspace(folder)


class Workspace:
    """Images, labels, features by recipe, quarantine and results, in one folder.

    Every question opens the catalogue, fetches, and lets go: so a workspace object may be kept, shared by threads,
    pickled, and carried across a fork; each answer is one committed state.
    """

    path: Path
    read_only: str | None
    """Why it cannot be written here; None where it can."""
    report: Mapping[str, Any] = MappingProxyType({})
    """What the run did that gave this object, as JSON; empty where none did. Of all runs: `runs()`."""

    def __init__(self, path: Path) -> None:
        """Use `open_workspace` or `create_workspace`."""
        self.path = path
        self.read_only = _why_read_only(path)

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel between processes as a path."""
        return open_workspace, (self.path,)

    def __repr__(self) -> str:
        return f"Workspace({str(self.path)!r})"

    def __len__(self) -> int:
        """Images in the latest listing, the unusable ones too."""
        with self.reading() as connection:
            return int(connection.execute("SELECT count(*) FROM image WHERE position IS NOT NULL").fetchone()[0])

    @contextlib.contextmanager
    def reading(self) -> Iterator["sqlite3.Connection"]:
        """The catalogue in one committed state, for code in this package. Fetch, then leave the block."""
        with catalogue.reading(self.path, writable=self._may_write_files) as connection:
            yield connection

    @property
    def _may_write_files(self) -> bool:
        return os.access(self.path, os.W_OK) and os.access(self.path / catalogue.NAME, os.W_OK)

    @property
    def source(self) -> dict[str, Any] | None:
        """The description of the source, for `open_described`; None before the first listing."""
        with self.reading() as connection:
            row = connection.execute("SELECT value FROM setting WHERE name = 'source'").fetchone()
            if row is None:
                return None
            description = json.loads(row[0])
            if not isinstance(description, dict):
                raise Damaged(f"{self.path}: the description of the source makes no sense; see: boda doctor")
            return description

    def frame(self) -> "pa.Table":
        """One row per listed image, in listing order.

        Returns:
            `key` (text, as `keys.to_text`), `content` (SHA-256 in hex, or null), `width` and `height` in pixels,
            `frames`, then the columns of every label set. Where two sets have a column of the same name, the one
            joined later has it; a column that clashes with the first five is called `SET.COLUMN`.
        """
        return frames.build(self.path, writable=self._may_write_files)

    def keys(self) -> list[str]:
        """The keys of all listed images, in the order of the frame."""
        with self.reading() as connection:
            rows = connection.execute("SELECT key FROM image WHERE position IS NOT NULL ORDER BY position").fetchall()
            return [key_forms.from_bytes(raw) for (raw,) in rows]

    def recipes(self) -> list[Recipe]:
        """All recipes that features were made with, imported ones too; the newest last."""
        with self.reading() as connection:
            rows = connection.execute("SELECT digest, json FROM recipe ORDER BY id").fetchall()
            return [_recipe(self.path, digest, text) for digest, text in rows]

    def recipe(self, recipe: "str | Recipe | None" = None) -> Recipe:
        """One recipe.

        Args:
            recipe: its id, the unique beginning of it, its name, or the recipe itself; None for the latest.

        Raises:
            NotFound: there is none; lists what is there.
            Refused: several have this name or beginning.
        """
        known = self.recipes()
        if not known:
            raise NotFound(f"{self.path}: no features yet; make them with: boda embed SOURCE --to {self.path}")
        if recipe is None:
            return known[-1]
        wanted = recipe.id if isinstance(recipe, Recipe) else recipe
        found = (
            [one for one in known if one.id == wanted]
            or [one for one in known if one.name == wanted]
            or [one for one in known if wanted and one.id.startswith(wanted)]
        )
        if len(found) == 1:
            return found[0]
        listed = ", ".join(f"{one.name or one.architecture} ({one.id})" for one in found or known)
        if not found:
            raise NotFound(f"{self.path}: no features of recipe {wanted!r}. There is: {listed}")
        raise Refused(f"{self.path}: several recipes are called {wanted!r}; give the id of one: {listed}")

    def width(self, recipe: "str | Recipe | None" = None) -> int:
        """Length of one feature vector of a recipe, as the catalogue has it: no file of features is opened.

        Raises:
            NotFound, Refused: as `recipe`.
        """
        identity = self.recipe(recipe).id
        with self.reading() as connection:
            (width,) = connection.execute("SELECT width FROM recipe WHERE digest = ?", (identity,)).fetchone()
            return int(width)

    def features(self, recipe: "str | Recipe | None" = None) -> FeatureSet:
        """The features of one recipe: row i belongs to `keys[i]`, in the order of the frame, embedded images only.

        A read-only memory map where rows and images agree one to one; else gathered into memory, as where copies
        of an image share a row.

        Raises:
            NotFound: no such recipe.
            Damaged: a file is missing, or not what the catalogue says.
        """
        return features.load(self.path, self.recipe(recipe), writable=self._may_write_files)

    def quarantined(self, recipe_id: str | None = None) -> list[Quarantined]:
        """The listed images that could not be used, in listing order, each with its reason.

        Args:
            recipe_id: for this recipe only, with the entries that could not be listed; None for all.
        """
        with self.reading() as connection:
            rows = connection.execute(
                """
                SELECT i.key, q.recipe, q.stage, q.code, q.reason
                FROM quarantine q JOIN image i ON i.id = q.image
                WHERE i.position IS NOT NULL AND (?1 IS NULL OR q.recipe IN ('', ?1)) ORDER BY i.position, q.id
                """,
                (recipe_id,),
            ).fetchall()
            return [
                Quarantined(key_forms.from_bytes(raw), recipe, Unreadable(Stage(stage), Code(code), reason))
                for raw, recipe, stage, code, reason in rows
            ]

    def ref(self, key: str) -> ImageRef:
        """Where the bytes of a listed image are.

        Raises:
            NotFound: no such key in the latest listing; names near ones.
        """
        return self.refs([key])[key]

    def refs(self, keys: Iterable[str]) -> dict[str, ImageRef]:
        """Where the bytes of these listed images are, all from one state of the catalogue.

        Raises:
            NotFound: one is not in the latest listing; names near ones.
        """
        found: dict[str, ImageRef] = {}
        with self.reading() as connection:
            for key in keys:
                row = connection.execute(_REF, (key_forms.to_bytes(key),)).fetchone()
                if row is None:
                    raise NotFound(f"{self.path}: no image {key_forms.shown(key)!r}.{_near(connection, key)}")
                found[key] = tallies.ref(*row)
        return found

    def content_of(self, key: str) -> bytes | None:
        """SHA-256 of the image's bytes as last read, 32 bytes; None where it was not read yet.

        Raises:
            NotFound: no such key.
        """
        self.ref(key)
        with self.reading() as connection:
            row = connection.execute(
                "SELECT c.sha256 FROM image i JOIN content c ON c.id = i.content WHERE i.key = ?",
                (key_forms.to_bytes(key),),
            ).fetchone()
            return bytes(row[0]) if row else None

    def counts(self, recipe_ids: Sequence[str]) -> Counts:
        """How many images of the latest listing have features of all these recipes, or a reason why not."""
        with self.reading() as connection:
            return tallies.counts(connection, recipe_ids)

    def runs(self) -> list[RunRecord]:
        """All runs, the newest last."""
        with self.reading() as connection:
            rows = connection.execute(
                "SELECT id, recipes, versions, state, summary, started_ns, ended_ns FROM run ORDER BY id"
            ).fetchall()
            return [
                RunRecord(
                    number, tuple(json.loads(recipes)), json.loads(versions), state, json.loads(summary), start, end
                )
                for number, recipes, versions, state, summary, start, end in rows
            ]

    def labels(self) -> list[LabelSet]:
        """The label sets, in the order in which the frame takes them."""
        with self.reading() as connection:
            return [
                LabelSet(name, rows, tuple(json.loads(columns)))
                for name, rows, columns in connection.execute(
                    f"SELECT name, rows, columns FROM labels ORDER BY {label_files.ORDER}"
                ).fetchall()
            ]

    def results(self, kind: str | None = None) -> list[ResultInfo]:
        """The results that are kept here, by kind, the newest of each last.

        Args:
            kind: only of this kind ("head"); None for all.
        """
        with self.reading() as connection:
            return results.named(connection, self.path, kind)

    def result(self, kind: str, name: str) -> dict[str, bytes]:
        """The files of one result, by name, each compared with its digest.

        Raises:
            NotFound: there is none; lists what is there.
            Damaged: a file is missing or not as it was written. Nothing else in the workspace depends on it.
        """
        before: ResultInfo | None = None
        while True:
            with self.reading() as connection:
                info = results.one(connection, self.path, kind, name)
            try:
                return results.read(self.path, info)
            except FileNotFoundError as error:
                # A writer may have replaced and swept between our look at the row and at the file.
                if info == before:
                    raise results.damaged(self.path, info, f"{Path(error.filename).name} is missing") from error
                before = info

    @contextlib.contextmanager
    def write(self) -> Iterator[Writer]:
        """Hold the lock and write; files that nobody names are swept away first, and again at the end.

        Raises:
            Busy: another process writes; says which.
            ReadOnly: it cannot be written here; says why.
        """
        if self.read_only:
            raise ReadOnly(f"{self.path}: {self.read_only}")
        with locking.held(self.path), contextlib.closing(catalogue.open_writing(self.path)) as connection:
            if marker.check(self.path) < schema.VERSION:
                marker.write(self.path)
            writer = Writer(self.path, connection)
            writer.sweep()
            try:
                yield writer
                if writer.is_sound:
                    writer.sweep()
            finally:
                writer.close()


def _why_read_only(folder: Path) -> str | None:
    for path in (folder, folder / catalogue.NAME):
        if path.exists() and not os.access(path, os.W_OK):
            return f"{path} cannot be written here (read-only disk, or no permission)"
    return locking.why_not(folder, folder / marker.NAME)


def _recipe(folder: Path, digest: str, text: str) -> Recipe:
    recipe = Recipe.from_json(json.loads(text))
    if recipe.id != digest:
        raise Damaged(f"{folder}: recipe {digest} does not say what its id says; see: boda doctor")
    return recipe


def _near(connection: "sqlite3.Connection", key: str) -> str:
    name = key_forms.shown(key.rpartition("/")[2])
    stem = name.rpartition(".")[0] or name
    like = "%" + "".join(f"\\{sign}" if sign in "\\%_" else sign for sign in stem) + "%"
    found = connection.execute(
        "SELECT shown FROM image WHERE position IS NOT NULL AND shown LIKE ? ESCAPE '\\' LIMIT 50", (like,)
    ).fetchall()
    if not found:
        found = connection.execute("SELECT shown FROM image WHERE position IS NOT NULL LIMIT 2000").fetchall()
    near = difflib.get_close_matches(key_forms.shown(key), [shown for (shown,) in found], n=3, cutoff=0.3)
    return f" Near: {', '.join(near)}" if near else " There are no images yet" if not found else ""
