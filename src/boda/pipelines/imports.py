"""Reading features that others made: an array with keys, from the files people keep them in."""

import glob
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from boda.errors import NotFound, Refused
from boda.keys import from_bytes, from_text, shown
from boda.pipelines import caches
from boda.pipelines.caches import LeftOut
from boda.pipelines.places import existing_file

if TYPE_CHECKING:
    import pyarrow as pa

FORMATS = (".npy", ".npz", ".parquet", ".csv")
_KEY_COLUMNS = ("key", "keys", "file", "file_name", "filename", "path", "image", "image_path", "id", "name")
_FEATURE_COLUMNS = ("features", "feature", "embedding", "embeddings", "vector", "x")
_BESIDE = (".keys.jsonl", ".keys.json", ".keys.txt", ".keys.csv")

Vectors = npt.NDArray[np.floating[Any]]
File: TypeAlias = "str | os.PathLike[str] | Sequence[str | os.PathLike[str]]"
"""One file, a pattern like `cache/*.pt`, or several files."""


@dataclass(frozen=True, eq=False)
class Given:
    """Features that others made, as their files have them."""

    where: str
    """The file, or the folder of several, for errors."""
    name: str
    """What to call them."""
    keys: Sequence[str]
    vectors: Vectors
    """(n, d): row i belongs to `keys[i]`."""
    by_name: bool = False
    """Whether keys may be file names or stems of those of the workspace."""
    scores: npt.NDArray[np.float64] | None = None
    """(n, c), where they came with them."""
    files: int = 1
    left_out: tuple[LeftOut, ...] = ()


def read_given(file: File, keys: Path | None, name: str | None) -> Given:
    """Read features, whatever they are kept in.

    Args:
        file: one, a pattern, or several; of several each is part of one cache.
        keys: as in `read_features`.
        name: what to call them; None: as the file, or the folder of several.

    Raises:
        NotFound: a file is not there, or nothing fits the pattern.
        Refused: it holds something else, or keys and rows differ in number.
        MissingExtra: the files are of torch, which is not installed.
    """
    files = [existing_file(one) for one in _chosen(file)]
    several = len(files) > 1
    where = files[0].parent if several else files[0]
    called = name or (where.resolve().name if several else where.name.removesuffix(where.suffix))
    if not any(one.suffix.lower() in caches.ENDINGS for one in files) and not several:
        found, vectors = read_features(where, keys)
        return Given(str(where), called, found, vectors)
    other = next((one for one in files if one.suffix.lower() not in caches.ENDINGS), None)
    if other is not None:
        raise Refused(f"{shown(str(other))}: several files are taken together only of {' and '.join(caches.ENDINGS)}")
    if keys is not None:
        raise Refused(f"{shown(str(where))}: it holds its own keys; --keys is for .npy")
    cache = caches.read_cache(files)
    return Given(
        str(where), called, cache.names, cache.vectors, by_name=True,
        scores=cache.scores, files=cache.files, left_out=cache.left_out,
    )  # fmt: skip


def _chosen(file: File) -> list[Path]:
    """The files that are meant; a pattern that a shell did not expand is expanded here."""
    if not isinstance(file, str | os.PathLike):
        return list(dict.fromkeys(map(Path, file)))
    place = Path(file)
    if place.exists() or not glob.has_magic(str(place)):
        return [place]
    found = [Path(one) for one in glob.glob(str(place), recursive=True)]  # noqa: PTH207 - absolute patterns too
    if not found:
        raise NotFound(f"{shown(str(place))}: no file fits this pattern")
    return found


