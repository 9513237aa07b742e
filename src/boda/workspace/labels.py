"""Join a table to images: by key, else by file name, else by stem; what does not match is reported, never guessed."""

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from boda import keys as key_forms
from boda.errors import NotFound, Refused

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS = (
    *("key", "file", "file_name", "filename", "path", "file_path", "filepath", "image", "image_path", "image_name"),
    *("image_file", "img", "img_path", "name", "url", "id", "image_id", "asset_id", "objid", "object_id", "index"),
)
"""Where tables say which image a row is about, in the order in which they are tried; in any case."""

By: TypeAlias = Literal["key", "name", "stem"]

_EXAMPLES = 3


@dataclass(frozen=True)
class Joined:
    """A table that found its images."""

    table: "pa.Table"
    """A binary `key` column, each key once, and the other columns of the table; for `Writer.put_labels`."""
    column: str
    """The column that named the images."""
    by: By
    rows: int
    """Of the table; `matched` + unmatched + ambiguous + repeated."""
    matched: int
    unmatched_rows: tuple[str, ...]
    """What rows without an image say."""
    unmatched_keys: tuple[str, ...]
    """Images without a row."""
    ambiguous: tuple[str, ...]
    """What rows say that fit several images: these are left out."""
    repeated: tuple[str, ...]
    """What rows say that come more than once for an image: all of these are left out."""
    normalised: int
    """Rows that matched only after both sides were brought to Unicode NFC (Korean or accented names)."""


def join(keys: Sequence[str], table: "pa.Table", *, column: str | None = None) -> Joined:
    """Find the image of each row.

    The columns that usually name images are tried in turn, and each by key, by file name and by stem; the first
    column that finds any image is taken, in the way that finds most. Names are compared byte by byte first.

    Args:
        keys: of all images.
        table: its rows are about images; integers are compared by their digits.
        column: that names the images; None to find it.

    Raises:
        NotFound: no such column, or none that could name images.
        Refused: no row has an image; shows three examples of each side.
    """
    candidates = _candidates(table, column)
    for candidate in candidates:
        said = _texts(table[candidate])
        found = max((_match(keys, said, by) for by in ("key", "name", "stem")), key=lambda match: match.count)
        if found.count:
            joined = _joined(keys, table, candidate, said, found)
            if joined.matched:
                return joined
            raise Refused(
                f"every row of the table that has an image has a twin for the same image, so none can be taken: "
                f"{_examples(joined.repeated)}. Leave one row an image"
            )
    texts = [text for text in _texts(table[candidates[0]]) if text is not None]
    raise Refused(
        f"no row of the table has an image: its column {candidates[0]!r} says {_examples(texts)}; "
        f"images are called {_examples(keys)}. Name the right column with --column"
    )


@dataclass(frozen=True, slots=True)
class _Match:
    by: By
    images: list[int | None]
    """For each row, the place of its image."""
    ambiguous: list[int]
    normalised: int

    @property
    def count(self) -> int:
        return sum(image is not None for image in self.images)


def _candidates(table: "pa.Table", column: str | None) -> list[str]:
    import pyarrow.types as kinds

    names = list(table.column_names)
    if column is not None:
        if column not in names:
            raise NotFound(f"the table has no column {column!r}; it has {', '.join(map(repr, names))}")
        return [column]
    lowered = {name.lower(): name for name in reversed(names)}
    usual = [lowered[name] for name in COLUMNS if name in lowered]
    fit = [
        name
        for name in usual
        if kinds.is_string(table[name].type)
        or kinds.is_large_string(table[name].type)
        or kinds.is_binary(table[name].type)
        or kinds.is_integer(table[name].type)
    ]
    if not fit:
        raise NotFound(
            f"no column of the table is known to name images; it has {', '.join(map(repr, names))}. "
            "Name the right one with --column"
        )
    return fit


def _texts(values: "pa.ChunkedArray") -> list[str | None]:
    """What each row says, as a key; None for empty cells."""
    return [None if value is None or value in {"", b""} else _text(value) for value in values.to_pylist()]


def _text(value: Any) -> str:
    return key_forms.from_bytes(value) if isinstance(value, bytes) else key_forms.from_text(str(value))


def _name(key: str) -> str:
    return key.rpartition("/")[2]


def _stem(key: str) -> str:
    """The file name without its ending; a row may say the stem itself."""
    stem, _, ending = _name(key).rpartition(".")
    return stem if stem and not ending.isdigit() else _name(key)


_FORMS: dict[By, Callable[[str], str]] = {"key": lambda key: key.removeprefix("./"), "name": _name, "stem": _stem}


def _match(keys: Sequence[str], said: Sequence[str | None], by: By) -> _Match:
    form = _FORMS[by]
    exact = _places(keys, form)
    composed: dict[str, list[int]] | None = None
    images: list[int | None] = []
    ambiguous: list[int] = []
    normalised = 0
    for row, text in enumerate(said):
        image = None
        if text is not None:
            places = exact.get(form(text), [])
            if not places:
                composed = composed or _places(keys, lambda key: _composed(form(key)))
                places = composed.get(_composed(form(text)), [])
                normalised += len(places) == 1
            if len(places) > 1:
                ambiguous.append(row)
            image = places[0] if len(places) == 1 else None
        images.append(image)
    return _Match(by, images, ambiguous, normalised)


def _places(keys: Sequence[str], form: Callable[[str], str]) -> dict[str, list[int]]:
    places: dict[str, list[int]] = {}
    for place, key in enumerate(keys):
        places.setdefault(form(key), []).append(place)
    return places


def _composed(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _joined(keys: Sequence[str], table: "pa.Table", column: str, said: Sequence[str | None], match: _Match) -> Joined:
    import pyarrow as pa

    rows_of: dict[int, list[int]] = {}
    for row, image in enumerate(match.images):
        if image is not None:
            rows_of.setdefault(image, []).append(row)
    single = {image: rows[0] for image, rows in rows_of.items() if len(rows) == 1}
    repeated = [rows[0] for rows in rows_of.values() if len(rows) > 1]
    out = set(match.ambiguous)
    unmatched = [row for row, image in enumerate(match.images) if image is None and row not in out]
    ordered = sorted(single)
    taken = table.take(pa.array([single[image] for image in ordered], pa.int64()))
    raw = pa.array([key_forms.to_bytes(keys[image]) for image in ordered], pa.binary())
    others = [name for name in table.column_names if name not in {column, "key"}]
    return Joined(
        table=pa.table({"key": raw} | {name: taken[name] for name in others}),
        column=column,
        by=match.by,
        rows=len(table),
        matched=len(single),
        unmatched_rows=_said(said, unmatched),
        unmatched_keys=tuple(key for place, key in enumerate(keys) if place not in rows_of),
        ambiguous=_said(said, match.ambiguous),
        repeated=_said(said, repeated),
        normalised=match.normalised,
    )


def _said(said: Sequence[str | None], rows: Sequence[int]) -> tuple[str, ...]:
    return tuple(said[row] or "" for row in rows)


def _examples(texts: Sequence[str]) -> str:
    return ", ".join(repr(key_forms.shown(text)) for text in texts[:_EXAMPLES]) or "nothing"
