"""Workspaces of given features and labels: images that exist in name only."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from boda import keys
from boda.recipe import Recipe
from boda.sources.base import ImageRef
from boda.workspace.records import Block, Read
from boda.workspace.workspace import Workspace, create_workspace
from making import plain_recipe


def synthetic_workspace(
    place: Path,
    features: Mapping[str, np.ndarray],
    columns: Mapping[str, Sequence[Any]],
    *,
    same_file: Mapping[int, int] | None = None,
    without_features: int = 0,
) -> Workspace:
    """A workspace of n images with features by the name of their recipe, and a label set of these columns.

    `same_file` says which images are copies of which; the last `without_features` images have labels only.
    """
    n = len(next(iter(columns.values())))
    names = [f"{row:05}.png" for row in range(n)]
    contents = [hashlib.sha256(str((same_file or {}).get(row, row)).encode()).digest() for row in range(n)]
    workspace = create_workspace(place)
    embedded = range(n - without_features)
    with workspace.write() as writer:
        writer.set_source({"kind": "folder", "root": str(place.parent / "nowhere")})
        refs = [ImageRef(key=name, path=name.encode(), inner="", size=1, mtime_ns=1) for name in names]
        writer.list(refs, lambda: None, now_ns=2**62)
        for name, array in features.items():
            recipe = plain_recipe(name)
            writer.add_recipe(recipe, array.shape[1])
            rows = {contents[row]: np.asarray(array[row], np.float32) for row in reversed(embedded)}
            block = Block()
            block.reads = [Read(names[row], contents[row], 1, 1, 32, 32, 1, "PNG") for row in embedded]
            block.features[recipe.id] = (list(rows), np.stack(list(rows.values())))
            writer.commit(block)
            writer.merge(recipe.id)
        table = {"key": pa.array([keys.to_bytes(name) for name in names], pa.binary())}
        writer.put_labels("given", pa.table(table | {name: pa.array(values) for name, values in columns.items()}))
    return workspace


def relabel(workspace: Workspace, **columns: Sequence[Any]) -> Workspace:
    """Say other things of the images of a workspace, in the order of their names; what was said before is gone."""
    names = sorted(workspace.frame()["key"].to_pylist())
    table = {"key": pa.array([keys.to_bytes(name) for name in names], pa.binary())}
    with workspace.write() as writer:
        writer.put_labels("given", pa.table(table | {name: pa.array(values) for name, values in columns.items()}))
    return workspace


def recipe_of(workspace: Workspace, name: str) -> Recipe:
    """The recipe of this name."""
    return workspace.recipe(name)