def read_features(file: Path, keys: Path | None) -> tuple[list[str], Vectors]:
    """Keys and features of a file.

    Args:
        file: `.npy`, `.npz`, `.parquet` or `.csv`.
        keys: for `.npy`, the file with its keys; None: NAME.keys.jsonl, .json, .txt or .csv beside it.

    Returns:
        n keys and (n, d) floating numbers; of a `.npy` a memory map.

    Raises:
        NotFound: a file, or the keys, are not there.
        Refused: it holds something else, or keys and rows differ in number.
    """
    place = existing_file(file)
    suffix = place.suffix.lower()
    if suffix not in FORMATS:
        raise Refused(f"{shown(str(place))}: features are read from {', '.join((*FORMATS, *caches.ENDINGS))}")
    if keys is not None and suffix != ".npy":
        raise Refused(f"{shown(str(place))}: it holds its own keys; --keys is for .npy")
    if suffix == ".npy":
        vectors, found = _npy(place), _read_keys(keys if keys is not None else _keys_beside(place))
    elif suffix == ".npz":
        found, vectors = _npz(place)
    else:
        found, vectors = _columns(place, _table(place))
    if vectors.ndim != 2 or not vectors.shape[1] or not np.issubdtype(vectors.dtype, np.floating):
        raise Refused(f"{shown(str(place))}: {vectors.dtype} of shape {vectors.shape} is no (images, width) of floats")
    if len(found) != len(vectors):
        raise Refused(f"{shown(str(place))}: {len(found):,} keys for {len(vectors):,} rows of features")
    return found, vectors


