"""Label: the columns of a table join the images of a workspace, any time; features are not touched."""

import os
from dataclasses import dataclass
from typing import Any

from boda.counted import counted
from boda.errors import Refused
from boda.keys import shown, to_json
from boda.pipelines.places import Where, existing_file, opened
from boda.sources.tables import read_table
from boda.workspace.labels import By, join

_EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class Labelled:
    """What became of the rows of a table."""

    workspace: str
    name: str
    """Of the label set."""
    column: str
    """Of the table, that named the images."""
    by: By
    columns: tuple[str, ...]
    """That the images have now."""
    rows: int
    """In the table; rows = matched + unmatched + ambiguous + repeated rows."""
    matched: int
    """Rows that are labels of an image now."""
    unmatched_rows: tuple[str, ...]
    """What rows say that fit no image."""
    unmatched_images: tuple[str, ...]
    """Images without a row."""
    ambiguous: tuple[str, ...]
    """What rows say that fit several images: left out."""
    repeated: tuple[str, ...]
    """What several rows say of one image: all of them left out."""
    normalised: int
    """Rows that fit only once both sides were brought to Unicode NFC."""

    def as_json(self) -> dict[str, Any]:
        """Plain JSON: counts, and a few examples of each kind."""
        return {
            "workspace": to_json(self.workspace),
            "name": self.name,
            "column": self.column,
            "by": self.by,
            "columns": list(self.columns),
            "rows": self.rows,
            "matched": self.matched,
            "normalised": self.normalised,
            **{what: _counted(getattr(self, what)) for what in _REPORTED},
        }

    def lines(self) -> list[str]:
        """For people."""
        columns = ", ".join(map(shown, self.columns)) or "none"
        how = f"by {self.by} (column {shown(self.column)})"
        lines = [f"{shown(self.workspace)}: {self.matched:,} of {counted(self.rows, 'row')} joined {how}: {columns}"]
        for what, (one, several) in _REPORTED.items():
            found = getattr(self, what)
            if found:
                examples = ", ".join(shown(text) for text in found[:_EXAMPLES])
                lines.append(f"{counted(len(found), one, several)}, as {examples}")
        if self.normalised:
            lines.append(f"{counted(self.normalised, 'row')} matched only after Unicode normalisation (NFC)")
        return lines


_REPORTED = {
    "unmatched_rows": ("row fits no image", "rows fit no image"),
    "unmatched_images": ("image has no row", "images have no row"),
    "ambiguous": ("row fits several images and is left out", "rows fit several images and are left out"),
    "repeated": ("image has several rows, which are left out", "images have several rows, which are left out"),
}


def _counted(texts: tuple[str, ...]) -> dict[str, Any]:
    return {"count": len(texts), "examples": [to_json(text) for text in texts[:_EXAMPLES]]}


def label(
    workspace: Where, from_table: str | os.PathLike[str], *, column: str | None = None, name: str | None = None
) -> Labelled:
    """Join the columns of a table to the images, by key, else by file name, else by stem.

    Joining a set of the same name again replaces it. Where two sets have a column of the same name, the one joined
    later counts.

    Args:
        workspace: whose images.
        from_table: CSV, TSV, JSON lines or Parquet; long numbers stay text.
        column: that names the images; None: found among the usual names.
        name: of the set; by default the name of the table's file.

    Raises:
        NotFound: no such table or column.
        SourceError: it is no table.
        Refused: no row has an image; shows three examples of each side.
        Busy, ReadOnly: the workspace cannot be written now.
    """
    file = existing_file(from_table)
    label_set = name or shown(file.name.partition(".")[0] or file.name)
    if label_set == "source":
        raise Refused("labels called 'source' are those of the source itself; choose another --name")
    there = opened(workspace)
    table = read_table(file)
    joined = join(there.keys(), table, column=column)
    with there.write() as writer:
        writer.put_labels(label_set, joined.table)
    return Labelled(
        str(there.path),
        label_set,
        joined.column,
        joined.by,
        columns=tuple(column for column in joined.table.column_names if column != "key"),
        rows=joined.rows,
        matched=joined.matched,
        unmatched_rows=joined.unmatched_rows,
        unmatched_images=joined.unmatched_keys,
        ambiguous=joined.ambiguous,
        repeated=joined.repeated,
        normalised=joined.normalised,
    )
