"""The page of a head: what it is worth, drawn, with its worst errors as pictures."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np

import boda
from boda.errors import Refused
from boda.evaluation.weighted import Floats
from boda.heads.assembling import Wanted
from boda.heads.head import Head
from boda.heads.target import Target
from boda.keys import shown
from boda.pictures.confusion import confusion
from boda.pictures.histogram import bars, histogram
from boda.pictures.page import Page, page_written_by
from boda.pictures.report import head_page
from boda.pictures.scatter import scatter
from boda.pipelines.heads.coverage import one_number
from boda.pipelines.heads.judging import held_out_points
from boda.pipelines.heads.material import Material
from boda.pipelines.heads.worst import first_question, worst_errors
from boda.pipelines.places import folder_beside, place_for
from boda.workspace.workspace import Workspace

AnyPage: TypeAlias = str | os.PathLike[str] | Literal[False] | None
"""Where a page goes; None: beside the workspace; False: there is to be none."""

_MARK = "boda train"
_DRAWN_ANSWERS = 3


def page_beside(workspace: Path, name: str) -> Path:
    """Where the page of a head goes unless somebody says otherwise: NAME-train/HEAD.html beside the workspace.

    Raises:
        OSError: the folder cannot be made.
    """
    return folder_beside(workspace, "train") / f"{name}.html"


def page_place(workspace: Workspace, name: str, page: AnyPage, *, force: bool) -> Path | None:
    """Where the page of a head may be written; None where there is to be none.

    Raises:
        NotFound: its folder is not there.
        Refused: something that is no such page is there, or the name is not one of a page.
    """
    if page is False:
        return None
    path = page_beside(workspace.path, name) if page is None else Path(page)
    if path.suffix.lower() not in {".html", ".htm"}:
        raise Refused(f"{shown(str(path))}: a page is HTML; give a name that ends in .html")
    return place_for(path, force=force, ours=page_written_by(path, _MARK))


def report(workspace: Workspace, head: Head, material: Material) -> Page:
    """The page of a head that was just trained.

    Args:
        workspace: where its images are, for pictures of the worst errors.
        head: with its evaluation.
        material: the rows it was trained on.

    Raises:
        DecoderBroken: decoders die on everything here.
    """
    target = material.target
    points = held_out_points(target, head.trained.out_of_fold, head.trained.folds)
    worst, words = worst_errors(workspace, head, material, points)
    page = head_page(
        head.name,
        head.evaluation,
        lead=f"{_what(target)}, predicted from {_listed(head)}. Every score is of rows that were held out.",
        facts=_facts(workspace, head),
        figures=_figures(head, target, points),
        worst=worst,
        worst_are=words,
    )
    return replace(page, mark=_MARK, foot=f"Made by boda {boda.__version__} from {shown(workspace.path.name)}.")


def _what(target: Target) -> str:
    words = {
        "number": "A number",
        "class": f"One of {len(target.names)} classes",
        "labels": f"Which of {len(target.names)} labels",
        "ratings": "How people rate",
        "votes": "How people answer",
    }
    return words[target.kind]


def _listed(head: Head) -> str:
    names = [one.name for one in head.wanted]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _facts(workspace: Workspace, head: Head) -> list[tuple[str, str]]:
    facts = [("Target", f"{head.target.name} ({head.target.kind})")]
    facts += [("Input", _input(one)) for one in head.wanted]
    if head.unit is not None:
        views = f", seen in {', '.join(head.unit.views)}" if head.unit.views else ""
        facts.append(("One row", f"all images of one {head.unit.column}{views}"))
    facts.append(("Head", f"{head.model.kind}, learned in {head.evaluation['seconds']:.3g} s"))
    facts.append(("Kept", f"in {workspace.path.name} as {head.name}"))
    return facts


def _input(one: Wanted) -> str:
    if one.recipe is None:
        return f"{one.name}, a column of {'names' if one.category else 'numbers'}"
    licence = one.recipe.licence or "licence of the weights not known"
    return (
        f"{one.name}, features of {one.recipe.name or 'an unknown encoder'} ({one.recipe.id}), {one.scaling}; {licence}"
    )


def _figures(head: Head, target: Target, points: Floats) -> list[tuple[bytes, str]]:
    match target.kind:
        case "number":
            return _number_figures(head, target, points, target.name)
        case "ratings":
            return _number_figures(head, target, points, f"mean of {target.name}")
        case "class":
            words = "One row a true class: what its images were taken for, in per cent and in counts."
            return [(confusion(target.values, points.argmax(axis=1), target.names), words)]
        case "labels":
            counts = np.nansum(target.values, axis=0)
            classes = [{"name": name, "count": int(n)} for name, n in zip(target.names, counts, strict=True)]
            return [(bars(classes), "Images that have each label.")] if counts.any() else []
        case "votes":
            return _vote_figures(target, points)


def _number_figures(head: Head, target: Target, points: Floats, name: str) -> list[tuple[bytes, str]]:
    truth, said = one_number(target, points)
    low, high = (None, None) if head.interval is None else head.interval.of(said)
    if low is None or not np.isfinite(low).all():  # too few rows for such a level
        low = high = None
    return [
        (scatter(truth, said, name=name, low=low, high=high), "Each row by the model of a fold that had not seen it."),
        (histogram(truth, name=name, baseline=float(truth.mean())), "How the true values are spread."),
    ]


def _vote_figures(target: Target, points: Floats) -> list[tuple[bytes, str]]:
    """Of the question that everybody is asked: the likeliest answers, and the fractions of the most given ones."""
    truth, said, voters, names = first_question(target, points)
    asked = voters > 0
    if not asked.any():
        return []
    truth, said = truth[asked], said[asked]
    words = "One row what most people answered to the first question: what the head finds likeliest."
    figures = [(confusion(truth.argmax(axis=1), said.argmax(axis=1), names), words)]
    for answer in np.argsort(-truth.mean(axis=0), kind="stable")[: min(_DRAWN_ANSWERS, len(names) - 1)]:
        drawn = scatter(truth[:, answer], said[:, answer], name=f"fraction of {names[answer]}")
        figures.append((drawn, "Each row by the model of a fold that had not seen it."))
    return figures
