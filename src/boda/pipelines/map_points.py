"""Map: every image of a workspace becomes a point, and every point says how far it can be trusted."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from boda.cores import cores
from boda.errors import NotFound, Refused
from boda.keys import shown, to_json
from boda.maps.graph import Rows
from boda.maps.mapping import Layout, Method, Settings, map_rows, place_rows, settings_for, steps_of
from boda.maps.space import Metric
from boda.pipelines.maps.keeping import KIND, KeptMap, contents_of, keep_map, load_map, still_there
from boda.pipelines.maps.measuring import Measured, measure, measure_placed
from boda.pipelines.maps.showing import Background, Places, colouring_of, show, where
from boda.pipelines.maps.steps import Steps
from boda.pipelines.maps.words import limits
from boda.pipelines.places import Where, opened
from boda.pipelines.run.meter import OnProgress
from boda.pipelines.seeds import check_seed
from boda.recipe import Recipe
from boda.workspace.features import FeatureSet
from boda.workspace.results import check_given
from boda.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True, eq=False)
class Mapped:
    """A map that was made and is kept in the workspace."""

    workspace: str
    name: str
    recipe: Recipe
    settings: Settings
    keys: Sequence[str]
    """(n,)"""
    places: npt.NDArray[np.float32]
    """(n, 2) or (n, 3): where each image lies."""
    points: Mapping[str, npt.NDArray[np.float32]]
    """(n,) each, NaN where it was not measured: `trustworthiness`, `continuity`, `kept`, `disagreement`."""
    record: Mapping[str, Any]
    """`measured`, each figure with its interval; `limits`, what the map does not show; `onto`, where it was laid."""
    picture: Path
    page: Path

    def as_json(self) -> dict[str, Any]:
        """Plain JSON, without the points: those are in the workspace."""
        return {
            "workspace": to_json(self.workspace),
            "name": self.name,
            "recipe": self.recipe.id,
            "encoder": self.recipe.name,
            "points": len(self.keys),
            "settings": self.settings.as_json(),
            **self.record,
            "picture": to_json(str(self.picture)),
            "page": to_json(str(self.page)),
        }


def map_points(
    workspace: Where,
    *,
    method: Method | None = None,
    dims: int | None = None,
    recipe: str | Recipe | None = None,
    metric: Metric | None = None,
    perplexity: float | None = None,
    neighbours: int | None = None,
    onto: str | os.PathLike[str] | None = None,
    colour: str | None = None,
    starts: int = 3,
    seed: int | None = None,
    name: str | None = None,
    to: str | os.PathLike[str] | None = None,
    force: bool = False,
    progress: OnProgress | None = None,
) -> Mapped:
    """Make a map of all images with features, measure its errors, keep it, and draw it.

    The same seed gives the same map. Neighbours are looked for in the first 50 principal components; the errors are
    measured among the features themselves.

    Args:
        workspace: whose images.
        method: `tsne` (the default), `umap` or `pca`.
        dims: 2 (the default) or 3.
        recipe: which features, where there are several: id, beginning of an id, or name.
        metric: `euclidean` (the default) or `cosine`.
        perplexity: of t-SNE: about how many neighbours count; None: 30, or a third of the other images.
        neighbours: of UMAP; None: 15.
        onto: a map that is kept (`NAME`, or `OTHER.boda/NAME`): images it does not know are placed on it, and what is
            there stays where it is to the bit. Method, recipe and all else are that map's.
        colour: a column by which points are coloured; or `cluster:NAME`, a clustering that is kept.
        starts: maps from other random starts, by which the disagreement of each point is measured; 0 for none.
        seed: of all that is random; None: 0.
        name: of the map in the workspace; by default the method (`tsne-3d`), or the name of the map at `onto`.
        to: the page, a file that ends in .html, the picture beside it; or a folder for both. By default NAME-map/
            beside the workspace.
        force: write over files that are there.
        progress: is told how many steps of all maps were taken.

    Raises:
        NotFound: no such features, map or column.
        Refused: settings that do not fit, too few images, nothing to place, or files in the way.
        MissingExtra: UMAP, and umap-learn is not installed.
        Busy, ReadOnly: the workspace cannot be written now; told before anything is computed.
    """
    there = opened(workspace)
    if starts != int(starts):
        raise Refused(f"{starts} starts: give a whole number, such as 3, or 0 for none")
    if starts < 0 or starts == 1:
        raise Refused(f"{starts} starts have nothing to agree on: give 3, or 0 for none")
    if onto is not None:
        given: dict[str, object] = {"method": method, "dims": dims, "recipe": recipe, "metric": metric, "seed": seed}
        given |= {"perplexity": perplexity, "neighbours": neighbours}
        if said := [one for one, value in given.items() if value is not None]:
            raise Refused(f"with onto, {' and '.join(said)} cannot be chosen: they are those of the map")
        job = _Onto.of(there, onto)
        asked = name or job.reference.name
    else:
        job = None
        if seed is not None:
            check_seed(seed)
        features = there.features(recipe)
        settings = settings_for(
            len(features),
            method or "tsne",
            dims=2 if dims is None else dims,
            metric=metric or "euclidean",
            perplexity=perplexity,
            neighbours=neighbours,
            seed=int(seed or 0),
        )
        asked = name or settings.method + ("-3d" if settings.dims == 3 else "")
    check_given(KIND, asked, {"map.json": b""})
    colouring = colouring_of(there, colour)
    places = where(there, asked, to, force=force)
    with there.write():
        pass
    if job is not None:
        kept, background = job.placed(there, asked, progress)
    else:
        kept, background = _made(there, features, settings, asked, starts, progress), None
    keep_map(kept, there)
    show(there, kept, places, colouring, background)
    return _mapped(there, kept, places)


def _mapped(workspace: Workspace, kept: KeptMap, places: Places) -> Mapped:
    return Mapped(
        str(workspace.path),
        kept.name,
        workspace.recipe(kept.recipe),
        kept.settings,
        kept.keys,
        kept.places,
        kept.points,
        kept.record,
        places.picture,
        places.page,
    )


def _made(
    workspace: Workspace, features: FeatureSet, settings: Settings, name: str, starts: int, progress: OnProgress | None
) -> KeptMap:
    """A new map of all images."""
    steps = Steps((1 + starts) * steps_of(settings), progress)
    layout = map_rows(features.array, settings, threads=cores(), stepped=steps)
    measured = measure(features.array, layout.places, settings, starts=starts, threads=cores(), stepped=steps)
    return _kept(workspace, features, settings, name, layout, np.zeros(len(features), np.bool_), measured, None)


def _kept(
    workspace: Workspace,
    features: FeatureSet,
    settings: Settings,
    name: str,
    layout: Layout,
    placed: npt.NDArray[np.bool_],
    measured: Measured,
    onto: Mapping[str, Any] | None,
) -> KeptMap:
    record = {
        "measured": measured.record,
        "components": len(layout.space.directions),
        "limits": list(limits(settings, layout.space)),
        "onto": onto,
    }
    keys, contents = tuple(features.keys), contents_of(workspace, features)
    points = measured.points
    return KeptMap(
        name, features.recipe.id, settings, layout.space, keys, contents, layout.places, placed, points, record
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Onto:
    """A kept map on which images are to be placed."""

    reference: KeptMap
    """Its points whose images are as they were."""
    gone: int
    """Points whose images are not."""
    old: FeatureSet
    rows: Rows
    """(r,): of each point, in `old`."""
    owner: Workspace
    features: FeatureSet
    """Of the workspace whose images are placed."""
    known: npt.NDArray[np.int64]
    """(n,): of each of these, its point on the map; -1 where it has none."""

    @classmethod
    def of(cls, workspace: Workspace, onto: str | os.PathLike[str]) -> "_Onto":
        """Load the map and find out what is new."""
        whole, owner = load_map(onto, workspace)
        reference, old, rows = still_there(whole, owner)
        if reference.placed.all():
            raise Refused(
                f"map {shown(whole.name)} holds only images that were placed on another: place these onto that one"
            )
        try:
            features = workspace.features(whole.recipe)
        except NotFound as error:
            raise Refused(
                f"{workspace.path} has no features of recipe {whole.recipe}, of which map {shown(whole.name)} is made "
                f"({shown(old.recipe.name)}); what other features say cannot be laid on it"
            ) from error
        known = np.full(len(features), -1)
        if owner.path.resolve() == workspace.path.resolve():
            known[rows] = np.arange(len(rows))
        if (known >= 0).all():
            raise Refused(f"{workspace.path}: map {shown(whole.name)} has all its images; there is nothing to place")
        return cls(reference, len(whole.keys) - len(rows), old, rows, owner, features, known)

    def placed(self, workspace: Workspace, name: str, progress: OnProgress | None) -> tuple[KeptMap, Background | None]:
        """The map with its new points; and, of a map of another workspace, the points it has there."""
        reference, settings = self.reference, self.reference.settings
        makers = ~reference.placed
        new = np.flatnonzero(self.known < 0)
        places = np.empty((len(self.features), settings.dims), np.float32)
        places[self.known >= 0] = reference.places[self.known[self.known >= 0]]
        places[new] = place_rows(
            reference.layout,
            self.old.array[self.rows[makers]],
            self.features.array[new],
            settings,
            threads=cores(),
            stepped=Steps(steps_of(settings, placing=True), progress),
        )
        placed = np.ones(len(places), np.bool_)
        placed[self.known >= 0] = reference.placed[self.known[self.known >= 0]]
        measured = self._measured(places, new)
        onto = {
            "map": reference.name,
            "workspace": workspace.path.name if self.known.max() >= 0 else self.owner.path.name,
            "points": int(makers.sum()),
            "gone": self.gone,
            "placed": len(new),
        }
        layout = Layout(places, reference.space)
        kept = _kept(workspace, self.features, settings, name, layout, placed, measured, onto)
        if self.known.max() >= 0:
            return kept, None
        return kept, Background(reference.places)

    def _measured(self, places: npt.NDArray[np.float32], new: Rows) -> Measured:
        """Of the new points among all, theirs and those of the map."""
        settings, reference = self.reference.settings, self.reference
        if self.known.max() >= 0:
            found = measure_placed(self.features.array, places, new, settings)
            at = self.known >= 0
            points = {one: values.copy() for one, values in found.points.items()}
            for one, values in reference.points.items():
                points.setdefault(one, np.full(len(places), np.nan, np.float32))[at] = values[self.known[at]]
            return replace(found, points=points)
        features = np.concatenate([self.old.array[self.rows], self.features.array])
        n = len(self.rows)
        found = measure_placed(features, np.concatenate([reference.places, places]), new + n, settings)
        return replace(found, points={one: values[n:] for one, values in found.points.items()})
