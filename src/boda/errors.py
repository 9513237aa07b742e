"""Everything boda raises on purpose. One line each: what, where, what to do.

BodaError
├── Refused                what was asked for would mix or overwrite things, or makes no sense
├── NotFound (LookupError) a path, name, key or column that is not there
│   └── UnknownEncoder     no encoder has this name
├── MissingExtra           a part that is not installed; says what to install
├── NotOffline             weights that are not on this machine; says which file and where it is looked for
├── SourceError            a folder, manifest, archive or table that cannot be listed
├── WorkspaceError
│   ├── NotAWorkspace      no workspace at this path
│   ├── NewerFormat        written by a newer boda
│   ├── Busy               another process is writing; says its pid
│   ├── ReadOnly           the workspace can be read but not written here; says why
│   └── Damaged            content that does not match its digest
├── SourceFailing          reads fail again and again: the disk or mount under the images
├── DiskTrouble            the disk is full or failing; what was committed stays
├── DecoderBroken          decoders die on everything here: not the files' fault
└── NothingEmbedded        no image gave features
"""

from collections.abc import Sequence


class BodaError(Exception):
    """Base of all errors that boda raises on purpose; `str(error)` is one line for the user."""


class Refused(BodaError, ValueError):
    """What was asked for would mix or overwrite things, or makes no sense."""


class NotFound(BodaError, LookupError):
    """A path, name, key or column that is not there."""


class UnknownEncoder(NotFound):
    """No encoder has this name."""

    def __init__(self, name: str, near: Sequence[str] = ()) -> None:
        hint = f" Near: {', '.join(near)}." if near else ""
        super().__init__(f"no encoder named {name!r}.{hint} List them: boda encoders")
        self.name, self.near = name, tuple(near)


class MissingExtra(BodaError, ImportError):
    """A part of boda that is not installed."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs a part that is not installed: pip install 'boda[{extra}]'")
        self.what, self.extra = what, extra


class NotOffline(BodaError):
    """Weights that are not on this machine and could not be fetched."""


class SourceError(BodaError):
    """A folder, manifest, archive or table that cannot be listed."""


class WorkspaceError(BodaError):
    """Something about a workspace."""


class NotAWorkspace(WorkspaceError, LookupError):
    """No workspace at this path."""


class NewerFormat(WorkspaceError):
    """The workspace was written by a newer boda."""


class Busy(WorkspaceError):
    """Another process is writing to this workspace."""

    def __init__(self, path: str, pid: int | None) -> None:
        who = f"process {pid}" if pid else "another process"
        super().__init__(f"{path}: {who} is writing to it; wait for it to end, or stop it")
        self.path, self.pid = path, pid


class ReadOnly(WorkspaceError):
    """The workspace can be read but not written here."""


class Damaged(WorkspaceError):
    """Stored content that does not match its digest or its description."""


class DiskTrouble(BodaError, OSError):
    """The disk is full or failing. What was committed stays; run again once there is room."""


class SourceFailing(BodaError, OSError):
    """Reads fail again and again: the disk or mount under the images is failing, not the files."""


class DecoderBroken(BodaError):
    """Decoder processes die on everything: this machine's fault, not the files'."""


class NothingEmbedded(BodaError):
    """No image gave features."""
