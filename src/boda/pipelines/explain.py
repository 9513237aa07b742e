"""Explain: which places of an image move a score, with a check beside each map."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from boda.errors import Refused
from boda.explanations.baselines import NamedBaseline
from boda.explanations.contributions import Contributions
from boda.explanations.methods import HEADS, METHODS, method_named
from boda.heads.head import Head
from boda.keys import shown, to_json
from boda.pipelines.clusters.keeping import load_clustering
from boda.pipelines.explaining.asked import Asked, asked_score, known_names
from boda.pipelines.explaining.comparing import Compared, compare_methods
from boda.pipelines.explaining.held import recipe_of
from boda.pipelines.explaining.images import is_usual
from boda.pipelines.explaining.making import How, Made, make
from boda.pipelines.explaining.scoring import scoring
from boda.pipelines.explaining.subjects import Subjects, in_workspace, of_files
from boda.pipelines.explaining.writing import (
    COMPARED,
    LIMIT,
    Written,
    files_of,
    folder_for,
    ways_of,
    write_comparison,
    write_explanations,
)
from boda.pipelines.heads.keeping import AnyHead, load_head
from boda.pipelines.run.meter import OnProgress
from boda.pipelines.seeds import check_seed
from boda.recipe import Recipe
from boda.sources.walking import is_workspace
from boda.workspace.workspace import Workspace, open_workspace

if TYPE_CHECKING:
    from boda.encoders.base import Encoder

Images = str | os.PathLike[str] | Workspace | Sequence[str | os.PathLike[str]]

DEFAULT = "grad-cam"


@dataclass(frozen=True, eq=False)
class Explained:
    """One image by one method."""

    key: str
    title: str
    """Of the score."""
    unit: str
    value: float
    """The score."""
    method: str
    layer: str
    maps: np.ndarray
    """(y, x), at the places of the layer; (heads, y, x) of attention by heads."""
    difference: float | None
    """Of the score from that of the stored features, in standard deviations; None where nothing is stored."""
    said: str
    """The verdict of the checks, "" where there are none; of attention by heads how many heads are good."""


@dataclass(frozen=True, eq=False)
class Explanations:
    """Maps of some images, and where they were written."""

    explained: tuple[Explained, ...]
    """The images in order, each by all methods."""
    moved: Mapping[str, Contributions]
    """By key, of a head with several inputs: how much each moved its score."""
    recipe: Recipe
    of: int
    """Images that there were to choose from."""
    unseen: Mapping[str, str]
    """Why images that were asked for are not explained."""
    notes: tuple[str, ...]
    written: Written

    @property
    def page(self) -> Path:
        """The gallery."""
        return self.written.page

    def as_json(self) -> dict[str, Any]:
        """Plain JSON: what `record.json` holds, with the paths of what was written."""
        return {**self.written.record, "page": to_json(str(self.page)), "folder": to_json(str(self.written.folder))}


@dataclass(frozen=True, eq=False)
class Comparison:
    """Methods ranked on some images."""

    compared: Compared
    keys: tuple[str, ...]
    recipe: Recipe
    record: Mapping[str, Any]
    table: Path
    """CSV: a row an image, a column a method."""

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {**self.record, "table": to_json(str(self.table))}


def explain(  # noqa: PLR0913  # what is explained, how, and what is made of it
    images: Images,
    *,
    score: str | None = None,
    head: AnyHead | None = None,
    answer: str | None = None,
    method: str | Sequence[str] = DEFAULT,
    layer: str | None = None,
    baseline: NamedBaseline | None = None,
    row: str | Sequence[str] = (),
    where: str | None = None,
    limit: int = LIMIT,
    check: bool = True,
    recipe: str | Recipe | None = None,
    encoder: "str | Encoder | None" = None,
    weights: str | os.PathLike[str] | None = None,
    device: str = "auto",
    opacity: float | None = None,
    at_once: int = 32,
    seed: int = 0,
    to: str | os.PathLike[str] | None = None,
    force: bool = False,
    progress: OnProgress | None = None,
) -> Explanations:
    """See which places of images move a score.

    Images are explained in fp32 through the very pixels that their features were made of, and the score is held
    against that of the stored features. A page, overlays at the images' own size, the maps as npy and a record are
    written.

    Args:
        images: a workspace, or image files and folders.
        score: `class:INDEX`, `head:NAME[:CLASS]`, `vote:NAME:ANSWER`, `cluster:NAME[:K]`, `like:KEY`, `text:WORDS` or
            `channel:LAYER:INDEX`. None, without a head: a class of the network's own classifier.
        head: a head, in place of `score`: its name in the workspace, its folder, or itself.
        answer: of the head or the classifier; None: the likeliest of each image.
        method: one of `boda.explanations.methods.METHODS`, or several; of several, those that cannot explain a score
            are left out, and a note says why.
        layer: where, for methods that work at a layer; None: found by itself.
        baseline: what images are compared with by integrated gradients, DeepLIFT and occlusion: `black`, `mean` (their
            own mean colour; also for None) or `blurred`.
        row: of a workspace: the key of an image, or several; none: `limit` at random.
        where: of a workspace: a condition on columns (`boda.workspace.where`).
        limit: at most so many images, where rows are not named.
        check: with deletion and insertion curves and a network of random weights beside each map.
        recipe: of a workspace: which features, where there are several.
        encoder: of image files, the network; None: `auto`, or the head's. Of a workspace, what made the features,
            where they may not say it themselves.
        weights: for both, a weights file.
        device: where to compute.
        opacity: of the maps over the images, 0 to 1.
        at_once: images, or changed copies of them, a pass; bounds memory.
        seed: of the images that are drawn, of noise, random maps and random weights.
        to: a folder; by default one in NAME-explain/ beside the workspace, or boda-explain/.
        force: write over files that are there.
        progress: hears how many maps are made.

    Raises:
        NotFound: no such image, row, head, cluster or class.
        Refused: the score or the method makes no sense here, or the score is not that of the stored features.
    """
    methods = _methods(method)
    asked, known, subjects = _asked(
        images, score, head, answer, row, where, limit, recipe, encoder, weights, device, seed
    )
    ways = ways_of(
        subjects, ",".join(methods), images, layer=layer, baseline=baseline, rows=_several(row), where=where,
        limit=limit, unasked=is_usual(encoder, weights), seed=seed,
    )  # fmt: skip
    folder = folder_for(subjects.workspace, asked, ways, files_of(methods), to, force=force)
    scores = scoring(asked, subjects, known)
    made, refused = make(subjects, scores.groups, methods, How(layer, baseline, check, seed, at_once), progress)
    left_out = tuple(f"no {method}: {reason}" for method, reason in refused.items())
    notes = (*scores.notes, *left_out, *_notes(made), *_luck(made), *_unseen(subjects))
    written = write_explanations(folder, subjects, asked, scores, made, notes, opacity=opacity, seed=seed)
    moved = {key: one for key, one in zip(subjects.keys, scores.moved, strict=False) if one is not None}
    explained = _in_order(made, len(subjects.keys), subjects)
    return Explanations(explained, moved, subjects.network.recipe, subjects.of, subjects.unseen, notes, written)


def compare_explanations(  # noqa: PLR0913  # as `explain`
    images: Images,
    *,
    score: str | None = None,
    head: AnyHead | None = None,
    answer: str | None = None,
    methods: Sequence[str] | None = None,
    layer: str | None = None,
    baseline: NamedBaseline | None = None,
    row: str | Sequence[str] = (),
    where: str | None = None,
    limit: int = LIMIT,
    recipe: str | Recipe | None = None,
    encoder: "str | Encoder | None" = None,
    weights: str | os.PathLike[str] | None = None,
    device: str = "auto",
    at_once: int = 32,
    seed: int = 0,
    to: str | os.PathLike[str] | None = None,
    force: bool = False,
    progress: OnProgress | None = None,
) -> Comparison:
    """Rank the methods by how well scores follow their maps on these images, and say whether any beats a blob.

    Arguments and errors as of `explain`; `methods` of None are all that give one map an image; of attention by heads
    each head is ranked. Those that cannot explain the score are listed with the reason.
    """
    chosen = _methods([name for name in METHODS if name != HEADS] if methods is None else methods)
    asked, known, subjects = _asked(
        images, score, head, answer, row, where, limit, recipe, encoder, weights, device, seed
    )
    ways = ways_of(
        subjects, "compare" if methods is None else f"compare:{','.join(chosen)}", images, layer=layer,
        baseline=baseline, rows=_several(row), where=where, limit=limit,
        unasked=is_usual(encoder, weights), seed=seed,
    )  # fmt: skip
    folder = folder_for(subjects.workspace, asked, ways, COMPARED, to, force=force)
    scores = scoring(asked, subjects, known)
    how = How(layer, baseline, check=True, seed=seed, at_once=at_once)
    compared = compare_methods(subjects, scores.groups, chosen, how, progress)
    record, table = write_comparison(folder, subjects, asked, scores, compared, seed=seed)
    return Comparison(compared, subjects.keys, subjects.network.recipe, record, table)


def _several(given: str | Sequence[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)


def _methods(method: str | Sequence[str]) -> tuple[str, ...]:
    names = _several(method)
    if not names or len(set(names)) != len(names):
        raise Refused("give at least one method, and each but once")
    for name in names:
        method_named(name)
    return names


def _asked(
    images: Images,
    score: str | None,
    head: AnyHead | None,
    answer: str | None,
    row: str | Sequence[str],
    where: str | None,
    limit: int,
    recipe: str | Recipe | None,
    encoder: "str | Encoder | None",
    weights: str | os.PathLike[str] | None,
    device: str,
    seed: int,
) -> tuple[Asked, Head | None, Subjects]:
    """What is asked for, the head if there is one, and the images."""
    if limit < 1:
        raise Refused(f"limit={limit} must be at least 1")
    check_seed(seed)
    rng = np.random.default_rng(seed)
    rows = _several(row)
    if rows and where is not None:
        raise Refused("rows that are named meet no condition: give rows, or where, not both")
    there, given = _given(images)
    asked = asked_score(score, head.name if isinstance(head, Head) else head, answer, known_names(there))
    loaded = load_head(head if isinstance(head, Head) else asked.name, there) if asked.kind == "head" else None
    made = {"encoder": encoder, "weights": weights, "device": device}
    if there is None:
        if rows or where is not None or recipe is not None:
            raise Refused("rows, a condition and a recipe are of a workspace: give one, or leave them out")
        return asked, loaded, of_files(given, loaded, limit=limit, rng=rng, **made)  # type: ignore[arg-type]
    wanted: str | Recipe | None = recipe
    if loaded is not None:
        wanted = recipe_of(loaded, recipe.id if isinstance(recipe, Recipe) else recipe)
    elif asked.kind == "cluster" and recipe is None:
        wanted = load_clustering(asked.name, there)[0].recipe
    subjects = in_workspace(there, wanted, row=rows, where=where, limit=limit, rng=rng, **made)  # type: ignore[arg-type]
    return asked, loaded, subjects


def _given(images: Images) -> tuple[Workspace | None, list[str | os.PathLike[str]]]:
    """A workspace, or image files."""
    if isinstance(images, Workspace):
        return images, []
    given = [images] if isinstance(images, str | os.PathLike) else list(images)
    if not given:
        raise Refused("explain needs a workspace or an image")
    there = [one for one in given if is_workspace(os.fsencode(one))]
    if not there:
        return None, given
    if len(given) > 1:
        raise Refused(f"{shown(os.fspath(there[0]))}: a workspace is explained alone: name its images with --row")
    return open_workspace(there[0]), []


def _notes(made: Sequence[Made]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(note for one in made for heat in one.heats for note in heat.notes))


def _luck(made: Sequence[Made]) -> tuple[str, ...]:
    """Of a method that gives several maps of an image: how many would pass without knowing anything."""
    several = {one.method: one.checks for one in made if len(one.checks) > 1}
    return tuple(
        f"{method}: {len(checks)} maps of each image, each checked by itself; of as many random maps about "
        f"{len(checks) / (2 * (len(checks[0].chance) + 1)):.2g} would be better than chance"
        for method, checks in several.items()
    )


def _unseen(subjects: Subjects) -> tuple[str, ...]:
    return tuple(f"{shown(key)} is left out: {reason}" for key, reason in subjects.unseen.items())


def _in_order(made: Sequence[Made], count: int, subjects: Subjects) -> tuple[Explained, ...]:
    """By image, then by method."""
    found: list[list[Explained]] = [[] for _ in range(count)]
    for one in made:
        for place, row in enumerate(one.group.rows):
            maps = np.stack([heat.maps[place] for heat in one.heats])
            found[row].append(
                Explained(
                    subjects.keys[row],
                    one.group.score.title,
                    one.group.score.unit,
                    float(one.heats[0].scores[place]),
                    one.method,
                    one.heats[0].layer,
                    maps[0] if len(one.heats) == 1 else maps,
                    None if one.differences is None else float(one.differences[place]),
                    one.verdict(place),
                )
            )
    return tuple(one for images in found for one in images)
