"""Results: small sets of files under a kind and a name (a head, say), kept whole with their digests.

The files of one result lie in a folder that is named by what is in them, `results/<kind>/<digest>/`. The digest is the
first 32 hex digits of what `LC_ALL=C sha256sum * | sha256sum` says there.
"""

import hashlib
import json
import os
import re
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from boda.errors import Damaged, NotFound, Refused
from boda.keys import shown
from boda.workspace import schema, segments
from boda.workspace.atomic import open_no_follow, write_whole
from boda.workspace.records import ResultFile, ResultInfo

FOLDER = "results"
KIND = re.compile(r"[a-z][a-z0-9-]{0,31}")
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
DIGEST = re.compile(r"[0-9a-f]{32}")
SUMMARY_LIMIT = 1 << 16
"""Bytes of JSON."""

_COLUMNS = "kind, name, digest, files, summary, created_ns"
_SHA256 = re.compile(r"[0-9a-f]{64}")


def check_given(kind: str, name: str, files: Mapping[str, bytes]) -> None:
    """Refuse names that are not ours to keep.

    Raises:
        Refused: a kind, a name or the name of a file is not made of the right signs, or there is no file.
    """
    if not KIND.fullmatch(kind):
        raise Refused(f"{shown(kind)[:120]!r} is no kind of result: small letters, digits and -, such as 'head'")
    for what, given in [(f"{kind}", name), *(("file", file) for file in files)]:
        if not NAME.fullmatch(given):
            raise Refused(
                f"{shown(given)[:120]!r} is no name for a {what}: up to 100 of A-Z a-z 0-9 - _ . beginning with a "
                "letter, a digit or _"
            )
    if not files:
        raise Refused(f"{kind} {name!r}: a result has at least one file")


