"""Which scores are climbed: channels of a layer, classes of the network's own, or any other that can be asked for."""

from dataclasses import replace

from boda.errors import Refused
from boda.explanations.channels import channel_score
from boda.explanations.head_score import head_score
from boda.explanations.score import Score
from boda.heads.head import Head
from boda.keys import shown
from boda.pipelines.explaining.asked import asked_score, known_names
from boda.pipelines.explaining.held import held_at_mean, rows_of_head
from boda.pipelines.explaining.named_score import Known, named_class, named_score, refuse_other
from boda.pipelines.heads.keeping import load_head
from boda.pipelines.looking.given import Inside, Seen
from boda.pipelines.looking.look import Wanted
from boda.pipelines.searching.examples import rows_of


def scores_of(inside: Inside, wanted: Wanted, start: Seen | None) -> list[Score]:
    """Every score that is asked for.

    Args:
        inside: what is looked into.
        wanted: what is asked.
        start: the image that is begun with. Where it is one of the workspace, its row is what a head is given beside
            the image.

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
        return [named_class(inside.network, one, probability=wanted.probability) for one in wanted.classes]
    if isinstance(wanted.score, str):
        return [_asked(inside, wanted.score, start)]
    assert wanted.score is not None
    return [wanted.score]


def _asked(inside: Inside, text: str, start: Seen | None) -> Score:
    """A score as it is written for `boda explain`."""
    asked = asked_score(text, None, None, known_names(inside.workspace))
    known = Known(
        inside.network, inside.encoder, inside.recipe, inside.workspace, lambda name: inside.image(name).pixels
    )
    if asked.kind != "head":
        return named_score(asked, known)
    head = load_head(asked.name, inside.workspace)
    if not head.recipes:
        raise Refused(f"head {shown(head.name)!r} takes columns only: there is no image to climb it by")
    refuse_other(head.recipes, f"head {shown(head.name)!r}", known)
    return _of_head(inside, head, asked.answer, start)


def _of_head(inside: Inside, head: Head, answer: str | None, start: Seen | None) -> Score:
    """With all that it is given beside the image where it is: in the row of the start, else at its mean."""
    is_alone = len(head.preparation.kept) == 1 and head.unit is None
    if is_alone or start is None or start.key is None or inside.workspace is None:
        block, held = held_at_mean(head, inside.recipe)
        beside = "at the mean of the training rows"
    else:
        features = inside.workspace.features(inside.recipe)
        own = features.array[rows_of(inside.workspace, features, [start.key])[start.key]]
        _, block, held = rows_of_head(inside.workspace, head).of(inside.recipe, start.key, own)
        beside = f"as in the row of {shown(start.key)}"
    score = head_score(head, block, answer, held)
    return score if held is None else replace(score, title=f"{score.title}, its other inputs {beside}")
