"""What a head says of the images of a workspace, one row an image."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from boda.heads import columns
from boda.heads.answers import Answers
from boda.heads.assembling import assemble
from boda.heads.head import Head
from boda.keys import from_text, to_json, to_text
from boda.workspace.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa

_NO_VIEW = "an image of it is missing, or has no features"


@dataclass(frozen=True, eq=False)
class HeadPredictions:
    """One row an image, or a unit of images, in the order of the listing."""

    head: Head
    keys: tuple[str, ...]
    rows: npt.NDArray[np.intp]
    """(n,) for each key its place in `answers`; -1 where there is no prediction."""
    answers: Answers
    trained_on: npt.NDArray[np.bool_]
    """(n,) whether the head has seen this image in training, so that its prediction is no test of it; of no use where
    it came without its rows."""
    reasons: Mapping[str, str] = field(default_factory=dict)
    """Why keys have no prediction."""

    def __len__(self) -> int:
        return len(self.keys)

    def table(self) -> "pa.Table":
        """`key`, `prediction`, then intervals or probabilities, `trained_on`, and `reason` where there is none."""
        import pyarrow as pa

        absent = self.rows < 0
        safe = np.where(absent, 0, self.rows)
        found: dict[str, Any] = {"key": [to_text(key) for key in self.keys]}
        for name, values in self.answers.columns().items():
            taken = values[safe] if len(values) else np.full(len(safe), None)
            found[name] = pa.array(taken.tolist(), mask=absent)
        known = self.head.trained.known
        found["trained_on"] = self.trained_on if known else pa.nulls(len(self), pa.bool_())
        found["reason"] = pa.array([self.reasons.get(key) for key in self.keys], pa.string())
        return pa.table(found)

    def as_json(self) -> dict[str, Any]:
        """Plain JSON: `{"head", "target", "predictions": [{"key", "prediction", ..., "trained_on"}]}`."""
        rows = self.table().to_pylist()
        for row, key in zip(rows, self.keys, strict=True):
            row["key"] = to_json(key)
            if row["reason"] is None:
                del row["reason"]
        return {"head": self.head.name, "target": self.head.target.name, "predictions": rows}


def predict_workspace(workspace: Workspace, head: Head) -> HeadPredictions:
    """Every listed image, or unit of images, gets a row: a prediction, or the reason why there is none.

    Raises:
        NotFound: the workspace has no features of the head's recipes, or lacks a column.
    """
    table = workspace.frame()
    assembled = assemble(workspace, table, head.wanted, head.unit, may_be_empty=True)
    answers = head.predict(assembled.inputs)
    contents: list[bytes | None]
    if head.unit is not None:
        named = columns.texts(table, head.unit.column).tolist()
        keys = tuple(dict.fromkeys(name for name in named if name is not None))
        known = dict(zip(assembled.keys, assembled.contents, strict=True))
        contents = [known.get(key) for key in keys]
    else:
        keys = tuple(from_text(key) for key in table["key"].to_pylist())
        contents = [bytes.fromhex(one) if one else None for one in table["content"].to_pylist()]
    place = {key: row for row, key in enumerate(assembled.keys)}
    rows = np.array([place.get(key, -1) for key in keys], np.intp)
    absent = {key for key, row in zip(keys, rows, strict=True) if row < 0}
    reasons = _reasons(workspace, head, absent) if head.unit is None else dict.fromkeys(absent, _NO_VIEW)
    return HeadPredictions(head, keys, rows, answers, head.trained.seen(keys, contents), reasons)


def _reasons(workspace: Workspace, head: Head, absent: set[str]) -> dict[str, str]:
    if not absent:
        return {}
    ids = {recipe.id for recipe in head.recipes} | {""}
    found = {one.key: str(one.unreadable) for one in workspace.quarantined() if one.recipe in ids}
    return {key: found.get(key, "not embedded yet") for key in absent}