def _npy(place: Path) -> Vectors:
    try:
        vectors: Vectors = np.load(place, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise Refused(f"{shown(str(place))}: not a .npy of numbers ({_first_line(error)})") from error
    return vectors


def _npz(place: Path) -> tuple[list[str], Vectors]:
    try:
        with np.load(place, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (ValueError, EOFError, OSError, KeyError) as error:
        raise Refused(f"{shown(str(place))}: not a .npz of numbers and text ({_first_line(error)})") from error
    texts = [name for name, array in arrays.items() if array.ndim == 1 and array.dtype.kind in "US"]
    numbers = [name for name, array in arrays.items() if array.ndim == 2 and array.dtype.kind == "f"]
    text, number = _one_of(place, texts, _KEY_COLUMNS, "keys"), _one_of(place, numbers, _FEATURE_COLUMNS, "features")
    keys = [from_bytes(k) if isinstance(k, bytes) else from_text(k) for k in arrays[text].tolist()]
    return keys, arrays[number]


def _table(place: Path) -> "pa.Table":
    import pyarrow as pa
    from pyarrow import csv, parquet

    try:
        if place.suffix.lower() == ".parquet":
            return parquet.read_table(place)
        names = _header(place)
        text = {name: pa.string() for name in names if name.lower() in _KEY_COLUMNS}
        return csv.read_csv(
            place,
            parse_options=csv.ParseOptions(newlines_in_values=True),
            convert_options=csv.ConvertOptions(column_types=text),
        )
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise Refused(f"{shown(str(place))}: cannot be read as a table ({_first_line(error)})") from error


def _header(place: Path) -> list[str]:
    import csv

    with place.open(newline="", encoding="utf-8-sig") as file:
        return next(csv.reader(file), [])


def _columns(place: Path, table: "pa.Table") -> tuple[list[str], Vectors]:
    """The key column, and the features: one column of lists, or numbered columns as `features_0`, `features_1`, ..."""
    import pyarrow as pa

    texts = [f.name for f in table.schema if pa.types.is_string(f.type) or pa.types.is_large_string(f.type)]
    texts += [f.name for f in table.schema if pa.types.is_binary(f.type)]
    column = table[_one_of(place, texts, _KEY_COLUMNS, "keys")]
    if column.null_count:
        raise Refused(f"{shown(str(place))}: {column.null_count:,} rows have no key")
    keys = [from_bytes(key) if isinstance(key, bytes) else from_text(key) for key in column.to_pylist()]
    lists = [f.name for f in table.schema if _is_list_of_floats(f.type)]
    if lists:
        return keys, _from_lists(place, table[_one_of(place, lists, _FEATURE_COLUMNS, "features")])
    numbered = _numbered(table.column_names)
    if not numbered:
        raise Refused(f"{shown(str(place))}: no column of lists, and no columns features_0, features_1, ...")
    try:
        return keys, np.stack([table[name].to_numpy().astype(np.float32) for name in numbered], axis=1)
    except ValueError as error:
        raise Refused(f"{shown(str(place))}: columns {numbered[0]} ... hold other things than numbers") from error


def _is_list_of_floats(kind: "pa.DataType") -> bool:
    import pyarrow as pa

    lists = pa.types.is_fixed_size_list(kind) or pa.types.is_list(kind) or pa.types.is_large_list(kind)
    return bool(lists and pa.types.is_floating(kind.value_type))


def _from_lists(place: Path, column: "pa.ChunkedArray") -> Vectors:
    import pyarrow.compute as pc

    lengths = set(pc.list_value_length(column).unique().to_pylist())
    if len(lengths) != 1 or None in lengths:
        raise Refused(f"{shown(str(place))}: rows of features have several lengths: {sorted(map(str, lengths))[:3]}")
    flat = pc.list_flatten(column)
    if flat.null_count:
        raise Refused(f"{shown(str(place))}: {flat.null_count:,} values of the features are missing")
    values: Vectors = flat.to_numpy()
    return values.reshape(len(column), -1)


def _numbered(names: Sequence[str]) -> list[str]:
    """The largest group of columns that share a beginning and are numbered without a gap, in the order of numbers."""
    groups: dict[str, dict[int, str]] = {}
    for name in names:
        if match := re.fullmatch(r"(.*?)(0|[1-9][0-9]*)", name):
            groups.setdefault(match[1], {})[int(match[2])] = name
    whole = [g for g in groups.values() if sorted(g) in (list(range(len(g))), list(range(1, len(g) + 1)))]
    best = max(whole, key=len, default={})
    return [best[number] for number in sorted(best)]


def _one_of(place: Path, there: Sequence[str], usual: Sequence[str], what: str) -> str:
    """The only one, or the one with a usual name."""
    named = [name for wanted in usual for name in there if name.lower() == wanted]
    if named or len(there) == 1:
        return (named or list(there))[0]
    listed = f" among {', '.join(map(shown, there[:5]))}" if there else ""
    raise Refused(f"{shown(str(place))}: cannot tell which column holds the {what}{listed}; call it {usual[0]!r}")


def _keys_beside(place: Path) -> Path:
    stem = place.name.removesuffix(place.suffix)
    found = next((p for ending in _BESIDE if (p := place.with_name(stem + ending)).is_file()), None)
    if found is None:
        raise NotFound(f"{shown(str(place))}: no {stem}{_BESIDE[0]} beside it; name the file of its keys with --keys")
    return found


def _read_keys(file: Path) -> list[str]:
    """Keys of a file: JSON lines, a JSON list, a CSV with a key column, or one key a line."""
    place = existing_file(file)
    try:
        match place.suffix.lower():
            case ".jsonl":
                lines = place.read_text("utf-8").split("\n")
                return [_key(place, json.loads(line)) for line in lines if line.strip()]
            case ".json":
                return [_key(place, one) for one in json.loads(place.read_text("utf-8"))]
            case ".csv":
                return _csv_keys(place)
        return [from_bytes(line) for line in place.read_bytes().split(b"\n") if line]
    except (ValueError, TypeError) as error:
        raise Refused(f"{shown(str(place))}: not a list of keys ({_first_line(error)})") from error


def _key(place: Path, one: Any) -> str:
    match one:
        case str():
            return one
        case {"bytes": str(digits)}:
            return from_bytes(bytes.fromhex(digits))
        case {"key": inner}:
            return _key(place, inner)
    raise Refused(f"{shown(str(place))}: {json.dumps(one)[:40]} is no key")


def _csv_keys(place: Path) -> list[str]:
    import csv

    with place.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    column = _one_of(place, list(rows[0]) if rows else [], _KEY_COLUMNS, "keys")
    return [from_text(row[column]) for row in rows]


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0][:120] if str(error) else type(error).__name__
