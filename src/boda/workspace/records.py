"""What goes into a workspace and comes out of it, as plain records."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from boda.arrays import StoredFeatures
from boda.sources.base import ImageRef
from boda.unreadable import Unreadable

LISTED = ""
"""Stands for a recipe where an entry could not be listed: it counts for every recipe."""


@dataclass(frozen=True, slots=True)
class Quarantined:
    """An image that could not be used for one recipe, and why."""

    key: str
    recipe: str
    """Id of the recipe; "" for entries that could not even be listed."""
    unreadable: Unreadable


@dataclass(frozen=True, slots=True)
class Read:
    """An image as it was read: its content, the stat at that moment, and the facts of the content."""

    key: str
    content: bytes
    """SHA-256 of its bytes, 32 bytes."""
    size: int
    """Of the holding file as it was read, in bytes."""
    mtime_ns: int
    """Of the holding file as it was read."""
    width: int
    """Upright, in pixels; 0 where nobody knows (imported features)."""
    height: int
    frames: int
    format: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Hashed:
    """An image that was only read and hashed, to see whether it is still the same."""

    key: str
    content: bytes
    """SHA-256 of its bytes, 32 bytes."""
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Todo:
    """An image with work left."""

    ref: ImageRef
    missing: frozenset[str]
    """Ids of the recipes it has no answer for."""
    position: int = 0
    """In the latest listing."""


@dataclass(slots=True)
class Block:
    """What one commit takes: all of it becomes visible together, or nothing."""

    reads: list[Read] = field(default_factory=list)
    features: dict[str, tuple[list[bytes], StoredFeatures]] = field(default_factory=dict)
    """Recipe id to contents (m) and rows (m, d) in the recipe's stored dtype; m may be 0."""
    quarantined: list[Quarantined] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Listing:
    """What a new listing found, against the one before it."""

    listed: int
    new: int
    changed: int
    """Of another size or time than when listed before."""
    vanished: int
    """Listed before and not now; their rows are kept."""
    unlistable: int


@dataclass(frozen=True, slots=True)
class TodoCounts:
    """The work that is left for some recipes."""

    done: int
    """Listed images with nothing left to do."""
    verify: int
    """Images with features whose stat is untrusted or changed: `verify_pages` gives them."""
    compute: int
    """Images that lack an answer for at least one of the recipes, as far as known before verifying."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Of the latest listing, for some recipes together: listed = embedded + quarantined after a finished run."""

    listed: int
    embedded: int
    """With features of all the recipes."""
    quarantined: int
    """Without, for at least one of them, and the reason known."""
    by_reason: dict[str, int]
    """`stage/code` to images; the values add up to `quarantined`."""


RunState = Literal["running", "done", "stopped", "failed", "interrupted"]


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run of the past, or the present one."""

    id: int
    recipes: tuple[str, ...]
    versions: dict[str, Any]
    state: RunState
    """`interrupted`: it died, and a later run noticed."""
    summary: dict[str, Any]
    started_ns: int
    """By the clock on the wall; shown, never compared."""
    ended_ns: int | None


@dataclass(frozen=True, slots=True)
class LabelSet:
    """One joined table of columns."""

    name: str
    """`source` for what the source itself knew."""
    rows: int
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ResultFile:
    """One file of a result."""

    name: str
    size: int
    """In bytes."""
    sha256: bytes
    """Of its bytes, 32 bytes."""


@dataclass(frozen=True, slots=True)
class ResultInfo:
    """Something that was made from the workspace and is kept in it under a name: a head, say."""

    kind: str
    """"head", ..."""
    name: str
    """Unique among its kind."""
    digest: str
    """32 hex digits of what is in its files; the name of their folder."""
    created_ns: int
    """By the clock on the wall; shown, never compared."""
    files: tuple[ResultFile, ...]
    """In the order of their names."""
    summary: Mapping[str, Any]
    """Small JSON that says what it is, for people: target, score, ..."""
