"""Names of encoders: `FAMILY:REST?ARGUMENT=VALUE&ARGUMENT=VALUE`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from boda.errors import Refused
from boda.keys import shown

Argument: TypeAlias = bool | int | float | str

_INTEGER = re.compile(r"[+-]?\d{1,18}")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class EncoderName:
    """A name, taken apart."""

    bare: str
    """Without arguments: "timm:mobilenetv2_100"."""
    arguments: Mapping[str, Argument] = field(default_factory=dict)
    """Of the model, typed."""

    @property
    def family(self) -> str:
        """What stands before the colon: "timm"."""
        return self.bare.partition(":")[0]

    @property
    def rest(self) -> str:
        """What follows it: "mobilenetv2_100"; "" without a colon."""
        return self.bare.partition(":")[2]


def parse_name(text: str) -> EncoderName:
    """Take a name apart. `true` and `false` are bool; what reads as a number is int or float; all else is str.

    Raises:
        Refused: an argument without name or value, or one that is given twice.

    >>> parse_name("timm:mobilenetv2_100?pad_type=same&drop_rate=0").arguments
    {'pad_type': 'same', 'drop_rate': 0}
    """
    bare, _, query = text.partition("?")
    arguments: dict[str, Argument] = {}
    for part in query.split("&") if "?" in text else ():
        name, _, value = part.partition("=")
        if not name.isidentifier() or not value:
            raise Refused(
                f"encoder {shown(text)!r}: {shown(part)!r} is no argument; write NAME=VALUE, several joined by &"
            )
        if name in arguments:
            raise Refused(f"encoder {shown(text)!r}: {name} is given twice")
        arguments[name] = _typed(value)
    return EncoderName(bare, arguments)


def _typed(value: str) -> Argument:
    if value in {"true", "false"}:
        return value == "true"
    if _INTEGER.fullmatch(value):
        return int(value)
    return float(value) if _NUMBER.fullmatch(value) else value


def refuse_arguments(name: str, kind: str) -> None:
    """Raise where a name carries arguments and `kind` of encoder takes none.

    Raises:
        Refused: it does; names the first.
    """
    if arguments := parse_name(name).arguments:
        raise Refused(f"encoder {shown(name)!r}: {kind} takes no arguments; leave out {next(iter(arguments))}")
