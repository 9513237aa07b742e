"""Why an image could not be used: a stage, a code and a reason. A result, not an accident."""

from dataclasses import dataclass
from enum import StrEnum

from boda.errors import BodaError


class Stage(StrEnum):
    """How far an image came."""

    LIST = "list"
    READ = "read"
    IDENTIFY = "identify"
    DECODE = "decode"
    PIXELS = "pixels"
    ENCODE = "encode"


class Code(StrEnum):
    """What went wrong. The codes are a public contract: tools may count on them."""

    # list
    LINK_LOOP = "link_loop"
    DANGLING = "dangling"
    NOT_A_FILE = "not_a_file"
    # read
    EMPTY = "empty"
    MISSING = "missing"
    PERMISSION = "permission"
    UNSTABLE = "unstable"
    IO_ERROR = "io_error"
    TOO_LARGE = "too_large"
    UNREACHABLE = "unreachable"
    # identify
    NOT_AN_IMAGE = "not_an_image"
    NOT_A_RASTER_IMAGE = "not_a_raster_image"
    NEEDS_PLUGIN = "needs_plugin"
    HEADER_LIMIT = "header_limit"
    # read (of an archive or table), decode
    TRUNCATED = "truncated"
    CORRUPT = "corrupt"
    # decode
    TOO_MANY_PIXELS = "too_many_pixels"
    MEMORY_LIMIT = "memory_limit"
    WORKER_DIED = "worker_died"
    TIMEOUT = "timeout"
    OTHER = "other"
    # pixels
    NEEDS_STRETCH = "needs_stretch"
    # pixels, encode
    NOT_FINITE = "not_finite"


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An image that could not be used. Never replaced by another, always counted and reported."""

    stage: Stage
    code: Code
    reason: str

    def __str__(self) -> str:
        return f"{self.stage}/{self.code}: {self.reason}"


class BadImage(BodaError):
    """Raised while one image is read or decoded; caught at one place, where it becomes a row of the quarantine."""

    def __init__(self, stage: Stage, code: Code, reason: str) -> None:
        super().__init__(f"{stage}/{code}: {reason}")
        self.unreadable = Unreadable(stage, code, reason)

    def __reduce__(self) -> tuple[type["BadImage"], tuple[Stage, Code, str]]:
        """Travel between processes whole."""
        return BadImage, (self.unreadable.stage, self.unreadable.code, self.unreadable.reason)
