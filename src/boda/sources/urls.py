"""Images behind URLs, through fsspec: a folder of a store, one image, a plain tar, or a manifest."""

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias
from urllib.parse import unquote, urlsplit

from boda.errors import NotFound, SourceError
from boda.keys import from_bytes, shown, to_bytes
from boda.sources.base import Blob, Description, ImageRef, Unlistable
from boda.sources.columns import one_row_a_key, values
from boda.sources.endings import PARQUET, TABLE, TAR, has_ending
from boda.sources.members import members
from boda.sources.reading import LARGEST, bad_read, bad_size, read_file
from boda.sources.tables import keyed_cells, read_cells
from boda.sources.tar import last_of_each
from boda.sources.walking import is_ignored
from boda.unreadable import BadImage, Code, Stage, Unreadable

if TYPE_CHECKING:
    import pyarrow as pa

Form: TypeAlias = Literal["folder", "file", "tar", "manifest"]

PROTOCOLS = frozenset(
    {
        *("http", "https", "s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "hf", "oss", "obs"),
        *("memory", "file", "local", "ftp", "sftp", "ssh", "smb", "hdfs", "webhdfs"),
    }
)
"""Known stores. Others, and chains of several (`zip::...`), are refused: a manifest may come from a stranger."""

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://", re.ASCII)
_TROUBLE = (OSError, ValueError, RuntimeError)


@dataclass(slots=True)
class UrlSource:
    """What is behind one URL. Keys: of a folder the relative path, of a tar the member, of a manifest as written there.

    The key of one image is its URL. Stores have no time that could be trusted, so `mtime_ns` is 0: the bytes are read
    and hashed again by every run.
    """

    root: str
    form: Form
    path_column: str | None = None
    ignored: int = field(default=0, init=False, compare=False)
    _table: "pa.Table | None" = field(default=None, init=False, compare=False, repr=False)

    def __reduce__(self) -> tuple[Callable[..., "UrlSource"], tuple[str, Form, str | None]]:
        """Travel without the table."""
        return UrlSource, (self.root, self.form, self.path_column)

    @classmethod
    def described(cls, description: Description, root: str) -> "UrlSource":
        """The source that this describes, at `root`."""
        return cls(root, description["form"], description.get("path_column"))

    @property
    def description(self) -> Description:
        """`kind`, `root`, `form`, `path_column`."""
        return {"kind": "url", "root": self.root, "form": self.form, "path_column": self.path_column}

    def entries(self) -> Iterator[ImageRef | Unlistable]:
        """The images, in the byte order of their paths, or in the order of the tar or manifest.

        Raises:
            NotFound: nothing is there.
            SourceError: the store cannot be asked, or its library is not installed.
        """
        self.ignored = 0
        listing = {"folder": self._folder, "tar": self._tar, "manifest": self._manifest, "file": self._file}
        try:
            yield from listing[self.form]()
        except FileNotFoundError:
            raise NotFound(f"{shown(self.root)}: nothing is there") from None
        except SourceError:
            raise
        except OSError as error:
            raise SourceError(f"{shown(self.root)}: cannot be listed: {error}") from error

    def columns(self) -> "pa.Table | None":
        """A manifest's other columns; None for the other forms."""
        if self.form != "manifest":
            return None
        table = self._table if self._table is not None else self._read_table()
        return table.filter(table.column("key").is_valid())

    def read(self, ref: ImageRef) -> Blob:
        """The bytes of one image."""
        if self.form == "tar":
            _, offset, size = (int(number) for number in ref.inner.split(":"))
            return read_url(self.root, offset, size)
        return read_url(self._address(from_bytes(ref.path)))

    def _address(self, path: str) -> str:
        if not path:
            return self.root
        if is_url(path):
            return path
        folder = self.root if self.form == "folder" else self.root.rpartition("/")[0]
        return f"{folder.rstrip('/')}/{path}"

    def _folder(self) -> Iterator[ImageRef]:
        store, root = find_store(self.root)
        prefix = root.rstrip("/") + "/"
        found = store.find(root, detail=True)
        for path in sorted(found, key=to_bytes):
            relative = path.removeprefix(prefix)
            if any(is_ignored(to_bytes(part)) for part in relative.split("/")):
                self.ignored += 1
            else:
                yield ImageRef(relative, to_bytes(relative), "", found[path].get("size") or 0)

    def _file(self) -> Iterator[ImageRef]:
        store, path = find_store(self.root)
        yield ImageRef(self.root, b"", "", store.info(path).get("size") or 0)

    def _tar(self) -> Iterator[ImageRef | Unlistable]:
        store, path = find_store(self.root)
        with store.open(path, "rb") as file:
            keep = last_of_each(members(file, self.root))
            file.seek(0)
            for member, kept in zip(members(file, self.root), keep.tolist(), strict=False):
                if member.is_ignored or not kept:
                    self.ignored += 1
                elif member.unreadable is not None:
                    yield Unlistable(member.name, b"", member.unreadable)
                else:
                    yield ImageRef(member.name, b"", member.inner, member.size)

    def _manifest(self) -> Iterator[ImageRef | Unlistable]:
        self._table = self._read_table()
        for row, path in enumerate(values(self._table.column("key")), 1):
            if path is None:
                missing = Unreadable(Stage.READ, Code.MISSING, f"row {row} names no file")
                yield Unlistable(f"#{row}", b"", missing)
            else:
                yield ImageRef(from_bytes(path), path)

    def _read_table(self) -> "pa.Table":
        store, path = find_store(self.root)
        with store.open(path, "rb") as file:
            table = keyed_cells(read_cells(file, self.root), self.path_column, self.root)
        table, self.ignored = one_row_a_key(table, shown(self.root))
        return table


def is_url(name: str) -> bool:
    """Whether a name is a URL: letters, then `://`."""
    return _URL.match(name) is not None


def local_path(url: str) -> str | None:
    """The path on this machine that a `file://` URL means; None for other URLs."""
    protocol, _, path = url.partition("://")
    if protocol.lower() not in {"file", "local"}:
        return None
    return path if os.path.lexists(path) else unquote(path, errors="surrogateescape")


def open_url(url: str, *, path_column: str | None = None) -> UrlSource:
    """The source of what is behind a URL.

    Raises:
        NotFound: nothing is there.
        SourceError: a store that is not known or not installed, or a file that can only be read from this machine.
    """
    if urlsplit(url).password:
        raise SourceError("a URL with a password would be written into the workspace: use the store's own credentials")
    store, path = find_store(url)
    try:
        facts = store.info(path)
    except FileNotFoundError:
        raise NotFound(f"{shown(url)}: nothing is there") from None
    except _TROUBLE as error:
        raise SourceError(f"{shown(url)}: cannot be asked: {error}") from error
    if facts["type"] == "directory" or url.endswith("/"):
        return UrlSource(url, "folder")
    if has_ending(url, TABLE):
        return UrlSource(url, "manifest", path_column)
    if has_ending(url, (".tar",)):
        return UrlSource(url, "tar")
    if has_ending(url, (*TAR, *PARQUET)) or url.endswith("-ubyte.gz"):
        raise SourceError(f"{shown(url)}: archives of this kind are read from this machine only: download it first")
    return UrlSource(url, "file")


def find_store(url: str) -> tuple[Any, str]:
    """The fsspec file system of a URL, and the path in it.

    Raises:
        SourceError: a store that is not known, or whose library is not installed.
    """
    import fsspec.core

    protocol = url.partition("://")[0].lower()
    if protocol not in PROTOCOLS or "::" in url:
        raise SourceError(f"{shown(url)}: not a store that boda reads; it reads {', '.join(sorted(PROTOCOLS))}")
    try:
        store, path = fsspec.core.url_to_fs(url)
    except ImportError as error:
        raise SourceError(f"{shown(url)}: the library of {protocol}:// is not installed: {error}") from None
    except _TROUBLE as error:
        raise SourceError(f"{shown(url)}: cannot be opened: {error}") from error
    return store, path


def read_url(url: str, offset: int = 0, size: int | None = None) -> Blob:
    """The bytes behind a URL, or `size` of them from `offset`.

    Raises:
        BadImage: they cannot be had.
    """
    local = local_path(url)
    if local is not None:
        return read_file(os.fsencode(local))
    try:
        store, path = find_store(url)
        with store.open(path, "rb") as file:
            file.seek(offset)
            data: bytes = file.read(LARGEST + 1 if size is None else size)
    except SourceError as error:
        raise BadImage(Stage.READ, Code.UNREACHABLE, str(error)) from None
    except OSError as error:
        raise bad_read(error) if error.errno else _bad_answer(error) from None
    except _TROUBLE as error:
        raise _bad_answer(error) from None
    bad = bad_size(len(data))
    if bad:
        raise bad
    if size is not None and len(data) != size:
        raise BadImage(Stage.READ, Code.TRUNCATED, "the archive ends inside this image")
    return Blob(data, len(data), 0)


def _bad_answer(error: Exception) -> BadImage:
    kinds = {FileNotFoundError: Code.MISSING, PermissionError: Code.PERMISSION}
    code = next((code for kind, code in kinds.items() if isinstance(error, kind)), Code.UNREACHABLE)
    return BadImage(Stage.READ, code, f"{type(error).__name__}: {error}")
