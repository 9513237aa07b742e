"""Export: keys, columns and features leave a workspace as one table, for any other tool."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from boda.counted import counted
from boda.errors import Refused
from boda.keys import shown, to_json, to_text
from boda.pipelines.places import Where, opened, place_for
from boda.pipelines.tables import write_table
from boda.recipe import Recipe
from boda.workspace.atomic import write_whole
from boda.workspace.features import FeatureSet

if TYPE_CHECKING:
    import pyarrow as pa

FORMATS = (".parquet", ".csv", ".jsonl", ".npy", ".lance")
KEYS_ENDING = ".keys.jsonl"
_BLOCK_VALUES = 2**22  # 16 MiB of features at a time
_BLOCK_ROWS = 4096


@dataclass(frozen=True, slots=True)
class Exported:
    """A table that was written."""

    files: tuple[str, ...]
    rows: int
    """Images with features."""
    left_out: int
    """Listed images without: quarantined, or not embedded yet."""
    recipe: Recipe
    columns: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "files": [to_json(file) for file in self.files],
            "rows": self.rows,
            "left_out": self.left_out,
            "recipe": self.recipe.id,
            "columns": list(self.columns),
        }

    def lines(self) -> list[str]:
        """For people."""
        without = counted(self.left_out, "image without features is", "images without features are")
        left_out = f"; {without} left out" if self.left_out else ""
        files = " and ".join(shown(file) for file in self.files)
        return [f"{files}: {counted(self.rows, 'row')} of {shown(self.recipe.name)} ({self.recipe.id}){left_out}"]


def export(
    workspace: Where,
    *,
    to: str | os.PathLike[str],
    recipe: str | Recipe | None = None,
    spreadsheet_safe: bool = False,
    force: bool = False,
) -> Exported:
    """Write one row for each embedded image: key, columns of the frame, features. Whole or not at all.

    Parquet and Lance hold the features as a list of fixed size, float32; CSV as columns `features_0`, `features_1`,
    ... with as many digits as they need, so that reading gives the same numbers; JSON lines as a list. `.npy` holds
    the features alone, in their stored type, and a second file NAME.keys.jsonl one key a line, as JSON; that one is
    written first.

    Args:
        workspace: whose.
        to: the file; its ending decides.
        recipe: which features, where there are several.
        spreadsheet_safe: in CSV, put `'` before text that a spreadsheet would run as a formula.
        force: write over files that are there.

    Raises:
        Refused: a file is there already, or the ending is unknown.
        NotFound: no such recipe, or no features yet.
        MissingExtra: Lance is not installed.
        DiskTrouble: the disk is full or failing.
    """
    place = Path(to)
    suffix = place.suffix.lower()
    if suffix not in FORMATS:
        raise Refused(f"{shown(str(place))}: give a name that ends in {', '.join(FORMATS)}")
    if spreadsheet_safe and suffix != ".csv":
        raise Refused(f"{shown(str(place))}: only CSV goes to spreadsheets as text; leave out --spreadsheet-safe")
    there = opened(workspace)
    features = there.features(recipe)
    place_for(place, force=force)
    left_out = len(there) - len(features)
    if suffix == ".npy":
        beside = _beside(place)
        place_for(beside, force=force)
        _write_npy(features, place, beside)
        return Exported((str(place), str(beside)), len(features), left_out, features.recipe, ("features",))
    rows = _Rows(features, there.frame())
    write_table(place, rows.schema, rows.batches(), spreadsheet_safe=spreadsheet_safe)
    return Exported((str(place),), len(features), left_out, features.recipe, tuple(rows.schema.names))


def _beside(place: Path) -> Path:
    return place.with_name(place.name.removesuffix(place.suffix) + KEYS_ENDING)


class _Rows:
    """The rows of a table, a block at a time."""

    def __init__(self, features: FeatureSet, frame: "pa.Table") -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        self._features = features
        keys = pa.array((to_text(key) for key in features.keys), pa.string())
        self._columns = frame.take(pc.index_in(keys, value_set=frame["key"].combine_chunks()))
        taken = [f"label_{name}" if name == "features" else name for name in self._columns.column_names]
        self._columns = self._columns.rename_columns(taken).combine_chunks()
        self._list = pa.list_(pa.float32(), features.array.shape[1])
        self.schema = self._columns.schema.append(pa.field("features", self._list))

    def batches(self) -> "Iterator[pa.RecordBatch]":
        import pyarrow as pa

        width = max(1, self._features.array.shape[1])
        step = max(1, min(_BLOCK_ROWS, _BLOCK_VALUES // width))
        for start in range(0, len(self._features), step):
            block = np.ascontiguousarray(self._features.array[start : start + step], np.float32)
            lists = pa.FixedSizeListArray.from_arrays(pa.array(block.reshape(-1)), type=self._list)
            columns = [column.combine_chunks() for column in self._columns.slice(start, step).columns]
            yield pa.RecordBatch.from_arrays([*columns, lists], schema=self.schema)


def _write_npy(features: FeatureSet, place: Path, beside: Path) -> None:
    """Keys first, features last: where the features are, their keys are."""

    def write_keys(file: BinaryIO) -> None:
        for key in features.keys:
            file.write(json.dumps(to_json(key)).encode() + b"\n")

    def write_features(file: BinaryIO) -> None:
        header = {"descr": features.array.dtype.str, "fortran_order": False, "shape": features.array.shape}
        np.lib.format.write_array_header_1_0(file, header)
        step = max(1, _BLOCK_VALUES // max(1, features.array.shape[1]))
        for start in range(0, len(features), step):
            file.write(np.ascontiguousarray(features.array[start : start + step]).tobytes())

    place.unlink(missing_ok=True)
    write_whole(beside, write_keys)
    write_whole(place, write_features)
