"""What a source of images is: it names images and reads their bytes; it decodes nothing."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from boda.keys import from_bytes
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
    """Where inside that file: `start:offset:size` of a tar member (its headers, its data), the row of a Parquet or IDX
    file, `hdu:number` of a FITS file; "" is the whole file."""
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


def root_text(description: Description) -> str:
    """The root of a description as a path or URL, `os.fsdecode`d; "" where it has none.

    In JSON a root that is not UTF-8 is kept as its bytes.

    >>> root_text({"root": {"bytes": "2f636166e9"}})
    '/caf\\udce9'
    """
    root: Any = description.get("root", "")
    return from_bytes(bytes.fromhex(root["bytes"])) if isinstance(root, Mapping) else str(root)


class Source(Protocol):
    """Names images and reads them. Small and picklable: decoder processes get a copy."""

    @property
    def description(self) -> Description:
        """What this source is, as JSON; the root once, and nothing absolute besides."""
        ...

    @property
    def ignored(self) -> int:
        """Entries passed over in the last listing; complete once `entries()` has been walked through.

        Dot files, thumbnails, metadata, workspaces, links to folders that are not followed, repeated rows and members.
        """
        ...

    def entries(self) -> Iterator[ImageRef | Unlistable]:
        """Every image, each key once, in a stable order, so that runs agree. Streams: memory stays flat."""
        ...

    def columns(self) -> "pa.Table | None":
        """What the source itself knows of its images, or None. Ask after `entries()` has been walked through.

        A `key` column (binary: `keys.to_bytes`), each key once, then the columns: class, label, manifest columns. An
        image of which nothing is known may have no row, and a row may name what was not listed: join by key.
        """
        ...

    def read(self, ref: ImageRef) -> Blob:
        """The bytes of one image.

        Raises:
            BadImage: they cannot be had; stage `read`.
        """
        ...
