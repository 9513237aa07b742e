"""Cluster: groups of images without labels, how stable they are, and how they relate to labels where there are some."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np

from boda.arrays import StoredFeatures
from boda.clusters.clustering import Clustering, find_clusters
from boda.clusters.methods import ROWS_A_DIRECTION, method_named
from boda.clusters.predicting import HOW, How
from boda.clusters.rows import Rows, different_rows
from boda.clusters.stability import Effort, Sweep, sweep
from boda.counted import counted
from boda.errors import Refused
from boda.keys import shown, to_json
from boda.pipelines.clusters.cells import Cell, asked_cell, cells_of, refuse_unknown
from boda.pipelines.clusters.classes import compare_with, read_truth
from boda.pipelines.clusters.keeping import check_can_keep, keep_clusterings
from boda.pipelines.clusters.measuring import Found, complete, measure, record_of, summary_of
from boda.pipelines.clusters.reporting import Report, files_of, names_of
from boda.pipelines.output_folder import Folder, output_folder
from boda.pipelines.places import Where, opened
from boda.pipelines.seeds import check_seed
from boda.recipe import Recipe

KS = (2, 3, 4, 5, 6, 8, 10)
"""Numbers of clusters that are looked at where nobody says which."""


@dataclass(frozen=True, eq=False)
class Clustered:
    """What a sweep found."""

    workspace: str
    recipe: Recipe
    found: tuple[Found, ...]
    sweep: Sweep
    record: Mapping[str, Any]
    """All figures, as plain JSON."""
    cells: tuple[Cell, ...]
    folder: Path
    """Of tables and pictures."""
    page: Path | None

    @property
    def clusterings(self) -> dict[str, Clustering]:
        """By the names under which they are kept."""
        return {one.name: one.clustering for one in self.found}

    @property
    def supported_k(self) -> int | None:
        """How many clusters the features support, of those looked at; None: none of them."""
        return self.sweep.verdict.k

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return dict(self.record) | {
            "cells": [cell.as_json() for cell in self.cells],
            "folder": to_json(str(self.folder)),
            "page": None if self.page is None else to_json(str(self.page)),
        }


def cluster(
    workspace: Where,
    k: int | Sequence[int] | None = None,
    *,
    method: str = "kmeans",
    labels: str | None = None,
    class_groups: int | None = None,
    classes_by: How = "majority",
    recipe: str | Recipe | None = None,
    name: str | None = None,
    seed: int = 0,
    restarts: int = 10,
    effort: Effort | None = None,
    cells: Sequence[str] = (),
    to: str | os.PathLike[str] | None = None,
    page: bool = True,
    force: bool = False,
) -> Clustered:
    """Find groups of images, say how stable they are, and keep them in the workspace.

    Clusters are numbered from the largest; the numbers mean nothing else. Each clustering is found again by other seeds
    and in halves of the images, and the same is done with features that have no groups: which k the features support,
    or that they support none, is said by that alone. Labels are looked at afterwards.

    Args:
        workspace: whose features.
        k: how many clusters, or several to compare; None: `KS`. Not for hdbscan, which finds it itself.
        method: kmeans, spherical, minibatch, gmm, hdbscan or agglomerative.
        labels: a column of classes to compare the clusters with; new images get classes by it too.
        class_groups: put the classes into so many groups by their clusters; None: as many as clusters.
        classes_by: `majority`: a cluster is the class of most of its images; `matched`: one to one (Hungarian).
        recipe: which features, where there are several: id, beginning of an id, or name.
        name: under which a clustering is kept, and of several the beginning; None: METHOD-K, as kmeans-10.
        seed: of all that is drawn; the same seed gives the same clusters.
        restarts: independent starts, of which the best is kept.
        effort: how often each clustering is found again (`boda.clusters.stability.Effort`).
        cells: whose images to list: CLASS,CLUSTER, or CLUSTER alone.
        to: the folder of tables and pictures; None: NAME-cluster/ beside the workspace.
        page: write an HTML page too.
        force: write over files in that folder that this did not write.

    Raises:
        NotFound: no such features, column, class or cluster.
        Refused: what is asked for makes no sense for these images; says what would.
        Busy, ReadOnly: the workspace cannot be written now; told before anything is computed.
    """
    _refuse_impossible(method, classes_by, seed, restarts, class_groups)
    seed, restarts = int(seed), int(restarts)  # numpy's whole numbers are none to JSON
    asked_cells = [asked_cell(cell) for cell in cells]
    there = opened(workspace)
    features = there.features(recipe)
    if not len(features):
        raise Refused(f"{there.path}: no image has features of {shown(features.recipe.name)}: nothing to group")
    ks = _ks(k, method, features.array)
    truth = read_truth(there, labels, features.keys) if labels is not None else None
    names = {one: _name(name, method, one, alone=len(ks) == 1) for one in ks}
    stem = name or method
    check_can_keep(list(names.values()), there)
    folder = Folder(output_folder(there.path, "cluster", to), "cluster", force=force)
    folder.check(names_of(stem, list(names.values()), page=page))

    clusterings = {
        one: find_clusters(
            features.array, method, one, keys=features.keys, recipe=features.recipe, seed=seed, restarts=restarts
        )
        for one in ks
    }
    refuse_unknown(asked_cells, list(clusterings.values()))
    cell_list = tuple(
        cell for one, clustering in clusterings.items() for cell in cells_of(names[one], clustering, truth, asked_cells)
    )
    found_labels = {one: clustering.labels for one, clustering in clusterings.items()}
    stability = sweep(features.array, method, found_labels, rng=np.random.default_rng([seed, 10]), effort=effort)
    found = []
    for one, clustering in clusterings.items():
        classes = (
            None if truth is None else compare_with(clustering, truth, groups=class_groups, how=classes_by, seed=seed)
        )
        found.append(measure(names[one], clustering, features, classes, seed))
    record = record_of(str(there.path), features, found, stability, labels)
    facts = dict(zip(names.values(), record["clusterings"], strict=True))
    kept = tuple(replace(one, clustering=complete(one, facts[one.name])) for one in found)
    files = files_of(there, features, Report(stem, kept, stability, record, page=page))
    folder.check(files)
    keep_clusterings({one.name: (one.clustering, summary_of(facts[one.name])) for one in kept}, there)
    stale = [*names_of(stem, list(names.values()), page=True), *names.values()]
    folder.write(files, instead_of=stale)
    place = folder.path / f"{stem}.html" if page else None
    return Clustered(str(there.path), features.recipe, kept, stability, record, cell_list, folder.path, place)


def _refuse_impossible(method: str, classes_by: str, seed: int, restarts: int, class_groups: int | None) -> None:
    method_named(method)
    if classes_by not in HOW:
        raise Refused(f"classes_by is {classes_by!r}; it can be {', '.join(map(repr, HOW))}")
    check_seed(seed)
    given: dict[str, object] = {"restarts": restarts, "class_groups": 1 if class_groups is None else class_groups}
    for what, value in given.items():
        if not isinstance(value, Integral) or value < 1:
            raise Refused(f"{what} is {value}; it can be a whole number, 1 or more")


def _ks(k: int | Sequence[int] | None, method: str, features: StoredFeatures) -> list[int | None]:
    """The numbers of clusters to look for, ascending, each once.

    Raises:
        Refused: one is impossible for so many rows, or the method takes none.
    """
    if not method_named(method).takes_k:
        if k is not None:
            raise Refused(f"{method} finds the number of clusters itself: leave out -k, or choose another --method")
        return [None]
    rows = len(features)
    if k is None:
        different = different_rows(Rows(features), KS[-1])
        each = ROWS_A_DIRECTION if method == "gmm" else 2
        few = [one for one in KS if one <= min(rows // each, different)]
        if not few:
            few_rows = counted(rows, "image is", "images are")
            raise Refused(
                f"{few_rows} too few to look for groups: give {2 * each} or more, not all with the same features"
            )
        return list(few)
    given = [k] if isinstance(k, int | Integral) else k
    if isinstance(given, float) or not all(isinstance(one, Integral) for one in given):
        raise Refused(f"k is {k!r}: give a whole number, or several")
    asked = sorted({int(one) for one in given})
    if not asked:
        raise Refused("no number of clusters: give at least one, such as -k 2,5,10")
    if asked[0] < 2:
        raise Refused(f"k is {asked[0]}: groups begin at 2")
    if asked[-1] > rows:
        at_most = f": choose a k of at most {rows}" if rows > 1 else ", which has nobody to be grouped with"
        raise Refused(f"{asked[-1]} clusters of {counted(rows, 'image')}{at_most}")
    return list(asked)


def _name(name: str | None, method: str, k: int | None, *, alone: bool) -> str:
    if name is not None and alone:
        return name
    return name or method if k is None else f"{name or method}-{k}"
