"""Material: the rows of a workspace that a head can learn from, and how they may be divided."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from boda.counted import counted
from boda.errors import Refused
from boda.evaluation.copies import LIMIT, group_copies
from boda.evaluation.folds import split, strata_of
from boda.evaluation.groups import join, sharing
from boda.heads import columns
from boda.heads.asking import Asked, columns_asked, read_target
from boda.heads.assembling import Assembled, Unit, Wanted, assemble, wanted_inputs
from boda.heads.inputs import FeatureInput, Inputs, Rows, Scaling
from boda.heads.learner import Learner
from boda.heads.target import Kind, Target
from boda.keys import shown
from boda.pipelines.health.known import known_copies
from boda.pipelines.seeds import check_seed
from boda.workspace.workspace import Workspace

Method: TypeAlias = Literal["auto", "linear", "mlp"]

GROUP_COLUMNS = (
    "group", "groups", "group_id", "patient", "patient_id", "subject", "subject_id", "participant", "session", "scene",
    "series",
)  # fmt: skip
"""Columns that are taken for groups where nobody names one."""


_WIDE = 64
"""Features narrower than this cannot tell copies from strangers."""
_FEW, _CHAINED = 20, 1 / 3
"""Rows, and the share of all, above which a group of copies is a chain of strangers: features that vary in a few
directions only, as those of an autoencoder, are wide and cannot tell copies either."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What somebody wants to learn, and how it is to be tested."""

    asked: Asked
    inputs: tuple[str, ...] = ()
    scaling: Scaling = "standardised"
    method: Method = "auto"
    loss: Literal["likelihood", "emd"] = "likelihood"
    """Of ratings."""
    unit: Unit | None = None
    groups: str | None = None
    folds: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what no plan can be; a misspelt word would be taken for another.

        Raises:
            Refused: names the word and those that there are.
        """
        for what, word, words in (
            ("target_kind", self.asked.kind, (None, *get_args(Kind))),
            ("method", self.method, get_args(Method)),
            ("scaling", self.scaling, get_args(Scaling)),
            ("loss", self.loss, ("likelihood", "emd")),
        ):
            if word not in words:
                raise Refused(f"{what} is {word!r}; it can be {', '.join(repr(one) for one in words if one)}")
        check_seed(self.seed)
        if self.folds < 2:
            raise Refused(f"{self.folds} folds hold nothing out: choose at least 2")


def names_in(inputs: str | Sequence[str]) -> tuple[str, ...]:
    """Names of inputs, which may be given as on the command line.

    >>> names_in("auto, iso"), names_in(["a,b"])
    (('auto', 'iso'), ('a,b',))
    """
    if not isinstance(inputs, str):
        return tuple(inputs)
    return tuple(name.strip() for name in inputs.split(",") if name.strip())


def unit_of(column: str | None, view: str | None) -> Unit | None:
    """What one row is, as it is asked for: `unit` and `view` of `boda.train`.

    Raises:
        Refused: a view of nothing.
    """
    if column is not None:
        return Unit(column, view)
    if view is not None:
        raise Refused("--view tells the images of a unit apart: give --unit too")
    return None


@dataclass(frozen=True, eq=False)
class Material:
    """n rows."""

    plan: Plan
    wanted: tuple[Wanted, ...]
    assembled: Assembled
    target: Target
    copies: npt.NDArray[np.int64]
    """(n,); equal files and near-duplicates are one group, those of a kept inspection too."""
    group_column: str | None
    groups: npt.NDArray[np.int64]
    """(n,); what must stay on one side: copies, and the rows of one value of the column."""
    left_out: dict[str, int] = field(default_factory=dict)
    not_compared: str = ""
    """Why near-duplicates were not looked for; "" where they were."""

    @property
    def inputs(self) -> Inputs:
        """Of all rows."""
        return self.assembled.inputs

    def __len__(self) -> int:
        return len(self.target)

    def take(self, rows: Rows) -> "Material":
        """Only these rows."""
        return replace(
            self,
            assembled=self.assembled.take(rows),
            target=self.target.take(rows),
            copies=self.copies[rows],
            groups=self.groups[rows],
        )

    def with_inputs(self, workspace: Workspace, plan: Plan) -> "Material":
        """The same rows, targets and groups with the inputs of another plan.

        Raises:
            NotFound: no such features or column.
            Refused: a row has no such features.
        """
        table = self.assembled.table if plan.unit is None else workspace.frame()
        wanted = tuple(wanted_inputs(workspace, table, plan.inputs, plan.scaling))
        assembled = assemble(workspace, table, wanted, plan.unit)
        places = {key: row for row, key in enumerate(assembled.keys)}
        lacking = [key for key in self.assembled.keys if key not in places]
        if lacking:
            raise Refused(
                f"{len(lacking):,} of {len(self):,} rows lack {', '.join(plan.inputs)}, as {shown(lacking[0])}"
            )
        rows = np.array([places[key] for key in self.assembled.keys], np.intp)
        return replace(self, plan=plan, wanted=wanted, assembled=assembled.take(rows))

    def split(self, groups: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """(n,) fold numbers, stratified by the target; rows of one group in one fold."""
        rng = np.random.default_rng([self.plan.seed, 1])
        target = self.target
        questions = target.tree.slices if target.tree is not None else ()
        strata = strata_of(target.kind, target.values, levels=target.levels, questions=questions)
        return split(len(self), folds=self.plan.folds, strata=strata, groups=groups, rng=rng)


def gather(workspace: Workspace, plan: Plan) -> Material:
    """The rows with a target and all inputs.

    Raises:
        NotFound: no such column or features.
        Refused: too few rows for so many folds, or nothing to learn.
    """
    table = workspace.frame()
    wanted = tuple(wanted_inputs(workspace, table, plan.inputs, plan.scaling))
    everything = assemble(workspace, table, wanted, plan.unit)
    rows, target = read_target(everything.table, plan.asked)
    assembled = everything.take(rows)
    unknown = len(everything) - len(rows)
    left_out = dict(everything.left_out) | ({"no target": unknown} if unknown else {})
    if len(target) < 2 * plan.folds:
        fewer = f", or give --folds {len(target) // 2}" if len(target) >= 4 else ""
        raise Refused(
            f"{counted(len(target), 'row is', 'rows are')} too few for {plan.folds} folds: label more images{fewer}"
        )
    asked_of = columns_asked(everything.table, plan.asked)
    _refuse_the_answer(wanted, asked_of)
    column = plan.groups or _group_column(assembled, asked_of)
    for name in [*asked_of, *([column] if column is not None else [])]:
        assembled.refuse_disagreement(name)
    copies, not_compared = copies_of(assembled)
    copies = join(copies, sharing(known_copies(workspace, assembled.files())))
    groups = copies
    if column is not None:
        groups = join(copies, columns.texts(assembled.table, column))
        if len(np.unique(groups)) < plan.folds:
            raise Refused(
                f"column {shown(column)!r} has {len(np.unique(groups))} groups, too few for {plan.folds} folds"
            )
        _refuse_groups_that_are_classes(target, groups, column)
    return Material(plan, wanted, assembled, target, copies, column, groups, left_out, not_compared)


def copies_of(assembled: Assembled, new: int | None = None) -> tuple[npt.NDArray[np.int64], str]:
    """(n,) groups of rows with equal files or near-duplicates; and why the latter were not looked for, "" if they were.

    Near-duplicates are found by the first features that are wide enough, of each view of a unit.
    """
    wide = _pictures(assembled.inputs)
    same = group_copies(assembled.contents, None).groups
    if assembled.unit is not None:
        same = join(same, sharing(assembled.files()))
    if not assembled.inputs.features:
        return same, ""
    if not wide or len(assembled) > LIMIT:
        why = f"more than {LIMIT:,} images" if wide else f"no features are {_WIDE} wide or more"
        return same, f"near-duplicates were not looked for, only equal files: {why}"
    near = [group_copies(assembled.contents, one.array, index=one.index, new=new).groups for one in wide]
    most = max(int(np.bincount(groups).max()) for groups in near)
    if most > max(_FEW, len(assembled) * _CHAINED):
        why = f"by these features {most:,} of {len(assembled):,} would be copies of one another"
        return same, f"near-duplicates were not looked for, only equal files: {why}"
    return join(same, *near), ""


def _refuse_the_answer(wanted: Sequence[Wanted], asked_of: Sequence[str]) -> None:
    """A head that is given the column it is to learn predicts nothing, and looks perfect."""
    given = {name for one in wanted if one.recipe is None for name in (one.name, columns.inside(one.name))}
    for name in asked_of:
        if name in given:
            raise Refused(f"column {shown(name)!r} is the target and an input: leave it out of --inputs")


def _refuse_groups_that_are_classes(target: Target, groups: npt.NDArray[np.int64], column: str) -> None:
    """Where every class is in one group alone, no fold can have learned the classes that it holds out."""
    if target.kind == "class" and len(classes_of_one_group(target, groups)) == len(target.names):
        raise Refused(
            f"each class of {shown(target.name)!r} is in one group of {shown(column)!r} alone, so a test by groups can "
            "learn none of them: give another --groups"
        )


def classes_of_one_group(target: Target, groups: npt.NDArray[np.int64]) -> list[str]:
    """Classes that a test by groups cannot judge: where their only group is held out, nobody has learned them."""
    if target.kind != "class":
        return []
    pairs = np.unique(np.stack([target.values, groups]), axis=1)[0]
    return [target.names[place] for place in np.flatnonzero(np.bincount(pairs, minlength=len(target.names)) == 1)]


def learner_of(target: Target, plan: Plan) -> Learner:
    """What learns a target of this kind.

    Raises:
        Refused: an MLP of labels, ratings or votes.
    """
    if plan.method == "mlp":
        from boda.heads.mlp import Mlp

        if target.kind not in {"number", "class"}:
            raise Refused(f"--kind mlp learns a number or classes, not {target.kind}: use --kind linear")
        return Mlp()
    match target.kind:
        case "number":
            from boda.heads.ridge import Ridge

            return Ridge()
        case "class":
            from boda.heads.logistic import Logistic

            return Logistic()
        case "labels":
            from boda.heads.labels import Labels

            return Labels()
        case "ratings":
            from boda.heads.ratings import Ratings

            return Ratings(loss=plan.loss)
        case "votes":
            from boda.heads.votes import Votes

            return Votes()


def _pictures(inputs: Inputs) -> list[FeatureInput]:
    """Features by which near-duplicates are found: the first wide ones, of every view. Nothing is copied.

    In few dimensions rows that have nothing to do with each other point the same way by chance: of a thousand rows of
    16 random columns some pair has a cosine above 0.9, of 64 columns none would in the age of the universe.
    """
    wide = [one for one in inputs.features if one.array.shape[1] >= _WIDE]
    return [one for one in wide if one.recipe == wide[0].recipe]


def _group_column(assembled: Assembled, target: Sequence[str]) -> str | None:
    """The column that is taken for groups unasked; what is to be predicted is none."""
    there = {name.lower(): name for name in reversed(assembled.table.column_names) if name not in target}
    return next((there[name] for name in GROUP_COLUMNS if name in there), None)
