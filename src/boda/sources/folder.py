"""A folder of images, flat or by class, perhaps with a table of metadata beside them."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from boda.errors import SourceError
from boda.keys import shown, to_bytes, to_json
from boda.sources.base import Blob, Description, ImageRef, Unlistable
from boda.sources.columns import joined, values
from boda.sources.endings import like_an_image
from boda.sources.fits import image_hdus, is_fits, read_fits
from boda.sources.metadata import find_metadata, read_metadata
from boda.sources.reading import read_file
from boda.sources.walking import Found, Walk

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(slots=True)
class ClassFolders:
    """Notices whether all images sit exactly one folder down, and remembers their keys, packed, as long as they do.

    Files that cannot be images by their ending (a README at the top) do not count against it.
    """

    _packed: list[bytes] | None = field(default_factory=list)
    _waiting: list[bytes] = field(default_factory=list)

    def add(self, key: bytes) -> None:
        """Take note of one image."""
        if self._packed is None:
            return
        if key.count(b"/") == 1:
            self._waiting.append(key)
            if len(self._waiting) == 4096:
                self._pack()
        elif like_an_image(os.fsdecode(key)):
            self._packed = None
            self._waiting.clear()

    def table(self) -> "pa.Table | None":
        """`key` and `class`, or None where the folders are no classes."""
        self._pack()
        if not self._packed:
            return None
        import pyarrow as pa

        keys = pa.chunked_array([pa.array(run.split(b"\0"), pa.binary()) for run in self._packed])
        return pa.table({"key": keys, "class": self._classes()})

    def _classes(self) -> "pa.ChunkedArray":
        import pyarrow as pa

        runs = [
            pa.array([shown(os.fsdecode(key.partition(b"/")[0])) for key in run.split(b"\0")]).dictionary_encode()
            for run in self._packed or []
        ]
        return pa.chunked_array(runs).unify_dictionaries()

    def _pack(self) -> None:
        if self._packed is not None and self._waiting:
            self._packed.append(b"\0".join(self._waiting))
            self._waiting.clear()


@dataclass(slots=True)
class Folder:
    """A folder on this machine. Keys are relative paths, in byte order; with `#hdu` for FITS files of several images.

    Where all images sit in sub-folders exactly one level down, the first folder is the column `class`. A
    `metadata.csv` or `metadata.jsonl` at the top with a column `file_name` gives its other columns; a file that it
    names but that is not there is listed after the others, and becomes `read/missing`.
    """

    root: bytes
    follow: bool = False
    ignored: int = field(default=0, init=False, compare=False)
    _classes: ClassFolders = field(default_factory=ClassFolders, init=False, compare=False, repr=False)

    def __reduce__(self) -> tuple[Callable[..., "Folder"], tuple[bytes, bool]]:
        """Travel without what the last listing left behind."""
        return Folder, (self.root, self.follow)

    @property
    def description(self) -> Description:
        """`kind`, `root`, `follow`."""
        return {"kind": "folder", "root": to_json(os.fsdecode(self.root)), "follow": self.follow}

    @classmethod
    def described(cls, description: Description, root: str) -> "Folder":
        """The source that this describes, at `root`."""
        return cls(os.fsencode(root), bool(description.get("follow", False)))

    def entries(self) -> Iterator[ImageRef | Unlistable]:
        """Every regular file, in the byte order of the relative paths.

        Raises:
            SourceError: the folder cannot be read.
        """
        self._classes = ClassFolders()
        walk = Walk(self.root, self.follow)
        try:
            for found in walk:
                for entry in [found] if isinstance(found, Unlistable) else images_of(self.root, found):
                    if isinstance(entry, ImageRef):
                        self._classes.add(to_bytes(entry.key))
                    yield entry
                self.ignored = walk.ignored
        except OSError as error:
            raise SourceError(f"{shown(os.fsdecode(self.root))}: cannot read this folder: {error.strerror}") from error
        self.ignored = walk.ignored
        yield from self._named_but_absent()

    def columns(self) -> "pa.Table | None":
        """The column `class`, and the columns of the metadata; None where there are neither."""
        tables: list[Any] = [self._classes.table()]
        metadata = find_metadata(self.root)
        if metadata is not None:
            tables.append(read_metadata(metadata))
        there = [table for table in tables if table is not None]
        return joined(there) if there else None

    def read(self, ref: ImageRef) -> Blob:
        """The bytes of one file, or of one HDU."""
        return read_local(self.root + b"/" + ref.path, ref)

    def _named_but_absent(self) -> Iterator[ImageRef]:
        metadata = find_metadata(self.root)
        table = read_metadata(metadata) if metadata else None
        for key in values(table.column("key")) if table is not None else ():
            if b"\0" in key or not os.path.lexists(self.root + b"/" + key):
                yield ImageRef(os.fsdecode(key), key)


def images_of(root: bytes, found: Found) -> Iterator[ImageRef]:
    """The images of one file: one, or one an HDU where it is a FITS file of several."""
    key, status = os.fsdecode(found.relative), found.status
    numbers = image_hdus(root + b"/" + found.relative) if is_fits(key) else []
    if len(numbers) < 2:
        yield ImageRef(key, found.relative, "", status.st_size, status.st_mtime_ns)
        return
    for number in numbers:
        name = f"{key}#{number}"
        if os.path.lexists(root + b"/" + to_bytes(name)):
            raise SourceError(f"{shown(name)} is a file and also HDU {number} of the file {shown(key)}: rename one")
        yield ImageRef(name, found.relative, f"hdu:{number}", status.st_size, status.st_mtime_ns)


def read_local(path: bytes, ref: ImageRef) -> Blob:
    """The bytes of a file, or of the HDU of it that the reference names.

    Raises:
        BadImage: they cannot be had.
    """
    if ref.inner.startswith("hdu:"):
        return read_fits(path, int(ref.inner.removeprefix("hdu:")))
    return read_fits(path, None) if is_fits(os.fsdecode(ref.path or path)) else read_file(path)
