"""Which scores are climbed: channels of a layer, classes of the network's own, or any other that can be asked for."""

import numpy as np

from boda.encoders.text import as_text_encoder
from boda.errors import Refused
from boda.explanations.channels import channel_score, class_score
from boda.explanations.cluster_score import cluster_score
from boda.explanations.head_score import head_score
from boda.explanations.likeness_score import likeness_score, text_score
from boda.explanations.score import Score
from boda.keys import shown
from boda.pipelines.clusters.keeping import load_clustering
from boda.pipelines.explaining.asked import Asked, asked_score, known_names
from boda.pipelines.explaining.class_names import class_index
from boda.pipelines.heads.keeping import load_head
from boda.pipelines.looking.given import Inside
from boda.pipelines.looking.look import Wanted


def scores_of(inside: Inside, wanted: Wanted) -> list[Score]:
    """Every score that is asked for.

    Raises:
        NotFound: no such class, head, clustering or image.
        Refused: none is asked for, or several kinds at once, or one of another recipe.
    """
    kinds = [bool(wanted.channels), bool(wanted.classes), wanted.score is not None]
    if sum(kinds) != 1:
        raise Refused("say what to climb: channels of a layer, classes, or a score; one of the three")
    if wanted.probability and not wanted.classes:
        raise Refused("a probability is that of a class: give one, or leave probability out")
    if (wanted.layers or wanted.place) and not wanted.channels:
        raise Refused("a layer and a place are those of channels: give these, or leave layer and place out")
    if wanted.channels:
        layer = wanted.layers[0] if wanted.layers else inside.own_layer
        return [channel_score(inside.network, layer, one, place=wanted.place) for one in wanted.channels]
    if wanted.classes:
        return [_of_class(inside, one, probability=wanted.probability) for one in wanted.classes]
    if isinstance(wanted.score, str):
        return [_asked(inside, wanted.score)]
    assert wanted.score is not None
    return [wanted.score]


def _of_class(inside: Inside, answer: int | str, *, probability: bool) -> Score:
    if inside.network.network.logits is None:
        raise Refused(f"encoder {inside.name!r} has no classifier: climb a channel, or the score of a head")
    return class_score(inside.network, class_index(answer, inside.network.class_names), probability=probability)


def _asked(inside: Inside, text: str) -> Score:
    """A score as it is written for `boda explain`."""
    asked = asked_score(text, None, None, known_names(inside.workspace))
    if asked.kind == "class":
        assert asked.answer is not None
        return _of_class(inside, asked.answer, probability=False)
    if asked.kind == "channel":
        if asked.answer is None or not asked.answer.isdecimal():
            raise Refused(f"no score {shown(text)!r}: write channel:LAYER:INDEX")
        return channel_score(inside.network, asked.name, int(asked.answer))
    if asked.kind == "text":
        return text_score(as_text_encoder(inside.encoder).encode_text([asked.name])[0], asked.name)
    if asked.kind == "like":
        image = inside.image(asked.name)
        return likeness_score(np.asarray(inside.encoder(image.pixels[None])[0], np.float32), image.name)
    return _of_cluster(inside, asked) if asked.kind == "cluster" else _of_head(inside, asked)


def _of_cluster(inside: Inside, asked: Asked) -> Score:
    if asked.answer is None or not asked.answer.isdecimal():
        raise Refused(f"say which cluster: cluster:{shown(asked.name)}:K")
    clustering, _ = load_clustering(asked.name, inside.workspace)
    _refuse_other(inside, {clustering.recipe.id}, f"clustering {shown(asked.name)!r}")
    return cluster_score(clustering, int(asked.answer))


def _of_head(inside: Inside, asked: Asked) -> Score:
    """Of a head that takes nothing but the image: others are refused, as there is no row to hold."""
    head = load_head(asked.name, inside.workspace)
    _refuse_other(inside, {one.id for one in head.recipes}, f"head {shown(head.name)!r}")
    return head_score(head, head.preparation.kept[0].name, asked.answer)


def _refuse_other(inside: Inside, recipes: set[str], what: str) -> None:
    if inside.recipe.id not in recipes:
        raise Refused(
            f"{what} is of other features ({', '.join(sorted(recipes)) or 'none'}) than those of {inside.name} "
            f"({inside.recipe.id}): look into the network that made them, with recipe"
        )
