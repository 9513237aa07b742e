"""Open a source: the kind is found by what is there."""

import os
import stat
from collections.abc import Callable

from boda.errors import NotFound, Refused, SourceError
from boda.keys import shown
from boda.sources.base import Description, Source, root_text
from boda.sources.endings import IMAGE, PARQUET, TABLE, TAR, ending, has_ending, like_an_image
from boda.sources.fits import is_fits
from boda.sources.folder import Folder
from boda.sources.holding import Holding, has_pattern
from boda.sources.idx import IdxSource, is_idx, is_idx_pair
from boda.sources.manifest import Manifest
from boda.sources.parquet import ParquetSource, find_image_column
from boda.sources.shards import Shards, looks_like_shard
from boda.sources.single import SingleFile
from boda.sources.tar import TarSource
from boda.sources.urls import UrlSource, is_url, local_path, open_url
from boda.sources.walking import is_ignored, is_workspace

SUPPORTED = (
    "a folder, one image, a manifest (CSV, TSV, JSONL, Parquet), a .tar or WebDataset shards, a Parquet of images, "
    "IDX, FITS, or a URL"
)

_KINDS: dict[str, Callable[[Description, str], Source]] = {
    "folder": Folder.described,
    "file": SingleFile.described,
    "manifest": Manifest.described,
    "tar": TarSource.described,
    "shards": Shards.described,
    "parquet": ParquetSource.described,
    "idx": IdxSource.described,
    "url": UrlSource.described,
}


def open_source(where: str | os.PathLike[str], *, path_column: str | None = None, follow: bool = False) -> Source:
    """The source of images at a path or URL.

    Args:
        where: a folder, a file, a pattern of shards (`train-{000..012}.tar`, `*.parquet`), or a URL that fsspec knows.
        path_column: the column of a manifest that names the images, or of a Parquet that holds them.
        follow: walk into symlinked folders as well.

    Raises:
        NotFound: nothing is there, or no such column.
        SourceError: what is there is no source of images; the error says what is.
        Refused: a path column for something that has no columns.
    """
    name = os.fspath(where)
    if is_url(name):
        local = local_path(name)
        return open_url(name, path_column=path_column) if local is None else _open_path(local, path_column, follow)
    return _open_path(name, path_column, follow)


def open_described(description: Description, *, root: str | None = None) -> Source:
    """The source that a description describes, perhaps moved to another root.

    Raises:
        SourceError: a kind that this version does not know.
    """
    kind = description.get("kind")
    make = _KINDS.get(str(kind))
    if make is None:
        raise SourceError(f"a source of kind {kind!r} is not known to this version of boda; known: {', '.join(_KINDS)}")
    if root is None:
        return make(description, root_text(description))
    return make(description, root if is_url(root) else os.path.abspath(root))  # noqa: PTH100 - not UTF-8


def _open_path(name: str, path_column: str | None, follow: bool) -> Source:  # noqa: FBT001 - private
    if not name:
        raise NotFound("the name of the source is empty")
    path = os.path.abspath(name)  # noqa: PTH100 - names that are not UTF-8
    try:
        status = os.stat(path)  # noqa: PTH116
    except (FileNotFoundError, NotADirectoryError):
        if has_pattern(os.path.basename(path)):  # noqa: PTH119
            return _open_pattern(path, path_column)
        raise NotFound(f"{shown(name)}: nothing is there") from None
    except (OSError, ValueError) as error:
        raise SourceError(f"{shown(name)}: cannot be opened: {error}") from None
    if stat.S_ISDIR(status.st_mode):
        source = _open_folder(path, path_column, follow=follow)
    elif stat.S_ISREG(status.st_mode):
        source = _open_file(path, path_column)
    else:
        raise SourceError(f"{shown(name)}: neither a file nor a folder")
    if path_column is not None and not isinstance(source, Manifest | ParquetSource):
        raise Refused(f"{shown(name)} has no columns, so path column {path_column!r} says nothing: leave it out")
    return source


def _open_file(path: str, path_column: str | None) -> Source:
    head = _first_bytes(path)
    if has_ending(path, TAR):
        return Shards(Holding.one(path)) if looks_like_shard(path) else TarSource(Holding.one(path))
    if has_ending(path, PARQUET) or head[:4] == b"PAR1":
        holding = Holding.one(path)
        if find_image_column(path, path_column) is not None:
            return ParquetSource(holding, path_column)
        return Manifest.at(path, path_column)
    if has_ending(path, TABLE):
        return Manifest.at(path, path_column)
    if is_idx(path):
        return IdxSource(Holding.one(path))
    if ending(path) in IMAGE or is_fits(path) or _begins_like_an_image(head):
        return SingleFile.at(path)
    raise SourceError(f"{shown(path)}: not a source of images. Supported: {SUPPORTED}")


def _open_pattern(path: str, path_column: str | None) -> Source:
    folder, pattern = os.path.split(path)
    holding = Holding(os.fsencode(folder), pattern=pattern)
    if has_ending(pattern, TAR):
        source: Source = Shards(holding)
    elif has_ending(pattern, PARQUET):
        source = ParquetSource(holding, path_column)
    else:
        raise SourceError(
            f"{shown(pattern)}: a pattern must end in .tar, .tar.gz or .parquet; for images give a folder"
        )
    list(holding.files())  # so that a shard that is not there is said now
    return source


def _open_folder(path: str, path_column: str | None, *, follow: bool) -> Source:
    if is_workspace(os.fsencode(path)):
        raise SourceError(f"{shown(path)}: this is a workspace; give the folder of images it was made from")
    endings = _archives_only(path)
    root = os.fsencode(path)
    if endings == "tar":
        return Shards(Holding(root, pattern="*.tar*"))
    if endings == "parquet":
        return ParquetSource(Holding(root, pattern="*.p*q*"), path_column)
    if endings == "idx":
        return IdxSource(Holding(root, pattern="*images*idx*"))
    return Folder(root, follow)


def _archives_only(path: str) -> str:
    """`tar`, `parquet` or `idx` where a folder holds such files at its top and nothing like an image; else ""."""
    kinds: set[str] = set()
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                if is_ignored(os.fsencode(entry.name)):
                    continue
                kind = _archive_kind(entry)
                if kind is None:
                    return ""
                kinds.add(kind)
    except OSError:
        return ""  # the listing says why
    kinds.discard("beside")
    return kinds.pop() if len(kinds) == 1 else ""


def _archive_kind(entry: "os.DirEntry[str]") -> str | None:
    """What an entry speaks for; `beside`: a file that may lie with archives; None: a plain folder of images."""
    if not entry.is_file():
        return None
    if is_idx_pair(entry.name):
        return "idx"
    if has_ending(entry.name, TAR):
        return "tar"
    if has_ending(entry.name, PARQUET):
        return "parquet"
    return None if like_an_image(entry.name) and ending(entry.name) else "beside"


def _first_bytes(path: str) -> bytes:
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            return file.read(16)
    except OSError as error:
        raise SourceError(f"{shown(path)}: cannot be read: {error.strerror}") from None


def _begins_like_an_image(head: bytes) -> bool:
    known = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM", b"II*\0", b"MM\0*", b"SIMPLE  =", b"\0\0\0\x0cjP", b"qoif")
    return head.startswith(known) or head[8:12] in {b"WEBP"} or head[4:8] == b"ftyp"
