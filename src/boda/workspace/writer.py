"""The one writer: files first, then one transaction that names them. It holds the lock while it lives."""

import contextlib
import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from boda import keys as key_forms
from boda.arrays import StoredFeatures
from boda.errors import DiskTrouble, NotFound, Refused
from boda.recipe import Recipe
from boda.sources.base import ImageRef, Unlistable
from boda.workspace import (
    answers,
    catalogue,
    features,
    label_files,
    listing,
    locking,
    merging,
    repair,
    results,
    segments,
    sweeping,
    tallies,
)
from boda.workspace.atomic import disk_trouble
from boda.workspace.records import Block, Hashed, Listing, Read, ResultInfo, Todo, TodoCounts
from boda.workspace.segments import Stored

if TYPE_CHECKING:
    import sqlite3

    import pyarrow as pa

PAGE = 4096

RefPages: TypeAlias = Iterator[list[ImageRef]]
TodoPages: TypeAlias = Iterator[list[Todo]]
Contents: TypeAlias = list[bytes]


class Writer:
    """Everything that changes a workspace. Made by `Workspace.write`; threads may share it, processes may not.

    Every method is all or nothing. After trouble with the disk it does nothing more: a failed fsync may have lost
    data that the kernel no longer knows of, so the state is only certain once the workspace is opened again.
    """

    def __init__(self, path: Path, connection: "sqlite3.Connection") -> None:
        """Use `Workspace.write`."""
        self._path, self._connection = path, connection
        self._turn = threading.RLock()
        self._process = os.getpid()
        self._over: str | None = None
        answers.prepare(connection)

    @property
    def is_sound(self) -> bool:
        """Whether it still writes: no trouble with the disk, and not closed."""
        return self._over is None

    def close(self) -> None:
        """No more changes; the owner of the connection closes it."""
        with self._turn:
            self._over = self._over or "this writer is closed"

    def clock_ns(self) -> int:
        """The file system's own time now, in nanoseconds: that of a file just touched beside the catalogue.

        The system's clock may be wrong or jump; what a listing compares file times with must not.
        """
        with self._working(), disk_trouble(self._path):
            return locking.clock_ns(self._path)

    # -- what is there to do ------------------------------------------------------------------------------------

    def set_source(self, description: Mapping[str, Any]) -> None:
        """Store what the source is; `open_described` makes it again from this."""
        text = json.dumps(description, sort_keys=True)
        with self._transaction() as connection:
            connection.execute(
                """
                INSERT INTO setting (name, value) VALUES ('source', ?)
                ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE value <> excluded.value
                """,
                (text,),
            )

    def list(
        self, entries: Iterable[ImageRef | Unlistable], columns: "Callable[[], pa.Table | None]", *, now_ns: int
    ) -> Listing:
        """Freeze a listing: what is new, changed, vanished. Becomes visible in one transaction; memory stays flat.

        Args:
            entries: of a source, each key once.
            columns: asked after the entries; what the source knows of its images becomes the label set `source`.
            now_ns: the file system's own clock, as the time of a file just written. Files changed within 2 s
                before it, or after it, are not trusted to be unchanged until they were hashed.

        Raises:
            SourceError: a key comes twice.
        """
        with self._working() as connection:
            listing.stage(connection, entries, now_ns)
            table = columns()
            stored = None if table is None else label_files.write(self._path, table)
            with self._transaction():
                found = listing.apply(connection)
                connection.execute("DELETE FROM setting WHERE name = 'answered'")
                if table is None or stored is None:
                    connection.execute("DELETE FROM labels WHERE name = 'source'")
                else:
                    self._name_labels("source", table, stored)
            return found

    def add_recipe(self, recipe: Recipe, width: int) -> None:
        """Make a recipe known; nothing happens where it is.

        Args:
            recipe: whose features will be committed.
            width: of one feature vector.

        Raises:
            Refused: it is known with another width.
        """
        if not 0 < width <= features.WIDEST:
            raise Refused(f"{self._path}: features have 1 to {features.WIDEST:,} numbers a row, not {width}")
        with self._transaction() as connection:
            known = connection.execute("SELECT width FROM recipe WHERE digest = ?", (recipe.id,)).fetchone()
            if known and known[0] != width:
                raise Refused(f"{self._path}: recipe {recipe.id} has {known[0]} numbers a row here, not {width}")
            if not known:
                connection.execute(
                    "INSERT INTO recipe (digest, json, width, dtype, generation) VALUES (?, ?, ?, ?, 0)",
                    (recipe.id, json.dumps(recipe.as_json(), sort_keys=True), width, recipe.dtype),
                )

    def begin_run(self, recipe_ids: Sequence[str], versions: Mapping[str, Any]) -> int:
        """Note that a run begins. Returns its number. Runs that died before are marked as interrupted."""
        with self._transaction() as connection:
            connection.execute(
                "UPDATE run SET state = 'interrupted', ended_ns = ? WHERE state = 'running'", (time.time_ns(),)
            )
            number = connection.execute(
                "INSERT INTO run (recipes, versions, state, summary, started_ns) VALUES (?, ?, 'running', '{}', ?)",
                (json.dumps(list(recipe_ids)), json.dumps(dict(versions)), time.time_ns()),
            ).lastrowid
            assert number is not None
            return number

    def end_run(self, run_id: int, state: Literal["done", "stopped", "failed"], summary: Mapping[str, Any]) -> None:
        """Note how a run ended. After `done`, `doctor` holds the workspace to listed = embedded + quarantined."""
        with self._transaction() as connection:
            found = connection.execute("SELECT recipes FROM run WHERE id = ?", (run_id,)).fetchone()
            if found is None:
                raise NotFound(f"{self._path}: there is no run {run_id}")
            connection.execute(
                "UPDATE run SET state = ?, summary = ?, ended_ns = ? WHERE id = ?",
                (state, json.dumps(dict(summary)), time.time_ns(), run_id),
            )
            if state == "done":
                connection.execute(
                    """
                    INSERT INTO setting (name, value) VALUES ('answered', ?)
                    ON CONFLICT (name) DO UPDATE SET value = excluded.value
                    """,
                    (found[0],),
                )

    def count_todo(self, recipe_ids: Sequence[str]) -> TodoCounts:
        """How much is left to do for these recipes."""
        with self._working() as connection:
            return tallies.count_todo(connection, recipe_ids)

    def verify_pages(self, recipe_ids: Sequence[str], page: int = PAGE) -> RefPages:
        """Images with features whose stat changed or is not trusted: read, hash, and `confirm` them first."""
        after = -1
        while True:
            with self._working() as connection:
                refs, after = tallies.verify_page(connection, recipe_ids, after, page)
            if not refs:
                return
            yield refs

    def compute_pages(self, recipe_ids: Sequence[str], page: int = PAGE) -> TodoPages:
        """Images that lack an answer, in listing order; commits in between are fine.

        Quarantined ones come again only when their stat or the decoding rules changed, or after `retry`.
        """
        after = -1
        while True:
            with self._working() as connection:
                todo, after = tallies.compute_page(connection, recipe_ids, after, page)
            if not todo:
                return
            yield todo

    def has_features(self, recipe_id: str, contents: Sequence[bytes]) -> set[bytes]:
        """Which of these contents (SHA-256, 32 bytes) have features of the recipe already."""
        with self._working() as connection:
            return answers.with_features(connection, recipe_id, contents)

    # -- answers ------------------------------------------------------------------------------------------------

    def confirm(self, reads: Sequence[Read | Hashed]) -> None:
        """Note what hashing found: the same content (only the stat is new), or another (which becomes work)."""
        with self._transaction() as connection:
            answers.record_reads(connection, reads, str(self._path))

    def commit(self, block: Block) -> None:
        """Make a block's answers visible: files first, then one transaction; all or nothing.

        A content that has features of the recipe already keeps them; of a content given twice the first row is taken.

        Raises:
            Refused: a recipe is not known, an array does not fit it or holds NaN or infinity, or an image was never
                listed. Nothing of the block is kept.
            DiskTrouble: the disk is full or failing. Nothing of the block is kept, and this writer does nothing more.
        """
        with self._working() as connection:
            fresh = {recipe: self._fresh(recipe, *given) for recipe, given in block.features.items()}
            files = {recipe: self._write_segment(recipe, *rows) for recipe, rows in fresh.items() if rows[0]}
            known = {(row.key, row.recipe) for row in block.quarantined}
            if len(known) != len(block.quarantined):
                raise Refused(f"{self._path}: a block quarantines an image twice for one recipe")
            with self._transaction():
                answers.record_reads(connection, block.reads, str(self._path))
                for recipe_id, stored in files.items():
                    self._name_segment(recipe_id, fresh[recipe_id][0], stored)
                self._check_recipes({row.recipe for row in block.quarantined})
                read_now = frozenset(read.key for read in block.reads)
                answers.quarantine(connection, block.quarantined, read_now, str(self._path))

    def merge(self, recipe_id: str) -> None:
        """Put the rows of a recipe into one file in the order of the frame, so that reading is one memory map.

        Does nothing where that is so already, and only notes it where one segment happens to have this order.

        Raises:
            NotFound: no such recipe.
            DiskTrouble: the disk is full or failing; the rows stay where they were.
        """
        with self._working() as connection:
            recipe, generation = self._recipe(recipe_id)
            (listing_generation,) = connection.execute(
                "SELECT CAST(value AS INTEGER) FROM setting WHERE name = 'generation'"
            ).fetchone()
            now = (listing_generation, generation)
            before = connection.execute(
                "SELECT listing_generation, recipe_generation FROM merged WHERE recipe = ?", (recipe,)
            ).fetchone()
            if before == now:
                return
            order = merging.stage(connection, recipe)
            if order.rows == 0 or (order.segment is not None and not order.aligned):
                return
            stored = None
            if order.segment is None:
                stored = merging.write_merged(self._path, connection, recipe, order.rows)
            keys = merging.write_keys(self._path, connection, recipe, recipe_id, order) if order.aligned else None
            with self._transaction():
                connection.execute("DELETE FROM merged WHERE recipe = ?", (recipe,))
                segment = order.segment
                if stored is not None:
                    segment = self._insert_segment(recipe, recipe_id, order.rows, stored)
                    merging.move_rows(connection, recipe, segment)
                if keys is not None:
                    segments.check_there(self._path, (segments.FOLDER, recipe_id, keys.file), keys.size)
                    connection.execute(
                        """
                        INSERT INTO merged (recipe, segment, rows, listing_generation, recipe_generation,
                            keys_file, keys_bytes, keys_sha256) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                        """,
                        (recipe, segment, order.embedded, *now, keys.file, keys.size, keys.sha256),
                    )

    def retry(self, keys: Sequence[str] | None = None) -> int:
        """Forget why images could not be used, so that the next run tries them again.

        Args:
            keys: of these images; None for all. Entries that cannot be listed stay until they are listed again.

        Returns:
            How many images.
        """
        with self._transaction() as connection:
            before = connection.execute("SELECT count(DISTINCT image) FROM quarantine").fetchone()[0]
            if keys is None:
                connection.execute("DELETE FROM quarantine WHERE recipe <> ''")
            else:
                connection.executemany(
                    "DELETE FROM quarantine WHERE recipe <> '' AND image = (SELECT id FROM image WHERE key = ?)",
                    ((key_forms.to_bytes(key),) for key in keys),
                )
            after = connection.execute("SELECT count(DISTINCT image) FROM quarantine").fetchone()[0]
            if after != before:
                connection.execute("DELETE FROM setting WHERE name = 'answered'")
            return int(before - after)

    def put_labels(self, name: str, table: "pa.Table") -> None:
        """Join columns: a new set, or in place of the one of this name. It wins where older sets have its columns.

        Args:
            name: of the set.
            table: a binary `key` column (`keys.to_bytes`), each key once, and the columns.

        Raises:
            Refused: the table is not like that.
        """
        if not name or len(name) > 200 or not name.isprintable():
            raise Refused(f"{name!r} is no name for labels; use a short one that can be printed")
        with self._working():
            stored = label_files.write(self._path, table)
            with self._transaction() as connection:
                if name != "source":
                    connection.execute("DELETE FROM labels WHERE name = ?", (name,))
                self._name_labels(name, table, stored)

    def put_result(
        self,
        kind: str,
        name: str,
        files: Mapping[str, bytes],
        *,
        summary: Mapping[str, Any] = MappingProxyType({}),
    ) -> ResultInfo:
        """Keep a result: a new one, or in place of the one of this kind and name.

        Args:
            kind: "head", say: small letters, digits and -.
            name: up to 100 of A-Z a-z 0-9 - _ . beginning with a letter, a digit or _.
            files: at least one; names as `name`.
            summary: small plain JSON that says what it is; `boda info` shows it.

        Raises:
            Refused: a name or the summary is not like that.
            DiskTrouble: the disk is full or failing; an older result of this name stays.
        """
        results.check_given(kind, name, files)
        text = results.summary_text(kind, name, summary)
        with self._working():
            digest, described = results.write(self._path, kind, files)
            with self._transaction() as connection:
                results.check_there(self._path, kind, digest, described)
                connection.execute("DELETE FROM result WHERE kind = ? AND name = ?", (kind, name))
                connection.execute(
                    "INSERT INTO result (kind, name, digest, files, summary, created_ns) VALUES (?, ?, ?, ?, ?, ?)",
                    (kind, name, digest, results.files_text(described), text, time.time_ns()),
                )
                return results.one(connection, self._path, kind, name)

    def remove_result(self, kind: str, name: str) -> None:
        """Forget a result; its files go with the next sweep.

        Raises:
            NotFound: there is none; lists what is there.
        """
        with self._transaction() as connection:
            results.find(connection, self._path, kind, name)
            connection.execute("DELETE FROM result WHERE kind = ? AND name = ?", (kind, name))

    # -- keeping house ------------------------------------------------------------------------------------------

    def sweep(self) -> int:
        """Remove files that nobody names: leftovers of a crash, segments that were merged. Returns how many."""
        with self._working() as connection:
            return sweeping.sweep(self._path, connection)

    def forget_damaged(self, *, deep: bool = True) -> int:
        """Forget the rows of segments that are missing or damaged, so that the next run computes just these again.

        Args:
            deep: hash every segment; else only look at names, sizes and headers, which is quick.

        Returns:
            How many rows were forgotten.
        """
        with self._working() as connection:
            bad = repair.damaged_segments(self._path, connection, deep=deep)
            keys = repair.damaged_keys(self._path, connection, deep=deep)
            if not bad and not keys:
                return 0
            with self._transaction():
                connection.executemany("DELETE FROM merged WHERE recipe = ?", ((recipe,) for recipe in keys))
                forgotten = repair.forget(connection, bad)
                if forgotten:
                    connection.execute("DELETE FROM setting WHERE name = 'answered'")
            return forgotten

    # -- inside -------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _working(self) -> "Iterator[sqlite3.Connection]":
        """One thread at a time, in the process that opened it, and never after trouble with the disk."""
        if os.getpid() != self._process:
            raise Refused(f"{self._path}: a writer does not cross a fork; open the workspace in the new process")
        with self._turn:
            if self._over:
                raise DiskTrouble(f"{self._path}: {self._over}; open the workspace again")
            try:
                with catalogue.translated(self._path):
                    yield self._connection
            except DiskTrouble:
                self._over = "this writer stopped after trouble with the disk"
                raise

    @contextlib.contextmanager
    def _transaction(self) -> "Iterator[sqlite3.Connection]":
        with self._working() as connection, catalogue.transaction(connection, self._path):
            yield connection

    def _recipe(self, recipe_id: str) -> tuple[int, int]:
        """Number and generation of a recipe."""
        found = self._connection.execute("SELECT id, generation FROM recipe WHERE digest = ?", (recipe_id,)).fetchone()
        if found is None:
            raise NotFound(f"{self._path}: no recipe {recipe_id!r}; add it first")
        return int(found[0]), int(found[1])

    def _check_recipes(self, recipe_ids: set[str]) -> None:
        for recipe_id in recipe_ids:
            self._recipe(recipe_id)

    def _fresh(
        self, recipe_id: str, contents: Sequence[bytes], array: StoredFeatures
    ) -> tuple[Contents, StoredFeatures]:
        """The rows that have no answer yet, after checking that they fit the recipe."""
        self._recipe(recipe_id)
        width, dtype = self._connection.execute(
            "SELECT width, dtype FROM recipe WHERE digest = ?", (recipe_id,)
        ).fetchone()
        if array.shape != (len(contents), width) or array.dtype != np.dtype(dtype):
            raise Refused(
                f"{self._path}: recipe {recipe_id} takes ({len(contents)}, {width}) {dtype}, "
                f"not {array.shape} {array.dtype}"
            )
        if not np.isfinite(array).all():
            raise Refused(f"{self._path}: features of recipe {recipe_id} hold NaN or infinity; quarantine those images")
        seen = self.has_features(recipe_id, contents)
        taken: dict[bytes, int] = {}
        for row, content in enumerate(contents):
            if len(content) != 32:
                raise Refused(f"{self._path}: a content is named by 32 bytes of SHA-256, not by {len(content)}")
            if content not in seen:
                taken.setdefault(content, row)
        if len(taken) == len(contents):
            return list(contents), array
        return list(taken), array[list(taken.values())]

    def _write_segment(self, recipe_id: str, contents: Contents, array: StoredFeatures) -> Stored:
        return segments.write_array(
            self._path,
            (segments.FOLDER, recipe_id),
            segments.row_blocks(array, 16384),
            shape=array.shape,
            dtype=str(array.dtype),
            contents=hashlib.sha256(b"".join(contents)).digest(),
        )

    def _insert_segment(self, recipe: int, recipe_id: str, rows: int, stored: Stored) -> int:
        segments.check_there(self._path, (segments.FOLDER, recipe_id, stored.file), stored.size)
        number = self._connection.execute(
            "INSERT INTO segment (recipe, file, rows, bytes, sha256, contents) VALUES (?, ?, ?, ?, ?, ?)",
            (recipe, stored.file, rows, stored.size, stored.sha256, stored.contents),
        ).lastrowid
        assert number is not None
        return number

    def _name_segment(self, recipe_id: str, contents: Contents, stored: Stored) -> None:
        recipe, _ = self._recipe(recipe_id)
        segment = self._insert_segment(recipe, recipe_id, len(contents), stored)
        answers.record_features(self._connection, recipe, segment, contents)

    def _name_labels(self, name: str, table: "pa.Table", stored: Stored) -> None:
        segments.check_there(self._path, (label_files.FOLDER, stored.file), stored.size)
        columns = json.dumps([column for column in table.column_names if column != "key"])
        self._connection.execute(
            """
            INSERT INTO labels (name, file, rows, columns, bytes, sha256) VALUES (?, ?, ?, ?, ?, ?)
            ON CONFLICT (name) DO UPDATE SET file = excluded.file, rows = excluded.rows, columns = excluded.columns,
                bytes = excluded.bytes, sha256 = excluded.sha256
            """,
            (name, stored.file, len(table), columns, stored.size, stored.sha256),
        )
