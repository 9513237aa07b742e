"""Where clusterings are kept: in a workspace, by name."""

import os
from collections.abc import Collection, Mapping
from typing import Any, TypeAlias

from boda.clusters.clustering import Clustering
from boda.errors import NotFound
from boda.keys import shown
from boda.sources.walking import is_workspace
from boda.workspace.results import check_given
from boda.workspace.workspace import Workspace, open_workspace

KIND = "clustering"
"""Of a result in a workspace."""

AnyClustering: TypeAlias = str | os.PathLike[str] | Clustering
"""A clustering; or its name in a workspace (`W.boda/NAME` where no workspace is at hand)."""


def load_clustering(
    clustering: AnyClustering, workspace: Workspace | None = None
) -> tuple[Clustering, Workspace | None]:
    """The clustering of this name, and the workspace it is kept in; that is None for one that was handed over.

    Raises:
        NotFound: there is none; lists those that are there.
        Damaged, NewerFormat: it cannot be read.
    """
    if isinstance(clustering, Clustering):
        return clustering, None
    name = os.fspath(clustering)
    above, _, last = name.rpartition("/")
    if above and is_workspace(os.fsencode(above)):  # no name of a result has a slash
        return load_clustering(last, open_workspace(above))
    if workspace is None:
        raise NotFound(f"{shown(name)}: no clustering of this name; give W.boda/NAME, the workspace it is kept in")
    known = [one.name for one in workspace.results(KIND)]
    if name not in known:
        there = ", ".join(map(shown, known)) or "no clusterings; make one with boda cluster"
        raise NotFound(f"{shown(name)}: no clustering of this name. {workspace.path} has: {there}")
    files = workspace.result(KIND, name)
    return Clustering.from_files(files, f"{workspace.path}: clustering {shown(name)}"), workspace


def keep_clusterings(clusterings: Mapping[str, tuple[Clustering, Mapping[str, Any]]], workspace: Workspace) -> None:
    """Keep clusterings, each with its summary, under their names, in place of those that have these names.

    Raises:
        Busy, ReadOnly, DiskTrouble: the workspace cannot be written now.
    """
    with workspace.write() as writer:
        for name, (clustering, summary) in clusterings.items():
            writer.put_result(KIND, name, clustering.files(), summary=summary)


def check_can_keep(names: Collection[str], workspace: Workspace) -> None:
    """Find out before clusters are looked for whether they can be kept under these names.

    Raises:
        Refused: one is no name for a result.
        Busy, ReadOnly: the workspace cannot be written now.
    """
    for name in names:
        check_given(KIND, name, {"clustering.json": b""})
    with workspace.write():
        pass
