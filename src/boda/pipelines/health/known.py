"""Copies that an inspection found and the workspace keeps, for what must not stand on both sides of a fold."""

import json
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from boda.errors import NotFound
from boda.pipelines.health.collection import Collection
from boda.workspace.workspace import Workspace

KIND, NAME, FILE = "inspection", "duplicates", "copies.json"


def copies_file(collection: Collection, groups: npt.NDArray[np.int64]) -> bytes:
    """Groups (n,) of a collection as a list of groups, each of the digests of its files; of one file none."""
    members: dict[int, list[str]] = {}
    for row in collection.distinct.tolist():
        members.setdefault(int(groups[row]), []).append(collection.contents[row].hex())
    return json.dumps([one for one in members.values() if len(one) > 1]).encode()


def known_copies(workspace: Workspace, files: Sequence[Sequence[str | None]]) -> list[list[int]]:
    """For each row, the groups of copies that its files belong to, by the inspection that is kept; none without one.

    Args:
        workspace: where it is kept.
        files: (n,) digests in hex of the image files that each row is made of.

    Raises:
        Damaged: the inspection is not as it was written.
    """
    try:
        groups = json.loads(workspace.result(KIND, NAME)[FILE])
    except NotFound:
        return [[] for _ in files]
    number = {content: place for place, group in enumerate(groups) for content in group}
    return [[number[one] for one in of_row if one in number] for of_row in files]
