"""A finding: images of a collection that somebody should look at, each with its reason."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from boda.evaluation.plain import as_plain
from boda.evaluation.proportion import Share
from boda.health.quality import Fault
from boda.keys import to_json, to_text

if TYPE_CHECKING:
    import pyarrow as pa

Check: TypeAlias = Literal["duplicates", "outliers", "labels", "quality"]
CHECKS: tuple[Check, ...] = ("duplicates", "outliers", "labels", "quality")


def sheet_of(name: str) -> str:
    """The file of the sheet of a finding of this name."""
    return f"{name.replace(' ', '-')}.png"


SHEETS: Mapping[Check, tuple[str, ...]] = {
    "duplicates": tuple(map(sheet_of, ("exact duplicates", "near duplicates", "look-alikes"))),
    "outliers": (sheet_of("outliers"),),
    "labels": (sheet_of("label errors"),),
    "quality": tuple(map(sheet_of, get_args(Fault))),
}
"""Every sheet that a check may leave."""


@dataclass(frozen=True, slots=True)
class Found:
    """One image of a finding."""

    key: str
    reason: str
    score: float | None = None
    """What findings of this kind are ordered by; of copies none."""
    group: int | None = None
    """Of copies: the number of their group, from 1; its first image is the one that the others are compared with."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """The figures behind the reason: `of` (a key), `evidence`, `distance`, `likeness`, `correlation`, `label`, ..."""


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How often heads say of images that they had not seen what these are labelled."""

    right: Share
    most_common: float
    """How often the most common label alone would be right."""

    @property
    def said(self) -> str:
        """In words, with the 90 % interval: `right for 47 % (44 to 51 %)`."""
        return f"right for {100 * self.right.value:.0f} % ({100 * self.right.low:.0f} to {100 * self.right.high:.0f} %)"

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return self.right.as_json() | {"most_common": self.most_common}


@dataclass(frozen=True, slots=True)
class Finding:
    """Images with the same thing about them."""

    name: str
    """"near duplicates", "blurred", ..."""
    check: Check
    images: tuple[Found, ...]
    """The worst first; of copies group by group."""
    judged: int
    """How many images were looked at for it."""
    told_by: str
    """How it is told, with its thresholds."""
    notes: tuple[str, ...] = ()
    accuracy: Accuracy | None = None
    """Of the heads that tell it; None where no head does."""

    @property
    def called(self) -> str:
        """What stands behind its count: the name, never without how good the heads are that tell it."""
        return self.name if self.accuracy is None else f"{self.name} by heads {self.accuracy.said}"

    @property
    def groups(self) -> int:
        """How many groups of copies; 0 of what comes alone."""
        return len({one.group for one in self.images if one.group is not None})

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "name": self.name,
            "check": self.check,
            "count": len(self.images),
            "groups": self.groups or None,
            "judged": self.judged,
            "told_by": self.told_by,
            "accuracy": None if self.accuracy is None else self.accuracy.as_json(),
            "notes": list(self.notes),
            "images": [_image_json(one) for one in self.images],
        }


def _image_json(found: Found) -> dict[str, Any]:
    record = {"key": to_json(found.key), "reason": found.reason, "score": found.score, "group": found.group}
    details = {name: to_json(value) if name == "of" else as_plain(value) for name, value in found.details.items()}
    return {name: as_plain(value) if name != "key" else value for name, value in record.items()} | details


def table_of(findings: Sequence[Finding]) -> "pa.Table":
    """All images of all findings as rows: what is found, and the figures behind it where they apply."""
    import pyarrow as pa

    schema = _schema()
    rows = [
        {"finding": finding.name, "group": one.group, "key": to_text(one.key), "score": one.score}
        | {"reason": one.reason}
        | {name: to_text(value) if name == "of" else value for name, value in one.details.items()}
        for finding in findings
        for one in finding.images
    ]
    return pa.Table.from_pylist([{name: row.get(name) for name in schema.names} for row in rows], schema)


def _schema() -> "pa.Schema":
    import pyarrow as pa

    text, number, whole = pa.string(), pa.float64(), pa.int64()
    return pa.schema(
        [
            *(("finding", text), ("group", whole), ("key", text), ("score", number), ("reason", text)),
            *(("of", text), ("evidence", text), ("distance", whole), ("mirrored", pa.bool_()), ("likeness", number)),
            ("correlation", number),
            *(("label", text), ("suggested", text), ("probability", number)),
        ]
    )
