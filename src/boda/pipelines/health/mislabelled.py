"""Labels that are probably wrong, by heads that had not seen the image."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from boda.counted import counted
from boda.errors import Refused
from boda.evaluation.groups import join
from boda.evaluation.proportion import share_of
from boda.evaluation.weighted import Floats
from boda.heads.asking import Asked
from boda.heads.crossfit import out_of_fold
from boda.heads.logistic import Logistic
from boda.health.label_errors import LabelErrors, label_errors
from boda.keys import shown
from boda.pipelines.heads.judging import held_out_points
from boda.pipelines.heads.material import Material, Plan, gather
from boda.pipelines.health.finding import Accuracy, Finding, Found
from boda.recipe import Recipe
from boda.workspace.workspace import Workspace

MANY = 0.1
"""Share of wrong labels that is many: three times what was found in ten well-known test sets, 3.3 % on average
(Northcutt, Athalye and Mueller, "Pervasive label errors in test sets", NeurIPS 2021)."""


@dataclass(frozen=True, eq=False)
class HeldOut:
    """What heads that had not seen an image say of it."""

    material: Material
    probabilities: Floats
    """(n, k) calibrated on other folds; the mean over feature sets."""
    judged: npt.NDArray[np.bool_]
    """(n,) False where no head had learned the class that the image is given."""

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """(n,) the given classes."""
        given: npt.NDArray[np.int64] = self.material.target.values
        return given


def held_out(
    workspace: Workspace,
    column: str,
    recipes: Sequence[Recipe],
    *,
    copies: Mapping[str, int] | None = None,
    folds: int = 5,
    seed: int = 0,
) -> HeldOut:
    """Train a head on each feature set and fold, as `boda.train` does, and ask it of the images that it had not seen.

    Equal files and near-duplicates are in one fold, so that no image is judged by its own copy.

    Args:
        workspace: whose features and labels.
        column: of classes.
        recipes: the feature sets; several heads know better than one. Folds are made by the first.
        copies: the group of copies that an image is in, by key; they are kept in one fold too.
        folds: how many.
        seed: of the folds.

    Raises:
        NotFound: no such column.
        Refused: too few rows that are no copies, or only one class; a row has no features of a further set.
    """
    asked = Asked(column, kind="class")
    first = gather(workspace, Plan(asked, (recipes[0].id,), folds=folds, seed=seed))
    if copies is not None:
        first = replace(first, groups=join(first.groups, [copies.get(key) for key in first.assembled.keys]))
    different = len(np.unique(first.groups))
    if different < folds:
        raise Refused(
            f"{counted(len(first), 'image with a label is', 'images with a label are')} "
            f"{counted(different, 'different picture')}, as copies stay together: too few for {folds} folds; label "
            "more images"
        )
    numbers = first.split(first.groups)
    said = []
    for place, recipe in enumerate(recipes):
        plan = Plan(asked, (recipe.id,), folds=folds, seed=seed)
        material = first if not place else first.with_inputs(workspace, plan)
        rng = np.random.default_rng([seed, 3])
        outputs = out_of_fold(material.inputs, first.target, Logistic(), numbers, groups=first.groups, rng=rng)
        said.append(held_out_points(first.target, outputs, numbers))
    given = first.target.values
    judged = np.zeros(len(first), bool)
    for fold in range(folds):
        away = numbers == fold
        judged[away] = np.isin(given[away], given[~away])
    return HeldOut(first, np.mean(said, axis=0), judged)


def mislabelled(
    workspace: Workspace, column: str, recipes: Sequence[Recipe], *, copies: Mapping[str, int] | None = None, seed: int
) -> tuple[Finding, LabelErrors]:
    """Images whose label is probably wrong; `copies` as of `held_out`.

    Raises:
        NotFound, Refused: as `held_out`.
    """
    found = held_out(workspace, column, recipes, copies=copies, seed=seed)
    rows = np.flatnonzero(found.judged)
    if not len(rows):
        raise Refused(f"column {shown(column)!r}: no class has an image in two folds, so none can be judged")
    errors = label_errors(found.labels[rows], found.probabilities[rows])
    names, keys = found.material.target.names, found.material.assembled.keys
    images = []
    for place in errors.rows.tolist():
        row = int(rows[place])
        given, instead = names[found.labels[row]], names[errors.suggested[place]]
        sure, instead_sure = (float(found.probabilities[row, k]) for k in (found.labels[row], errors.suggested[place]))
        reason = f"given {shown(given)} ({sure:.2f}), looks like {shown(instead)} ({instead_sure:.2f})"
        details = {"label": given, "suggested": instead, "probability": instead_sure}
        images.append(Found(keys[row], reason, float(errors.margin[place]), details=details))
    told = (
        f"confident learning: {found.material.plan.folds} folds of heads on "
        f"{', '.join(shown(one.name or one.id) for one in recipes)}, each asked of images that it had not seen; a "
        "label is doubted where another class is above its own usual probability, as many of each pair of classes as "
        "their joint counts say"
    )
    accuracy = _accuracy(found, rows)
    notes = (*_warned(accuracy), *_notes(found))
    return Finding("label errors", "labels", tuple(images), len(rows), told, notes, accuracy), errors


def _accuracy(found: HeldOut, rows: npt.NDArray[np.int64]) -> Accuracy:
    """How often the heads say what the labels of these rows say; copies count as one image."""
    labels = found.labels[rows]
    right = share_of(found.probabilities[rows].argmax(axis=1) == labels, groups=found.material.groups[rows])
    return Accuracy(right, float(np.bincount(labels).max() / len(labels)))


def _warned(accuracy: Accuracy) -> tuple[str, ...]:
    """How good the heads are, and whether most of what they would say otherwise is their own mistake.

    A label is doubted only where the heads disagree with it. Where they disagree with more than two of ten, most of
    that is theirs, unless more than `MANY` of the labels are wrong.
    """
    said = (
        f"the heads are {accuracy.said} of the images that they had not seen, as labelled; the most common label alone "
        f"would be for {100 * accuracy.most_common:.0f} %"
    )
    apart = 1 - accuracy.right.value
    if apart <= 2 * MANY:
        return (said,)
    mind = (
        f"mind: they disagree with {100 * apart:.0f} % of the labels; even if every tenth label were wrong, at least "
        f"{100 * (1 - MANY / apart):.0f} of 100 of these would be their own mistakes, so most of what is listed may be "
        "right"
    )
    return said, mind


def _notes(found: HeldOut) -> tuple[str, ...]:
    notes = []
    if found.material.not_compared:
        notes.append(found.material.not_compared)
    if left := int((~found.judged).sum()):
        alone = counted(left, "image of a class that is", "images of classes that are")
        notes.append(f"{alone} in one fold only: not judged, since no head had learned them")
    return tuple(notes)
