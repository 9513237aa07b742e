"""What a source of images is: it names images and reads their bytes; it decodes nothing."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from boda.unreadable import Unreadable

if TYPE_CHECKING:
    import pyarrow as pa

Description: TypeAlias = Mapping[str, Any]
"""What a source is, as JSON: `kind`, `root` and its options. `open_described` makes the source again."""


@dataclass(frozen=True, slots=True)
class ImageRef:
    """One image of a source: what it is called and where its bytes are."""

    key: str
    """Stable text, `os.fsdecode`d; for a folder the relative path."""
    path: bytes
    """The file that holds it, relative to the source's root; b"" is the root itself. A URL for remote files."""
    inner: str = ""
    """Where inside that file: `offset:size` of a tar member, `group:row` of a Parquet, a row, an HDU."""
    size: int = 0
    """Of the holding file when it was listed, in bytes."""
    mtime_ns: int = 0
    """Of the holding file when it was listed; 0 where the source has no such thing: never trusted then."""


@dataclass(frozen=True, slots=True)
class Unlistable:
    """An entry that is there but cannot be an image: a dangling link, a pipe, a folder without permission."""

    key: str
    path: bytes
    unreadable: Unreadable


@dataclass(frozen=True, slots=True)
class Blob:
    """The bytes of one image, with the holding file's stat as it was when they were read."""

    data: bytes
    size: int
    mtime_ns: int


class Source(Protocol):
    """Names images and reads them. Small and picklable: decoder processes get a copy."""

    @property
    def description(self) -> Description:
        """What this source is, as JSON; the root once, and nothing absolute besides."""
        ...

    @property
    def ignored(self) -> int:
        """Entries passed over in the last listing: dot files, thumbnails, metadata, workspaces."""
        ...

    def entries(self) -> Iterator[ImageRef | Unlistable]:
        """Every image, each key once, in a stable order, so that runs agree. Streams: memory stays flat."""
        ...

    def columns(self) -> "pa.Table | None":
        """What the source itself knows of its images, or None. Ask after `entries()` has been walked through.

        A `key` column (binary: `keys.to_bytes`), one row an image, then the columns: class, label, manifest columns.
        """
        ...

    def read(self, ref: ImageRef) -> Blob:
        """The bytes of one image.

        Raises:
            BadImage: they cannot be had; stage `read`.
        """
        ...
