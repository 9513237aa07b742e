"""Train: features and columns of a workspace become a head, tested on rows it had not seen."""

import hashlib
import os
import re
from collections.abc import Sequence
from typing import Literal

import numpy as np

from boda.heads import columns
from boda.heads.asking import Asked
from boda.heads.crossfit import cross_fit
from boda.heads.head import Head, Trained
from boda.heads.inputs import Scaling
from boda.heads.target import Kind
from boda.pictures.page import write_page
from boda.pipelines.heads.judging import judge
from boda.pipelines.heads.keeping import check_can_keep, head_place, keep_head, write_folder
from boda.pipelines.heads.material import Material, Method, Plan, gather, learner_of, names_in, unit_of
from boda.pipelines.heads.reporting import AnyPage, page_place, report
from boda.pipelines.places import Where, opened
from boda.workspace.workspace import Workspace

_LONGEST = 80
"""Signs of a target that go into the name of its head."""


def train(  # noqa: PLR0913 - each is an option of the command
    workspace: Where,
    target: str,
    *,
    inputs: str | Sequence[str] = (),
    target_kind: Kind | None = None,
    tree: str | None = None,
    total: str | None = None,
    method: Method = "auto",
    loss: Literal["likelihood", "emd"] = "likelihood",
    scaling: Scaling = "standardised",
    groups: str | None = None,
    unit: str | None = None,
    view: str | None = None,
    folds: int = 5,
    seed: int = 0,
    name: str | None = None,
    to: str | os.PathLike[str] | None = None,
    page: AnyPage = None,
    force: bool = False,
) -> Head:
    """Learn to predict a target, test it on rows that were held out, and keep the head in the workspace.

    Equal files and near-duplicates are always on one side of a test, as are rows of one group. What has to be chosen
    (a penalty, when to stop) is chosen inside the training rows.

    Args:
        workspace: whose features and labels.
        target: a column; `log10(COLUMN)`; `COLUMN=VALUE`, one class against the rest; `count_*` or names with commas
            between, for labels, ratings and votes.
        inputs: feature sets and columns by name; `COLUMN:category` for numbers that are names. None: the latest
            features.
        target_kind: number, class, labels, ratings or votes; None: told by the values.
        tree: of votes: gz2, decals, nine, or a TOML file.
        total: of votes that are fractions: the column that says how many people were asked.
        method: `linear` (ridge, logistic and their kin, the default) or `mlp`.
        loss: of ratings: multinomial `likelihood`, or squared `emd`.
        scaling: of features.
        groups: a column; rows that agree there stay on one side. None: a column called `group`, `patient`, ... if
            there is one.
        unit: a column; images that agree there are one row.
        view: of a unit: the column that tells its images apart; None: their features are averaged.
        folds: how many.
        seed: of folds and all that is random.
        name: of the head; by default the target's.
        to: also write the head as a folder.
        page: an HTML file with scores, drawings and the worst errors; by default NAME-train/HEAD.html beside the
            workspace; False: none.
        force: write over what is at `to` and `page`.

    Returns:
        The head; `evaluation` on it says how good it is.

    Raises:
        NotFound: no such column or features.
        Refused: nothing to learn, or too few rows.
        Busy, ReadOnly: the workspace cannot be written now; told before anything is computed.
    """
    there = opened(workspace)
    asked = Asked(target, target_kind, tree, total)
    plan = Plan(
        asked,
        names_in(inputs),
        scaling,
        method,
        loss,
        unit_of(unit, view),
        groups,
        folds,
        seed,
    )
    name = name or tame(target)
    check_can_keep(name, there)
    folder = head_place(to, force=force) if to is not None else None
    material = gather(there, plan)
    place = page_place(there, name, page, force=force)
    head = fit_head(there, material, name)
    keep_head(head, there)
    if folder is not None:
        write_folder(head.files(), folder)
    if place is not None:
        write_page(report(there, head, material), place)
    return head


def fit_head(workspace: Workspace, material: Material, name: str) -> Head:
    """The head of some rows, fitted and judged; nothing is kept."""
    plan, target = material.plan, material.target
    learner = learner_of(target, plan)
    folds = material.split(material.groups)
    preparation, fit = cross_fit(
        material.inputs, target, learner, folds, groups=material.groups, rng=np.random.default_rng([plan.seed, 3])
    )
    judged = judge(material, fit, learner)
    counts = workspace.counts([one.recipe.id for one in material.wanted if one.recipe is not None])
    data = {"listed": counts.listed, "quarantined": counts.quarantined, "reasons": counts.by_reason}
    assembled, column = material.assembled, material.group_column
    groups = None if column is None else tuple(columns.texts(assembled.table, column).tolist())
    return Head(
        name=name,
        asked=Asked(plan.asked.text, target.kind, plan.asked.tree, plan.asked.total, target.names),
        target=target.blank,
        wanted=material.wanted,
        preparation=preparation,
        model=fit.model,
        trained=Trained(assembled.keys, assembled.contents, fit.folds, fit.out_of_fold, groups=groups),
        unit=assembled.unit,
        calibration=judged.calibration,
        interval=judged.interval,
        class_sets=judged.class_sets,
        evaluation=judged.record | {"data": data},
    )


def tame(target: str) -> str:
    """A name for a head from what it predicts: letters, digits, `.`, `-` and `_`.

    Letters of other alphabets cannot stay; a digest stands for them, so that no head takes the place of another.

    >>> tame("log10(price_usd)"), tame("derived_label=merger"), tame("점수")
    ('log10-price_usd', 'derived_label-merger', 'head-27651621')
    """
    plain = re.sub(r"[^0-9A-Za-z._-]+", "-", target).strip("-.")[:_LONGEST] or "head"
    if target.isascii() and len(target) <= _LONGEST:
        return plain
    return f"{plain}-{hashlib.sha256(os.fsencode(target)).hexdigest()[:8]}"