def summary_text(kind: str, name: str, summary: Mapping[str, Any]) -> str:
    """The summary as the catalogue keeps it.

    Raises:
        Refused: it is not plain JSON, or too long.
    """
    try:
        text = json.dumps(dict(summary), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise Refused(f"{kind} {name!r}: its summary is not plain JSON ({error}); NaN is written as null") from error
    if len(text) > SUMMARY_LIMIT:
        raise Refused(f"{kind} {name!r}: its summary has {len(text):,} bytes of JSON; {SUMMARY_LIMIT:,} is the most")
    return text


def write(root: Path, kind: str, files: Mapping[str, bytes]) -> tuple[str, tuple[ResultFile, ...]]:
    """Write the files of a result; nothing names them yet. Returns the digest, and what there is.

    Raises:
        DiskTrouble: the disk is full or failing.
    """
    described = tuple(
        ResultFile(name, len(files[name]), hashlib.sha256(files[name]).digest()) for name in sorted(files)
    )
    digest = digest_of(described)
    folder = segments.make_folder(root, FOLDER, kind, digest)
    for name, data in files.items():
        _write_file(folder / name, data)
    return digest, described


def _write_file(path: Path, data: bytes) -> None:
    write_whole(path, lambda file: file.write(data))


def digest_of(files: Sequence[ResultFile]) -> str:
    """The name of the folder of these files, which are in the order of their names."""
    lines = "".join(f"{file.sha256.hex()}  {file.name}\n" for file in files)
    return hashlib.sha256(lines.encode()).hexdigest()[:32]


def files_text(files: Sequence[ResultFile]) -> str:
    """The list of files as the catalogue keeps it."""
    return json.dumps({file.name: {"bytes": file.size, "sha256": file.sha256.hex()} for file in files})


def named(connection: sqlite3.Connection, root: Path, kind: str | None = None) -> list[ResultInfo]:
    """What the catalogue names, by kind, the newest last.

    Raises:
        Damaged: a row makes no sense.
    """
    if "result" not in schema.tables(connection):
        return []
    rows = connection.execute(f"SELECT {_COLUMNS} FROM result WHERE ?1 IS NULL OR kind = ?1 ORDER BY kind, id", (kind,))
    return [_info(root, *row) for row in rows.fetchall()]


def one(connection: sqlite3.Connection, root: Path, kind: str, name: str) -> ResultInfo:
    """One result as the catalogue names it; rows of others are not looked at.

    Raises:
        NotFound: there is none; lists what is there.
        Damaged: its row makes no sense.
    """
    return _info(root, *find(connection, root, kind, name))


def find(connection: sqlite3.Connection, root: Path, kind: str, name: str) -> tuple[Any, ...]:
    """The row of one result, whatever it says.

    Raises:
        NotFound: there is none; lists what is there.
    """
    names: list[str] = []
    if "result" in schema.tables(connection):
        query = f"SELECT {_COLUMNS} FROM result WHERE kind = ? AND name = ?"
        if row := connection.execute(query, (kind, name)).fetchone():
            return tuple(row)
        found = connection.execute("SELECT name FROM result WHERE kind = ? ORDER BY id", (kind,)).fetchall()
        names = [shown(str(there)) for (there,) in found]
    there = f"There is: {', '.join(names)}" if names else "There is none yet"
    raise NotFound(f"{root}: no {shown(kind)[:40]} called {shown(name)[:120]!r}. {there}")


def _info(root: Path, kind: str, name: str, digest: str, files: str, summary: str, created_ns: int) -> ResultInfo:
    listed, told = json.loads(files), json.loads(summary)
    if isinstance(listed, dict) and isinstance(told, dict) and isinstance(created_ns, int):
        described = tuple(_file(file, record) for file, record in sorted(listed.items()))
        if _fits(KIND, kind) and _fits(NAME, name) and digest_of(described) == digest:
            return ResultInfo(kind, name, digest, created_ns, described, told)
    raise Damaged(f"{root}: a row of boda.db, table result, makes no sense; see: boda doctor")


def _file(name: str, record: dict[str, Any]) -> ResultFile:
    if not _fits(NAME, name) or not _fits(_SHA256, record["sha256"]):
        raise ValueError(f"{shown(name)[:120]!r} is not a name of ours")
    return ResultFile(name, int(record["bytes"]), bytes.fromhex(record["sha256"]))


def _fits(pattern: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def read(root: Path, info: ResultInfo) -> dict[str, bytes]:
    """The files of a result, each compared with its digest.

    Raises:
        FileNotFoundError: one is gone.
        Damaged: one is not what was written.
    """
    try:
        return {file.name: _read_file(root, info, file) for file in info.files}
    except Damaged as error:
        raise damaged(root, info, str(error)) from error


def why_damaged(root: Path, info: ResultInfo, *, deep: bool) -> str | None:
    """Why a result cannot be trusted; None where it can.

    Args:
        root: the workspace.
        info: the result.
        deep: hash each file; else only look at sizes.
    """
    try:
        for file in info.files:
            if deep:
                _read_file(root, info, file)
            else:
                _opened(root, info, file).close()
    except FileNotFoundError as error:
        return f"{Path(error.filename).name} is missing"
    except Damaged as error:
        return str(error)
    return None


def _read_file(root: Path, info: ResultInfo, file: ResultFile) -> bytes:
    with _opened(root, info, file) as opened:
        data = opened.read()
    if hashlib.sha256(data).digest() != file.sha256:
        raise Damaged(f"the bytes of {file.name} do not match their digest")
    return data


def _opened(root: Path, info: ResultInfo, file: ResultFile) -> BinaryIO:
    try:
        opened = open_no_follow(root, FOLDER, info.kind, info.digest, file.name)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Damaged(f"{file.name} cannot be opened: {error.strerror}") from error
    if os.fstat(opened.fileno()).st_size != file.size:
        opened.close()
        raise Damaged(f"{file.name} is of another size than it was written")
    return opened


def damaged(root: Path, info: ResultInfo, why: str) -> Damaged:
    """What to raise of a damaged result: which it is, why, and what to do."""
    return Damaged(f"{root}: {info.kind} {info.name!r}: {why}; {advice(info)}")


def advice(info: ResultInfo) -> str:
    """What to do about a damaged result."""
    return f"make the {info.kind} again under this name, or copy {FOLDER}/{info.kind}/{info.digest} from a whole copy"


def folders(connection: sqlite3.Connection) -> set[tuple[str, str]]:
    """Kind and digest of every folder that the catalogue names; rows that make no sense are no reason to stop."""
    if "result" not in schema.tables(connection):
        return set()
    return set(connection.execute("SELECT kind, digest FROM result").fetchall())


def check_there(root: Path, kind: str, digest: str, files: Sequence[ResultFile]) -> None:
    """Look once more, inside the transaction that names the files, that they are there.

    Raises:
        Damaged: one is not, or of another size.
    """
    for file in files:
        segments.check_there(root, (FOLDER, kind, digest, file.name), file.size)
