"""Files of the Hugging Face hub: from its cache on this machine, else fetched. One commit of a repository a model.

The cache is the hub library's own: `models--OWNER--NAME/{refs,blobs,snapshots/COMMIT}`, in HF_HUB_CACHE.
"""

import os
import re
import socket
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

from boda.errors import MissingExtra, NotOffline, Refused

_PATIENCE = 10.0
"""Seconds until the hub counts as out of reach."""
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
_WITH_WEIGHTS = "--weights FILE with these weights, or "
_CARD = "README.md"


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository of the hub, at one of its revisions."""

    name: str
    """OWNER/NAME."""
    revision: str | None = None
    """A branch, tag or commit; None: its main branch."""

    @classmethod
    def named(cls, text: str, encoder: str) -> "Repository":
        """The repository that `OWNER/NAME` or `OWNER/NAME@revision` names.

        Args:
            text: what was typed.
            encoder: the whole name of the encoder, for the error.

        Raises:
            Refused: it is no such name.
        """
        name, at, revision = text.partition("@")
        if not _NAME.fullmatch(name) or bool(at) != bool(revision) or ".." in text:
            raise Refused(f"encoder {encoder!r}: {text!r} names no repository of the hub; write OWNER/NAME")
        return cls(name, revision or None)

    def cached(self, *names: str) -> Path | None:
        """The first of these files that this machine has already; looks at no network."""
        found = (_import_hub().try_to_load_from_cache(self.name, name, revision=self.revision) for name in names)
        return next((Path(path) for path in found if isinstance(path, str)), None)

    def file(self, *names: str, encoder: str, weights: bool = False) -> Path:
        """The first of these files that there is, fetched unless it is in the cache.

        Args:
            names: of the files, within the repository.
            encoder: that needs it, for errors.
            weights: whether the user could give such a file instead. The model card is fetched with them.

        Raises:
            NotOffline: not here, and the hub cannot be reached; says which file, where it was looked for, and what
                works now.
            Refused: the hub has none of these files.
        """
        if cached := self.cached(*names):
            return cached
        trouble = getattr(_import_hub().errors, "HTTPError", OSError)  # some versions of the hub let it through
        try:
            path = self._fetch(names)
            if weights:
                self.pinned(path).optional(_CARD)
            return path
        except Refused:
            raise
        except (OSError, RuntimeError, ValueError, trouble) as error:
            instead = _WITH_WEIGHTS if weights else ""
            raise NotOffline(
                f"{encoder} needs {self.name}/{names[0]}{f' at {self.revision}' if self.revision else ''}, which is "
                f"not in {cache_folder()} and cannot be fetched ({why_not(error)}); what works now: {instead}"
                "the encoder 'auto', which needs no hub"
            ) from error

    def optional(self, name: str) -> Path | None:
        """A file that a model may do without: from the cache, else from the hub if it answers."""
        if cached := self.cached(name):
            return cached
        trouble = getattr(_import_hub().errors, "HTTPError", OSError)
        try:
            return self._fetch((name,))
        except (OSError, RuntimeError, ValueError, Refused, trouble):
            return None

    def pinned(self, file: Path) -> "Repository":
        """The same repository at the commit that a file of it came from, so that no two commits are mixed."""
        folder = cache_folder() / f"models--{self.name.replace('/', '--')}" / "snapshots"
        return replace(self, revision=file.relative_to(folder).parts[0])

    def licence(self) -> str:
        """What the model card in the cache says of its licence; "" where there is no card or it says nothing."""
        card = self.cached(_CARD)
        return "" if card is None else _licence(card.read_text(encoding="utf-8", errors="replace"))

    def _fetch(self, names: tuple[str, ...]) -> Path:
        hub = _import_hub()
        knock()
        for name in names:
            try:
                return Path(hub.hf_hub_download(self.name, name, revision=self.revision))
            except hub.errors.LocalEntryNotFoundError:
                raise
            except hub.errors.EntryNotFoundError:
                continue
        raise Refused(f"{self.name} on the hub has no {' nor '.join(names)}: it is no model of this kind")


def cache_folder() -> Path:
    """Where files of the hub are looked for."""
    _import_hub()
    from huggingface_hub.constants import HF_HUB_CACHE

    return Path(HF_HUB_CACHE)


def why_not(error: BaseException) -> str:
    """Why something could not be fetched, in a word or two."""
    return "offline mode is on" if os.environ.get("HF_HUB_OFFLINE") else type(error).__name__


def knock() -> None:
    """See within seconds whether the hub answers: its own library would try for half a minute, and say so each time.

    Raises:
        OSError: it does not.
    """
    from huggingface_hub import constants

    if not constants.HF_HUB_OFFLINE:
        reach(constants.ENDPOINT)


def reach(url: str) -> None:
    """See within seconds whether the server at this address answers; behind a proxy that cannot be seen.

    Raises:
        OSError: it does not.
    """
    if getproxies():
        return
    address = urlsplit(url)
    port = address.port or (80 if address.scheme == "http" else 443)
    socket.create_connection((address.hostname or "", port), timeout=_PATIENCE).close()


def _import_hub() -> Any:
    try:
        import huggingface_hub
        import huggingface_hub.errors
    except ImportError as error:
        raise MissingExtra("a model of the hub", "torch") from error
    return huggingface_hub


def _licence(card: str) -> str:
    """The licence in the block of YAML between the first two lines of dashes."""
    lines = card.lstrip("\ufeff").splitlines()
    if not lines or lines[0].strip() != "---":
        return ""
    said = {}
    for line in lines[1:]:
        if line.strip() == "---":
            break
        key, colon, value = line.partition(":")
        if colon and key in {"license", "license_name"}:
            said[key] = value.split("#")[0].strip().strip("'\"").lower()
    named = said.get("license_name", "")
    return named if said.get("license") == "other" and named else said.get("license", "")
