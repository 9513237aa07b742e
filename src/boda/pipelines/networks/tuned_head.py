"""The head of a tuned network as a head like any other: of the features that the tuned encoder gives."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from boda.encoders.trained import WEIGHTS, read_tuned
from boda.heads import columns
from boda.heads.asking import Asked
from boda.heads.assembling import Wanted
from boda.heads.head import Head, Trained
from boda.heads.learner import CrossFit, Outputs, Predictor
from boda.heads.linear import LinearModel
from boda.heads.parts import FeaturePart
from boda.heads.preparation import Preparation
from boda.heads.ratings import RatingsModel
from boda.heads.scores import LinearScores
from boda.heads.votes import VotesModel
from boda.pipelines.heads.judging import judge
from boda.pipelines.networks.tuning import Kept, Subject
from boda.recipe import Recipe
from boda.training.tasks import Number, Shares, Votes


def tuned_head(
    subject: Subject,
    kept: Kept,
    recipe: Recipe,
    name: str,
    tested: tuple[Outputs, npt.NDArray[np.int64]] | None,
    data: Mapping[str, Any],
) -> Head:
    """The head of a network that was kept.

    Args:
        subject: what was tuned, on what.
        kept: the network.
        recipe: of its features.
        name: of the head.
        tested: (n, o) what networks of folds say of rows that they had not seen, and (n,) these folds; None: nobody
            knows what the head is worth.
        data: of the workspace, for the card.
    """
    material, plan = subject.material, subject.material.plan
    target, assembled = material.target, material.assembled
    column = material.group_column
    groups = None if column is None else tuple(columns.texts(assembled.table, column).tolist())
    _, head, _ = read_tuned(kept.plan, subject.pixels, kept.folder.path / WEIGHTS)
    first = Wanted(recipe.name, recipe)
    part = FeaturePart(first.name, recipe.id, "standardised", head.mean.numpy(), head.scale.numpy())
    weights = head.linear.weight.detach().double().numpy().T
    offset = head.linear.bias.detach().double().numpy()
    model = _model(kept, weights, offset)
    found = Head(
        name=name,
        asked=Asked(plan.asked.text, target.kind, plan.asked.tree, plan.asked.total, target.names),
        target=target.blank,
        wanted=(first, *material.wanted[1:]),
        preparation=Preparation((part, *kept.preparation.kept[1:])),
        model=model,
        trained=replace(Trained.untested(assembled.keys, assembled.contents, target.outputs), groups=groups),
    )
    if tested is None:
        return found
    outputs, folds = tested
    judged = judge(material, CrossFit(model, outputs, folds, (), kept.folder.seconds()), None)
    return replace(
        found,
        trained=Trained(assembled.keys, assembled.contents, folds, outputs, groups=groups),
        calibration=judged.calibration,
        interval=judged.interval,
        class_sets=judged.class_sets,
        evaluation=judged.record | {"data": dict(data)},
    )


def _model(kept: Kept, weights: npt.NDArray[np.float64], offset: npt.NDArray[np.float64]) -> Predictor:
    """A predictor of the same scores."""
    task, how = kept.task, {"tuned": kept.plan.architecture}
    if isinstance(task, Number):
        return LinearModel(weights * task.spread, task.middle + task.spread * offset, unit_length=False)
    if isinstance(task, Shares):
        return RatingsModel(LinearScores(weights, offset), how)
    if isinstance(task, Votes):
        return VotesModel(LinearScores(weights, offset), how | {"answers": list(task.answers)})
    return LinearModel(weights, offset, unit_length=False)
