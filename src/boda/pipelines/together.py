"""Several sources as one: what a command is given that takes images, folders and workspaces in one breath."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from boda.errors import Refused
from boda.sources.base import Blob, Description, ImageRef, Source, Unlistable
from boda.sources.opening import open_described, open_source
from boda.sources.single import SingleFile
from boda.sources.walking import is_workspace

if TYPE_CHECKING:
    import pyarrow as pa


def together(given: Sequence[str | os.PathLike[str]]) -> "Together":
    """The images at these paths, in order; of a workspace those of its source.

    Raises:
        NotFound, SourceError: one is not there or cannot be listed.
        Refused: a workspace without a source.
    """
    return Together(tuple((os.fspath(where), _open(where)) for where in given))


def _open(where: str | os.PathLike[str]) -> Source:
    """The images at a path; of a workspace those of its source."""
    if not is_workspace(os.fsencode(where)):
        return open_source(where)
    from boda.workspace.workspace import open_workspace

    description = open_workspace(where).source
    if description is None:
        raise Refused(f"{os.fspath(where)}: this workspace has no source, so there are no images to look at")
    return open_described(description)


@dataclass(slots=True)
class Together:
    """Several sources as one. A file's key is its path as written; of several folders, theirs come before the keys."""

    sources: tuple[tuple[str, Source], ...]
    ignored: int = 0

    @property
    def description(self) -> Description:
        """Only whether decoders need the network."""
        kinds = {source.description["kind"] for _, source in self.sources}
        root = ", ".join(where for where, _ in self.sources)
        return {"kind": "url" if "url" in kinds else "together", "root": root}

    def entries(self) -> Iterator[ImageRef | Unlistable]:
        """Every image; a path given twice comes once."""
        given: set[str] = set()
        for number, (where, source) in enumerate(self.sources):
            for entry in source.entries():
                key = self._key(where, source, entry.key)
                if key in given:
                    continue
                given.add(key)
                if isinstance(entry, ImageRef):
                    yield replace(entry, key=key, inner=f"{number} {entry.inner}")
                else:
                    yield replace(entry, key=key)

    def _key(self, where: str, source: Source, key: str) -> str:
        if isinstance(source, SingleFile):
            return where + key[len(Path(where).name) :]
        return key if len(self.sources) == 1 else f"{where.rstrip('/')}/{key}"

    def columns(self) -> "pa.Table | None":
        """What a source by itself knows of its images, as a manifest; of several nothing."""
        source = self.sources[0][1]
        return source.columns() if len(self.sources) == 1 else None

    def read(self, ref: ImageRef) -> Blob:
        """The bytes, by the source they are from."""
        number, _, inner = ref.inner.partition(" ")
        return self.sources[int(number)][1].read(replace(ref, inner=inner))
