"""The index for approximate search as a workspace keeps it: a result, made again when the features change."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from boda.cores import cores
from boda.errors import Refused
from boda.retrieval import index as graphs
from boda.retrieval.index import NearIndex
from boda.workspace import results
from boda.workspace.features import FeatureSet
from boda.workspace.records import ResultInfo
from boda.workspace.workspace import Workspace

KIND = "index"
_FILE = "graph.usearch"
_FORMAT = 1
_BLOCK = 65_536
_LEAST = 2


@dataclass(frozen=True, eq=False)
class KeptIndex:
    """An index, and what was measured when it was made."""

    index: NearIndex
    made: bool
    """It was made for this search."""
    recall: dict[str, Any]
    """`value`, `low`, `high` (90 %), `neighbours`, `queries`."""

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {"made": self.made, "recall": self.recall}


def kept_index(workspace: Workspace, features: FeatureSet) -> KeptIndex:
    """The index of these features: the one that is kept, or a new one where there is none or they have changed.

    Raises:
        MissingExtra: usearch is not installed.
        Refused: there are fewer than two rows.
        Busy, ReadOnly, DiskTrouble: there is none yet, and the workspace cannot be written now.
    """
    if len(features) < _LEAST:
        raise Refused(f"{len(features)} rows need no index: leave out --approximate")
    version = graphs.version()
    name = f"{features.recipe.id}-{_digest(features)[:32]}"
    for info in workspace.results(KIND):
        if info.name == name and _is_ours(info, features, version):
            found = _view(workspace, info, features)
            if found is not None:
                return KeptIndex(found, made=False, recall=dict(info.summary["recall"]))
    with workspace.write():
        pass
    rng = np.random.default_rng(0)
    index = graphs.build(features.array, rng=rng, threads=cores())
    share = graphs.recall(index, features.array, rng=rng)
    recall = {
        "value": share.value,
        "low": share.low,
        "high": share.high,
        "neighbours": min(graphs.NEIGHBOURS, len(features) - 1),
        "queries": min(graphs.QUERIES, len(features)),
    }
    record = _record(features, version) | {"recall": recall}
    with workspace.write() as writer:
        for old in workspace.results(KIND):
            if old.name.startswith(f"{features.recipe.id}-") and old.name != name:
                writer.remove_result(KIND, old.name)
        writer.put_result(KIND, name, {_FILE: index.data()}, summary=record)
    return KeptIndex(index, made=True, recall=recall)


def _record(features: FeatureSet, version: str) -> dict[str, Any]:
    """What an index must say of itself to be used."""
    return {
        "of": features.recipe.name,
        "format": _FORMAT,
        "usearch": version.partition(".")[0],
        "rows": len(features),
        "width": int(features.array.shape[1]),
    }


def _is_ours(info: ResultInfo, features: FeatureSet, version: str) -> bool:
    wanted = _record(features, version)
    return {name: info.summary.get(name) for name in wanted} == wanted and isinstance(info.summary.get("recall"), dict)


def _view(workspace: Workspace, info: ResultInfo, features: FeatureSet) -> NearIndex | None:
    """The index as it lies there, mapped like the features; None where it is not whole: it can be made again."""
    path: Path = workspace.path / results.FOLDER / info.kind / info.digest / _FILE
    if results.why_damaged(workspace.path, info, deep=False) is not None:
        return None
    try:
        index = graphs.view(path, int(features.array.shape[1]))
    except (RuntimeError, ValueError, FileNotFoundError):
        return None
    return index if index.shape == features.array.shape else None


def _digest(features: FeatureSet) -> str:
    """Of the numbers, in their order: by the name of their file where they are one."""
    if features.stored is not None:
        return features.stored.replace("-", "")
    digest = hashlib.sha256()
    for start in range(0, len(features), _BLOCK):
        digest.update(np.ascontiguousarray(features.array[start : start + _BLOCK]).data)
    return digest.hexdigest()
