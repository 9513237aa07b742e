"""Publishing: a head and its encoder as a folder in the form of model hubs, with a card that says how good it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from boda.arrays import Pixels
from boda.encoders import timm_layout
from boda.encoders.base import Encoder
from boda.encoders.timm_layout import Scores, TimmLayout
from boda.encoders.torch_encoder import TorchEncoder
from boda.errors import Refused
from boda.evaluation.calibration import Platt, Temperature
from boda.heads.answers import points_of
from boda.heads.card import Use, card
from boda.heads.head import FILES, Head
from boda.heads.inputs import FeatureInput, Inputs
from boda.heads.parts import FeaturePart
from boda.keys import shown
from boda.pipelines.heads.agreement import TOLERANCE, Agreement, check_graph, made_images, worst
from boda.pipelines.heads.one_graph import one_graph

GRAPH = "model.onnx"
NAMES = (*FILES, *timm_layout.FILES, GRAPH)
"""What such a folder may hold."""


@dataclass(frozen=True)
class Publication:
    """What goes into the folder."""

    files: Mapping[str, bytes]
    use: Use
    agreement: Agreement | None
    """With the head; None where no network went along that gives its predictions."""
    notes: tuple[str, ...]
    """Why something is not as one might wish."""


def publish(
    head: Head, encoders: Sequence[Encoder], real: Mapping[str, Pixels], *, base: Sequence[str], rows: bool
) -> Publication:
    """Make the files.

    One network of timm goes in timm's own layout, with the head as its classifier where that is the same; others go
    together with the head as one ONNX graph. Encoders that torch does not compute stay behind.

    Args:
        head: to be published.
        encoders: of its recipes, in their order; none where nobody knows what computed its features.
        real: images for each pixel input, to compare on.
        base: repositories of a model hub that the encoders came from.
        rows: with the keys of the images that it was trained on.

    Raises:
        MissingExtra: a graph is needed, and what writes ONNX is not installed.
        Refused: the graph says something else than the head.
    """
    use, files, agreement, notes = Use("head", tuple(base)), dict[str, bytes](), None, list[str]()
    exact = [one.at("fp32") for one in encoders]
    torch_encoders = [one for one in exact if isinstance(one, TorchEncoder)]
    if head.recipes and len(torch_encoders) < len(head.recipes):
        notes.append("its encoder is not here as a network: new images need the same encoder from elsewhere")
    elif torch_encoders:
        if any(one.recipe.precision != "fp32" for one in encoders):
            notes.append("it was trained on features computed in bf16; the network in this folder computes in fp32")
        found, why = _in_timms_layout(head, torch_encoders, real)
        notes += why
        if found is not None:
            layout, agreement = found
            files |= layout.files
            use = replace(use, form="timm" if agreement is not None else "timm encoder")
        else:
            graph = one_graph(head, torch_encoders)
            agreement = check_graph(graph, head, torch_encoders, real)
            files[GRAPH] = graph.data
            use = replace(use, form="onnx")
    use = replace(use, rows=rows and head.trained.known)
    if head.asked.tree is not None:  # a file, maybe, whose folders are nobody's business
        head = replace(head, asked=replace(head.asked, tree=Path(head.asked.tree).name))
    files |= head.files(rows=rows)
    files["README.md"] = card(head.as_json(), use).encode()
    return Publication(files, use, agreement, tuple(notes))


def _in_timms_layout(
    head: Head, encoders: Sequence[TorchEncoder], real: Mapping[str, Pixels]
) -> tuple[tuple[TimmLayout, Agreement | None] | None, list[str]]:
    """The layout, with the head as its classifier and how well these agree, or without; and why not better."""
    networks = {(one.architecture, one.weights, str(one.arguments), one.pixels) for one in head.recipes}
    if len(networks) > 1:
        return None, []
    scores = scores_of(head)
    try:
        if scores is not None:
            try:
                layout = timm_layout.timm_layout(encoders[0], scores)
                return (layout, _compared(head, encoders[0], layout, real)), []
            except Refused as refusal:
                plain = timm_layout.timm_layout(encoders[0])
                return (plain, None), [f"the head is not the network's classifier, but beside it: {refusal}"]
        return (timm_layout.timm_layout(encoders[0]), None), []
    except Refused as refusal:
        return None, [f"the network is an ONNX graph: {refusal}"]


def scores_of(head: Head) -> Scores | None:
    """The head as a classifier on its encoder's own features, scaling and calibration included; None if it is not.

    A softmax of such scores gives calibrated probabilities of classes, and shares of ratings; a sigmoid those of
    labels. A number is its score.
    """
    recipe, part = head.wanted[0].recipe, head.preparation.kept[0]
    linear = head.model.kind in {"ridge", "logistic", "labels", "ratings"}
    if recipe is None or len(head.wanted) > 1 or head.unit is not None or not linear:
        return None
    own = (recipe.layer, recipe.pooling) == ("pooled", "model")
    if not own or not isinstance(part, FeaturePart) or part.scaling == "normalised":
        return None
    tensors = head.model.tensors()
    weights = tensors["weights"] / part.scale.astype(np.float64)[:, None]
    offset = tensors["offset"] - part.mean.astype(np.float64) @ weights
    if isinstance(head.calibration, Temperature):
        weights, offset = weights / head.calibration.value, offset / head.calibration.value
    if isinstance(head.calibration, Platt):
        slopes = np.array(head.calibration.slopes)
        weights, offset = weights * slopes, offset * slopes + np.array(head.calibration.offsets)
    return Scores(weights, offset, tuple(map(shown, head.target.names or (head.target.name,))))


def _compared(head: Head, encoder: TorchEncoder, layout: TimmLayout, real: Mapping[str, Pixels]) -> Agreement:
    """How far the predictions that follow from timm's scores are from the head's.

    Raises:
        Refused: too far.
    """
    made = made_images(layout.pixels.shape)
    pixels = np.concatenate([made, *real.values()])
    part = head.preparation.kept[0]
    assert isinstance(part, FeaturePart)
    block = FeatureInput(part.name, part.recipe, encoder(pixels), scaling=part.scaling)
    expected = head.predict(Inputs((block,)))
    scores = layout(pixels).astype(np.float64)
    plain = points_of(head.target, scores)
    said = replace(head, calibration=None).answers(scores)
    largest = worst(head, expected, {"prediction": np.asarray(said.values), "probabilities": plain})
    if not largest <= TOLERANCE:
        raise Refused(f"as its classifier in float32 it would be off by {largest:.1e}, and {TOLERANCE:g} is the limit")
    return Agreement(largest, len(made), len(pixels) - len(made))
