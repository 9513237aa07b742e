"""Scores that are one function for all images, by their names: a class, a channel, a cluster, likeness, words.

What differs from image to image is decided by those who have images: the likeliest class of each, the cluster it is in,
what a head is given beside it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from boda.arrays import Pixels
from boda.clusters.clustering import Clustering
from boda.encoders.opened import OpenNetwork
from boda.encoders.text import as_text_encoder
from boda.errors import NotFound, Refused
from boda.explanations.channels import channel_score, class_score
from boda.explanations.cluster_score import cluster_score
from boda.explanations.likeness_score import likeness_score, text_score
from boda.explanations.score import Score
from boda.keys import shown
from boda.pipelines.clusters.keeping import load_clustering
from boda.pipelines.explaining.asked import Asked
from boda.pipelines.explaining.class_names import class_index
from boda.pipelines.searching.examples import Given, key_of, read_examples
from boda.recipe import Recipe
from boda.workspace.workspace import Workspace

if TYPE_CHECKING:
    from boda.encoders.base import Encoder


@dataclass(frozen=True, eq=False)
class Known:
    """What names are looked up in."""

    network: OpenNetwork
    encoder: "Encoder"
    recipe: Recipe
    """Of the features, as they are stored; the network computes in fp32."""
    workspace: Workspace | None
    image: Callable[[str], Pixels]
    """(h, w, 3) of an image that is no row, by its name."""


def named_score(asked: Asked, known: Known) -> Score:
    """A score of any kind but a head's, with an answer where it takes one.

    Raises:
        NotFound: no such class, cluster, row or file.
        Refused: a class or cluster that is not named; or what is asked for is not there.
    """
    match asked.kind:
        case "class":
            assert asked.answer is not None
            return named_class(known.network, asked.answer)
        case "channel":
            assert asked.answer is not None
            return channel_score(known.network, asked.name, whole(asked.answer, "channel"))
        case "text":
            return text_score(as_text_encoder(known.encoder).encode_text([asked.name])[0], asked.name)
        case "like":
            return _likeness(asked.name, known)
        case _:
            assert asked.kind == "cluster", "a head needs rows"
            if asked.answer is None:
                raise Refused(f"say which cluster: cluster:{shown(asked.name)}:K")
            return cluster_score(clustering_of(asked.name, known), whole(asked.answer, "cluster"))


def named_class(network: OpenNetwork, answer: int | str, *, probability: bool = False) -> Score:
    """A class of the network's own classifier, by number or by name.

    Raises:
        NotFound: no such class.
        Refused: there is no classifier, or several classes have this name.
    """
    if network.network.logits is None:
        raise Refused(
            f"encoder {network.name!r} has no classifier: ask for a channel, a cluster, a likeness, or the score of a "
            "head instead"
        )
    return class_score(network, class_index(answer, network.class_names), probability=probability)


def clustering_of(name: str, known: Known) -> Clustering:
    """The clustering of this name, if it is one of these features.

    Raises:
        NotFound: there is none.
        Refused: it was found in others.
    """
    clustering, _ = load_clustering(name, known.workspace)
    refuse_other((clustering.recipe,), f"clustering {shown(name)!r}", known)
    return clustering


def refuse_other(recipes: Sequence[Recipe], what: str, known: Known) -> None:
    """Refuse what is of other features than those of the network; `recipes` are those it may be of, at least one."""
    if known.recipe.id not in {one.id for one in recipes}:
        names = ", ".join(f"{shown(one.name)} ({one.id})" for one in recipes)
        own = f"{shown(known.recipe.name)} ({known.recipe.id})"
        raise Refused(f"{what} is of other features, {names}, than these, {own}: give --recipe {recipes[0].id}")


def whole(text: str, what: str) -> int:
    """A number as it is written.

    Raises:
        Refused: it is none.
    """
    if not text.isdecimal():
        raise Refused(f"{what} {shown(text)!r} must be a whole number")
    return int(text)


def _likeness(name: str, known: Known) -> Score:
    """To a row of the workspace, by its stored features, else to an image file."""
    if known.workspace is None:
        return likeness_score(np.asarray(known.encoder(known.image(name)[None])[0], np.float32), name)
    try:
        given = Given("row", key_of(known.workspace, name))
    except NotFound:
        if not Path(name).is_file():
            raise
        given = Given("image", name)
    features = known.workspace.features(known.recipe)
    (example,) = read_examples(known.workspace, features, [given], lambda: known.encoder)
    return likeness_score(np.asarray(example.features, np.float32), given.name)
