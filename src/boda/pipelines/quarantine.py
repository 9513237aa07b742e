"""Quarantine: what could not be used and why, as a list, as a table, and forgotten so that it is tried again."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boda.counted import counted
from boda.errors import NotFound, Refused
from boda.keys import from_text, shown, to_json, to_text
from boda.pipelines.places import Where, opened, place_for
from boda.pipelines.tables import write_table

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class QuarantineRow:
    """One image that could not be used for one recipe."""

    key: str
    recipe: str
    """Id; "" where it could not even be listed, which counts for every recipe."""
    code: str
    """`stage/code`"""
    reason: str


@dataclass(frozen=True, slots=True)
class QuarantineList:
    """All that is quarantined."""

    workspace: str
    rows: tuple[QuarantineRow, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        rows = [
            {"key": to_json(row.key), "recipe": row.recipe, "code": row.code, "reason": row.reason} for row in self.rows
        ]
        return {"workspace": to_json(self.workspace), "quarantined": rows}

    def table(self) -> "pa.Table":
        """Columns `key`, `recipe`, `code`, `reason`, all text."""
        import pyarrow as pa

        columns = {
            "key": [to_text(row.key) for row in self.rows],
            "recipe": [row.recipe for row in self.rows],
            "code": [row.code for row in self.rows],
            "reason": [row.reason for row in self.rows],
        }
        return pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})


@dataclass(frozen=True, slots=True)
class QuarantineExport:
    """A table that was written."""

    file: str
    rows: int

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {"file": to_json(self.file), "rows": self.rows}

    def lines(self) -> list[str]:
        """For people."""
        return [f"{shown(self.file)}: {counted(self.rows, 'row')}"]


@dataclass(frozen=True, slots=True)
class Retry:
    """Rows that were forgotten."""

    workspace: str
    forgotten: int

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {"workspace": to_json(self.workspace), "forgotten": self.forgotten}

    def lines(self) -> list[str]:
        """For people."""
        if not self.forgotten:
            return [f"{shown(self.workspace)}: nothing was quarantined, nothing is to be tried again"]
        forgotten = counted(self.forgotten, "row")
        return [f"{shown(self.workspace)}: {forgotten} forgotten: run boda embed again to try once more"]


def quarantine(workspace: Where) -> QuarantineList:
    """List what could not be used, with stage, code and reason.

    Raises:
        NotAWorkspace, NewerFormat, Damaged: it cannot be opened.
    """
    there = opened(workspace)
    rows = tuple(
        QuarantineRow(q.key, q.recipe, f"{q.unreadable.stage}/{q.unreadable.code}", q.unreadable.reason)
        for q in there.quarantined()
    )
    return QuarantineList(str(there.path), rows)


def export_quarantine(workspace: Where, *, to: str | os.PathLike[str], force: bool = False) -> QuarantineExport:
    """Write the quarantine as a table, whole or not at all.

    Args:
        workspace: whose.
        to: `.csv`, `.jsonl` or `.parquet`.
        force: write over a file that is there.

    Raises:
        Refused: a file is there already, or its ending names no kind of table.
    """
    if Path(to).suffix.lower() not in {".csv", ".jsonl", ".parquet"}:
        raise Refused(f"{shown(os.fspath(to))}: give a name that ends in .csv, .jsonl or .parquet")
    place = place_for(to, force=force)
    found = quarantine(workspace)
    table = found.table()
    write_table(place, table.schema, table.to_batches())
    return QuarantineExport(str(place), len(found.rows))


def retry_quarantined(workspace: Where, *, keys: Sequence[str] | None = None) -> Retry:
    """Forget quarantine rows, so that the next `boda.embed` tries these images again.

    Args:
        workspace: whose.
        keys: of these images; None: of all.

    Raises:
        NotFound: a key is not quarantined; nothing was forgotten.
        Busy, ReadOnly: the workspace cannot be written now.
    """
    there = opened(workspace)
    wanted = None
    if keys is not None:
        known = {q.key for q in there.quarantined()}
        wanted = [key if key in known else from_text(key) for key in keys]
        strange = [shown(key) for key in wanted if key not in known]
        if strange:
            raise NotFound(
                f"{shown(str(there.path))}: {', '.join(strange[:3])} is not quarantined; nothing was changed"
            )
    with there.write() as writer:
        return Retry(str(there.path), writer.retry(wanted))
