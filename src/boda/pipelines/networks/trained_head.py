"""The head of a ResNet that was trained here: its last layer as a head like any other, of the features before it."""

from typing import TYPE_CHECKING, Any

import numpy as np

from boda.encoders.torch_encoder import TorchEncoder
from boda.heads.asking import Asked
from boda.heads.assembling import Wanted
from boda.heads.head import Head, Trained
from boda.heads.learner import Predictor
from boda.heads.linear import LinearModel
from boda.heads.parts import FeaturePart
from boda.heads.preparation import Preparation
from boda.heads.ratings import RatingsModel
from boda.heads.scores import LinearScores
from boda.heads.target import Target

if TYPE_CHECKING:
    from torch import nn

    from boda.pipelines.networks.gathering import Gathered
    from boda.training.tasks import Task

_MOST = 50_000_000
"""Rows times outputs that a head keeps."""


def facts_of(target: Target | None, task: "Task") -> dict[str, Any]:
    """What the outputs of a network mean, as plain JSON; nothing where images are learned."""
    from boda.training.tasks import Number

    if target is None:
        return {}
    facts: dict[str, Any] = {"kind": target.kind, "name": target.name, "names": list(target.names)}
    if target.kind == "ratings":
        facts["levels"] = list(target.levels)
    return facts | ({"middle": task.middle, "spread": task.spread} if isinstance(task, Number) else {})


def trained_head(
    encoder: TorchEncoder, gathered: "Gathered", target: Target, task: "Task", asked: Asked, name: str
) -> Head:
    """The last layer of a ResNet as a head of its features; nobody measured it on images it had not seen.

    Args:
        encoder: the network of a run.
        gathered: images that it was trained on, or chosen by. Of very many the head does not say which they are: it
            keeps a number for each and each output.
        target: that it was trained on.
        task: as it was learned.
        asked: how it was asked for.
        name: of the head.
    """
    last: nn.Linear = encoder._running.network.module.get_submodule("fc")  # type: ignore[assignment]
    names = gathered.names if len(gathered.names) * target.outputs <= _MOST else ()
    weights = np.array(last.weight.detach().cpu().double().numpy().T)
    offset = np.array(last.bias.detach().cpu().double().numpy())
    wanted = Wanted(encoder.recipe.name, encoder.recipe)
    width = len(weights)
    part = FeaturePart(wanted.name, encoder.recipe.id, "raw", np.zeros(width, np.float32), np.ones(width, np.float32))
    return Head(
        name=name,
        asked=Asked(asked.text, target.kind, names=target.names),
        target=target.blank,
        wanted=(wanted,),
        preparation=Preparation((part,)),
        model=_model(task, weights, offset),
        trained=Trained.untested(names, gathered.contents, target.outputs)
        if names
        else Trained.unknown(target.outputs),
    )


def _model(task: "Task", weights: Any, offset: Any) -> Predictor:
    from boda.training.tasks import Number, Shares

    if isinstance(task, Number):
        return LinearModel(weights * task.spread, task.middle + task.spread * offset, unit_length=False)
    if isinstance(task, Shares):
        return RatingsModel(LinearScores(weights, offset), {"trained": "with its network"})
    return LinearModel(weights, offset, unit_length=False)
