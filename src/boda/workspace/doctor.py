"""Is the workspace whole? Every check names what is damaged and what to do; nothing is repaired here."""

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from boda import keys as key_forms
from boda.errors import BodaError, Damaged
from boda.workspace import digests, label_files, repair, results, segments, sweeping, tallies
from boda.workspace.atomic import open_no_follow
from boda.workspace.features import segment_rows
from boda.workspace.workspace import Workspace

Severity = Literal["damage", "note"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be, or worth knowing."""

    severity: Severity
    """`note`: nothing is lost or wrong."""
    what: str
    """`catalogue`, `digest`, `segment`, `keys`, `labels`, `result`, `counts`, `file`, `run`."""
    where: str
    """The file, or the table and rows; which images, where that is known."""
    reason: str
    action: str
    """What to do."""

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}; {self.action}"


_RESTORE = "restore boda.db from a copy"
_RECOMPUTE = "boda doctor --repair forgets these rows, then boda embed computes just them again"


def examine(workspace: Workspace, *, deep: bool = False) -> list[Finding]:
    """Check a workspace.

    Always: the catalogue's structure and references, the seal over its digests, every named file with its size and
    header, and listed = embedded + quarantined after a finished run. Deep: every digest again, of the rows of the
    catalogue, of segments, of label files, of results. Files are hashed while nobody is locked out, so a run may go
    on meanwhile.

    Returns:
        What was found, damage first; empty where all is well.
    """
    findings: list[Finding] = []
    try:
        with workspace.reading() as connection:
            findings.extend(_of_catalogue(connection, deep=deep))
            findings.extend(_of_counts(connection))
            findings.extend(_of_orphans(connection, workspace.path))
            findings.extend(_of_runs(connection))
        for check in (_of_segments, _of_keys, _of_labels, _of_results):
            findings.extend(check(workspace, deep=deep))
    except (BodaError, sqlite3.Error) as error:
        findings.append(Finding("damage", "catalogue", "boda.db", str(error), _RESTORE))
    return sorted(findings, key=lambda finding: finding.severity != "damage")


def _of_catalogue(connection: sqlite3.Connection, *, deep: bool) -> Iterator[Finding]:
    for (line,) in connection.execute("PRAGMA integrity_check(20)").fetchall():
        if line != "ok":
            yield Finding("damage", "catalogue", "boda.db", str(line).partition("\n")[0], _RESTORE)
    for table, row, parent, _ in connection.execute("PRAGMA foreign_key_check").fetchmany(20):
        where = f"boda.db, table {table}, row {row}"
        yield Finding("damage", "catalogue", where, f"names a row of {parent} that is not there", _RESTORE)
    if not digests.seal_holds(connection):
        yield Finding("damage", "digest", "boda.db, table batch", "the digests do not match their seal", _RESTORE)
    if deep:
        for bad in digests.bad_chunks(connection):
            where = f"boda.db, table {bad.table}, rows {bad.first} to {bad.last}{_images_of(connection, bad)}"
            yield Finding("damage", "digest", where, "some value is not as it was written", _RESTORE)


def _images_of(connection: sqlite3.Connection, bad: digests.BadChunk) -> str:
    """Which images a damaged chunk is about, for people."""
    if bad.table not in {"image", "content", "feature"}:
        return ""
    column = "id" if bad.table == "image" else "content"
    rows = connection.execute(
        f"SELECT CAST(key AS BLOB) FROM image WHERE {column} BETWEEN ? AND ? ORDER BY id", (bad.first, bad.last)
    ).fetchall()
    if not rows:
        return ""
    first, last = (key_forms.shown(key_forms.from_bytes(row[0] or b"")) for row in (rows[0], rows[-1]))
    return f" ({len(rows)} images, {first!r} to {last!r})"


def _of_segments(workspace: Workspace, *, deep: bool) -> Iterator[Finding]:
    with workspace.reading() as connection:
        named = segment_rows(connection, workspace.path)
    for segment in named.values():
        why = repair.why_file(workspace.path, segment, deep=deep)
        with workspace.reading() as connection:
            if not repair.is_named(connection, segment):
                continue
            query = "SELECT count(*) FROM feature WHERE segment = ?"
            (used,) = connection.execute(query, (segment.id,)).fetchone()
            if not why and used != segment.rows:
                why = f"has {segment.rows} rows, of which boda.db names {used}"
            if not why and deep:
                why = repair.why_rows(connection, segment)
        if why:
            yield Finding("damage", "segment", f"{'/'.join(segment.parts)} ({used} rows)", why, _RECOMPUTE)


def _of_keys(workspace: Workspace, *, deep: bool) -> Iterator[Finding]:
    with workspace.reading() as connection:
        named = list(repair.keys_files(connection, workspace.path))
    for keys in named:
        why = repair.why_keys(workspace.path, keys, deep=deep)
        if why:
            with workspace.reading() as connection:
                still = keys in repair.keys_files(connection, workspace.path)
            if still:
                yield Finding("damage", "keys", "/".join(keys.parts), why, _RECOMPUTE)


def _of_labels(workspace: Workspace, *, deep: bool) -> Iterator[Finding]:
    with workspace.reading() as connection:
        named = label_files.named(connection, workspace.path)
    for label_file in named:
        why = _why_labels(workspace.path, label_file, deep=deep)
        if why:
            with workspace.reading() as connection:
                still = label_file in label_files.named(connection, workspace.path)
            if still:
                where = f"{label_files.FOLDER}/{label_file.file} (labels {label_file.name!r})"
                yield Finding("damage", "labels", where, why, "join that table again: boda label")


def _why_labels(folder: Path, label_file: label_files.LabelFile, *, deep: bool) -> str | None:
    parts = (label_files.FOLDER, label_file.file)
    try:
        with open_no_follow(folder, *parts) as file:
            if file.seek(0, 2) != label_file.size:
                return "is of another size than it was written"
        if deep and segments.digest_of(folder, parts) != label_file.sha256:
            return "its bytes do not match their digest"
        label_files.read(folder, label_file)
    except FileNotFoundError:
        return "it is missing"
    except Damaged as error:
        return str(error).partition("; ")[0]
    except OSError as error:
        return f"cannot be opened: {error.strerror}"
    return None


def _of_results(workspace: Workspace, *, deep: bool) -> Iterator[Finding]:
    for info in workspace.results():
        why = results.why_damaged(workspace.path, info, deep=deep)
        if why and info in workspace.results(info.kind):
            where = f"{results.FOLDER}/{info.kind}/{info.digest} ({info.kind} {info.name!r})"
            yield Finding("damage", "result", where, why, results.advice(info))


def _of_counts(connection: sqlite3.Connection) -> Iterator[Finding]:
    both = connection.execute(
        """
        SELECT count(*), min(i.shown) FROM quarantine q JOIN image i ON i.id = q.image
        JOIN feature f ON f.content = i.content JOIN recipe r ON r.id = f.recipe AND r.digest = q.recipe
        """
    ).fetchone()
    if both[0]:
        reason = f"{both[0]} images are embedded and quarantined at once, {both[1]!r} for one"
        yield Finding("damage", "counts", "boda.db", reason, _RESTORE)
    answered = connection.execute("SELECT value FROM setting WHERE name = 'answered'").fetchone()
    for recipe in json.loads(answered[0]) if answered else ():
        counts = tallies.counts(connection, [recipe])
        if counts.listed != counts.embedded + counts.quarantined:
            reason = f"{counts.listed} listed, but {counts.embedded} embedded and {counts.quarantined} quarantined"
            yield Finding("damage", "counts", f"recipe {recipe}", reason, "run boda embed again")


def _of_orphans(connection: sqlite3.Connection, folder: Path) -> Iterator[Finding]:
    found = list(sweeping.orphans(folder, connection))
    if found:
        reason = f"{len(found)} files that nothing names, {found[0].name} for one"
        yield Finding("note", "file", str(found[0].parent), reason, "the next run sweeps them away")


def _of_runs(connection: sqlite3.Connection) -> Iterator[Finding]:
    (running,) = connection.execute("SELECT count(*) FROM run WHERE state = 'running'").fetchone()
    if running:
        yield Finding("note", "run", "boda.db", "a run is going on, or died", "boda embed goes on where it stopped")
