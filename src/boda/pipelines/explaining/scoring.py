"""Scores of images: what is asked for becomes, for each image, a function of what the network gives.

Images whose function is the same are explained together; those of a head with other inputs each have their own, as the
other inputs are held where they are.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from boda.errors import Refused
from boda.explanations.channels import class_score
from boda.explanations.cluster_score import cluster_score
from boda.explanations.contributions import Contributions, contributions
from boda.explanations.head_score import answers_of, head_score
from boda.explanations.score import Score
from boda.heads.head import Head
from boda.heads.inputs import FeatureInput, Inputs
from boda.keys import shown
from boda.pipelines.explaining.asked import Asked
from boda.pipelines.explaining.held import rows_of_head
from boda.pipelines.explaining.images import read_file
from boda.pipelines.explaining.named_score import Known, clustering_of, named_score
from boda.pipelines.explaining.subjects import Subjects

_BACKGROUND = 200
"""Rows that an average image of a collection is made of."""
T = TypeVar("T")

_SEED = 0
"""Of the orders of inputs that are drawn where there are too many to try all."""


@dataclass(frozen=True, eq=False)
class Group:
    """Images that one function scores."""

    score: Score
    rows: tuple[int, ...]
    """Among the subjects."""


@dataclass(frozen=True, eq=False)
class Scoring:
    """The scores of all subjects."""

    groups: tuple[Group, ...]
    moved: tuple[Contributions | None, ...] = ()
    """(n,) how much each input of a head moved its score; () where it has but one."""
    notes: tuple[str, ...] = ()


def scoring(asked: Asked, subjects: Subjects, head: Head | None) -> Scoring:
    """What is asked for, of these images.

    Args:
        asked: what.
        subjects: which images.
        head: the one that is asked for, if one is.

    Raises:
        NotFound: no such cluster, key or class.
        Refused: the score cannot be explained, or not without a workspace; says why.
    """
    if asked.kind == "head":
        assert head is not None
        return _of_head(head, asked.answer, subjects)
    if asked.kind == "cluster" and subjects.workspace is None:
        raise Refused("a cluster is explained in the workspace where it is: give that, and the images with --row")
    if asked.answer is None and asked.kind == "class":
        return _of_likeliest_classes(subjects)
    if asked.answer is None and asked.kind == "cluster":
        return _of_own_clusters(asked.name, subjects)
    return Scoring((Group(named_score(asked, _known(subjects)), tuple(range(len(subjects.keys)))),))


def _known(subjects: Subjects) -> Known:
    network, features = subjects.network, subjects.features
    spec = network.recipe.pixels
    assert spec is not None
    recipe = network.recipe if features is None else features.recipe
    return Known(network, subjects.encoder, recipe, subjects.workspace, lambda name: read_file(name, spec))


def _of_likeliest_classes(subjects: Subjects) -> Scoring:
    """Of the network's own classifier, for each image the class it finds likeliest."""
    network = subjects.network
    likeliest = subjects.through(network.logits).argmax(axis=1)
    return Scoring(_grouped(likeliest.tolist(), lambda index: class_score(network, int(index))))


def _of_own_clusters(name: str, subjects: Subjects) -> Scoring:
    """For each image the cluster it is in."""
    assert subjects.features is not None
    assert subjects.stored is not None
    clustering = clustering_of(name, _known(subjects))
    own, _ = clustering.assign(subjects.stored, recipe=subjects.features.recipe.id)
    if (own < 0).any():
        key = subjects.keys[int(np.flatnonzero(own < 0)[0])]
        raise Refused(f"{shown(key)} is in no cluster: name one, --score cluster:{name}:K")
    return Scoring(_grouped(own.tolist(), lambda cluster: cluster_score(clustering, int(cluster))))


def _of_head(head: Head, answer: str | None, subjects: Subjects) -> Scoring:
    if subjects.workspace is None:
        return _of_head_alone(head, answer, subjects)
    assert subjects.features is not None
    assert subjects.stored is not None
    rows = rows_of_head(subjects.workspace, head)
    places = [
        rows.of(subjects.features.recipe, key, own) for key, own in zip(subjects.keys, subjects.stored, strict=True)
    ]
    design = np.stack([np.array(rows.design.make(slice(row, row + 1))[0]) for row, _, _ in places])
    answers = _answers(head, answer, design)
    if len(head.preparation.kept) == 1 and head.unit is None:
        block = places[0][1]
        return Scoring(_grouped(answers, lambda one: head_score(head, block, one)), notes=_likeliest(head, answer))
    groups = tuple(
        Group(head_score(head, block, one, held), (place,))
        for place, ((_, block, held), one) in enumerate(zip(places, answers, strict=True))
    )
    background = rows.design.make(np.linspace(0, rows.design.rows - 1, min(_BACKGROUND, rows.design.rows)).astype(int))
    moved = tuple(
        contributions(
            head, design[place : place + 1], one, background=background, rng=np.random.default_rng([_SEED, place])
        )
        for place, one in enumerate(answers)
    )
    return Scoring(groups, moved, _likeliest(head, answer))


def _of_head_alone(head: Head, answer: str | None, subjects: Subjects) -> Scoring:
    """Of image files: a head that takes nothing but the image."""
    if len(head.preparation.kept) > 1 or head.unit is not None:
        raise Refused(
            f"head {shown(head.name)!r} takes more than one image: embed these images and join their columns, then "
            "give the workspace"
        )
    block = head.preparation.kept[0].name
    features = subjects.through(subjects.network.features)
    wanted = head.wanted[0]
    assert wanted.recipe is not None
    given = Inputs((FeatureInput(wanted.name, wanted.recipe.id, features, scaling=wanted.scaling),))
    design = head.preparation.design(given).dense()
    answers = _answers(head, answer, design)
    return Scoring(_grouped(answers, lambda one: head_score(head, block, one)), notes=_likeliest(head, answer))


def _answers(head: Head, answer: str | None, design: npt.NDArray[np.float32]) -> list[str | None]:
    """The answer that is asked for; of classes and labels the likeliest of each image, where none is."""
    if answer is not None or head.target.kind not in {"class", "labels"}:
        return [answer] * len(design)
    names = answers_of(head)
    return [names[place] for place in head.model.outputs(design).argmax(axis=1)]


def _likeliest(head: Head, answer: str | None) -> tuple[str, ...]:
    if answer is not None or head.target.kind not in {"class", "labels"}:
        return ()
    return ("each image is explained for the answer that the head finds likeliest for it",)


def _grouped(names: Sequence[T], score: Callable[[T], Score]) -> tuple[Group, ...]:
    rows: dict[T, list[int]] = {}
    for row, name in enumerate(names):
        rows.setdefault(name, []).append(row)
    return tuple(Group(score(name), tuple(of)) for name, of in rows.items())
