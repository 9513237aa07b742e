"""Doctor: is the workspace whole, and if not, what is damaged and what to do."""

from dataclasses import asdict, dataclass
from typing import Any

from boda.counted import counted
from boda.keys import shown, to_json
from boda.pipelines.places import Where, opened
from boda.workspace.doctor import Finding, examine


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What was found."""

    workspace: str
    deep: bool
    """Whether every stored byte was hashed again."""
    findings: tuple[Finding, ...]
    """Damage first."""
    forgotten: int
    """Rows that were forgotten by repair, and that the next embed computes again."""

    @property
    def damage(self) -> tuple[Finding, ...]:
        """The findings that are more than notes."""
        return tuple(finding for finding in self.findings if finding.severity == "damage")

    @property
    def whole(self) -> bool:
        """Whether nothing is damaged."""
        return not self.damage

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "workspace": to_json(self.workspace),
            "deep": self.deep,
            "whole": self.whole,
            "forgotten": self.forgotten,
            "findings": [asdict(finding) for finding in self.findings],
        }

    def lines(self) -> list[str]:
        """For people."""
        lines = [f"{finding.severity}: {shown(str(finding))}" for finding in self.findings]
        if self.forgotten:
            lines.append(f"{counted(self.forgotten, 'row')} forgotten: run boda embed again")
        if self.whole:
            checked = "every stored byte was read" if self.deep else "structure and sizes; --deep reads every byte"
            lines.append(f"{shown(self.workspace)}: whole ({checked})")
        return lines


def doctor(workspace: Where, *, deep: bool = False, repair: bool = False) -> Diagnosis:
    """Check a workspace.

    Args:
        workspace: which.
        deep: read and hash every stored byte again.
        repair: forget the rows of damaged or missing files, so that `boda.embed` computes just these again. Features
            that were imported must be imported again. Nothing else is ever changed.

    Raises:
        NotAWorkspace, NewerFormat: it cannot be opened.
        Damaged: its catalogue is not whole.
        Busy, ReadOnly: it cannot be repaired now.
    """
    there = opened(workspace)
    forgotten = 0
    if repair:
        with there.write() as writer:
            forgotten = writer.forget_damaged(deep=deep)
    return Diagnosis(str(there.path), deep, tuple(examine(there, deep=deep)), forgotten)
