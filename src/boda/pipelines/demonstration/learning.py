"""A head that learns from some of the images, says how good it will be, and is asked about all the others."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from boda.evaluation.folds import split
from boda.heads.answers import Answers
from boda.heads.asking import Asked
from boda.heads.head import Head
from boda.pictures.confusion import confusion
from boda.pictures.page import Block, Gallery, Measures, Picture, Section, Words, figure
from boda.pictures.wording import share
from boda.pipelines.demonstration.accuracy import Share
from boda.pipelines.demonstration.album import Album
from boda.pipelines.demonstration.story import measure
from boda.pipelines.heads.keeping import keep_head
from boda.pipelines.heads.material import Material, Plan, gather
from boda.pipelines.train import fit_head, tame

if TYPE_CHECKING:
    from boda.workspace.workspace import Workspace

LEARNED = 600
"""About so many images are learned from, or half of them where there are fewer than twice as many."""
_DRAWN = 6
_WORST = 12


@dataclass(frozen=True, eq=False)
class Learned:
    """A head, what it promised, and what became of the promise on images it had never seen."""

    head: Head
    material: Material
    """What it learned from."""
    unseen: Material
    answers: Answers
    """What it says of the unseen."""
    promised: Share
    """Right on rows of its own that its folds had held out."""
    kept: Share
    """Right on the unseen."""
    baseline: Share
    """Of the unseen, by always saying the class that is largest among those it learned from."""

    @property
    def truth(self) -> npt.NDArray[np.int64]:
        """(n,) classes of the unseen."""
        classes: npt.NDArray[np.int64] = self.unseen.target.values
        return classes

    @property
    def said(self) -> npt.NDArray[np.int64]:
        """(n,) the likeliest class of each of the unseen."""
        likeliest: npt.NDArray[np.int64] = self.answers.points.argmax(axis=1)
        return likeliest


def learn(workspace: "Workspace", column: str, seed: int) -> Learned:
    """Learn a class from about 600 images, keep the head in the workspace, and ask it about the others.

    Near-duplicates of what it learned from are among these too, never among the others.

    Args:
        workspace: with features and labels.
        column: of the classes; images without one are left out.
        seed: of the draw and the folds.

    Raises:
        Refused: too few images.
        Busy, ReadOnly: the workspace cannot be written now.
    """
    everything = gather(workspace, Plan(Asked(column, "class"), seed=seed))
    target = everything.target
    parts = split(
        len(target),
        folds=max(2, round(len(target) / LEARNED)),
        strata=target.values,
        groups=everything.groups,
        rng=np.random.default_rng([seed, 6]),
    )
    material, unseen = (everything.take(np.flatnonzero((parts == 0) == learned)) for learned in (True, False))
    head = fit_head(workspace, material, tame(column))
    keep_head(head, workspace)
    answers = head.predict(unseen.inputs)
    largest = np.bincount(material.target.values).argmax()
    return Learned(
        head,
        material,
        unseen,
        answers,
        promised=_right(head.trained.out_of_fold.argmax(axis=1), material.target.values),
        kept=_right(answers.points.argmax(axis=1), unseen.target.values),
        baseline=_right(np.full(len(unseen), largest), unseen.target.values),
    )


def _right(said: npt.NDArray[np.int64], truth: npt.NDArray[np.int64]) -> Share:
    return Share(int((said == truth).sum()), len(truth))


def learning_section(learned: Learned, album: Album, what: str, page: str, rng: np.random.Generator) -> Section:
    """What was promised and what was kept, which class was taken for which, and pictures of both sides.

    Args:
        learned: is told.
        album: shows the images.
        what: they are, in the plural.
        page: name of the file with the head's own report.
        rng: draws the predictions that are shown.
    """
    total = learned.promised.total
    words = (
        f"{total:,} of the {what}, drawn by lot, were shown to a head with their class: a logistic regression on the "
        f"same features. Before it saw another one it promised how good it would be, from folds of its own {total:,} "
        f"that it had held out. Then it was asked about the other {learned.kept.total:,}. Its own report is in {page}."
    )
    measures = [
        measure("promised, by its own folds", learned.promised),
        measure("kept, on all the others", learned.kept),
        measure("always the same class", learned.baseline, baseline=True),
    ]
    drawing = confusion(learned.truth, learned.said, learned.head.target.names)
    blocks: list[Block] = [
        Words(words),
        Measures(measures),
        Words(f"{promise(learned.promised, learned.kept)} {_sets(learned)}"),
        figure(
            drawing, f"The {learned.kept.total:,} it had not seen: one row a true class, and what it was taken for."
        ),
        *_pictures(learned, album, rng),
    ]
    return Section("What a head learns from some of them", blocks)


def promise(promised: Share, kept: Share) -> str:
    """Whether the promise was kept, as far as the intervals can tell."""
    if kept.interval[1] < promised.interval[0]:
        return "The promise was not kept: the two intervals are apart."
    if kept.interval[0] > promised.interval[1]:
        return "It did better than it had promised."
    return "The promise was kept: the two intervals overlap."


def _sets(learned: Learned) -> str:
    sets = learned.answers.sets
    assert sets is not None
    held = _right(sets[np.arange(len(sets)), learned.truth].astype(np.int64), np.ones(len(sets), np.int64))
    return (
        f"Of each image it also says which classes cannot be ruled out, so that the truth is among them in at least "
        f"90 % of cases. It was in {held}, with {sets.sum(axis=1).mean():.2f} classes a set."
    )


def _pictures(learned: Learned, album: Album, rng: np.random.Generator) -> list[Block]:
    """Some predictions drawn by lot, then the wrong ones it was surest of."""
    some = rng.choice(len(learned.unseen), min(_DRAWN, len(learned.unseen)), replace=False)
    blocks: list[Block] = [
        Words("Some of its answers, drawn by lot, with the probability it gives them:"),
        Gallery([_picture(learned, album, int(row)) for row in some], large=True),
    ]
    sure = learned.answers.points.max(axis=1)
    wrong = np.flatnonzero(learned.said != learned.truth)
    if len(wrong):
        worst = wrong[np.argsort(-sure[wrong], kind="stable")][:_WORST]
        words = f"Its worst errors: the {len(worst)} it was surest of, of {len(wrong):,} that are wrong."
        pictures = [_picture(learned, album, int(row)) for row in worst]
        blocks += [Words(words), Gallery(pictures, large=True)]
    return blocks


def _picture(learned: Learned, album: Album, row: int) -> Picture:
    names, sets = learned.head.target.names, learned.answers.sets
    assert sets is not None
    true, said = (names[int(classes[row])] for classes in (learned.truth, learned.said))
    possible = ", ".join(np.array(names)[sets[row]])
    note = f"true: {true}\npossible: {possible}"
    sure = share(float(learned.answers.points[row].max()))
    return album.picture(learned.unseen.assembled.keys[row], f"said: {said}, {sure}", note)
