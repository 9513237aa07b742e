"""Vote trees: questions that people were asked of an image, and which answer led to which question."""

import itertools
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from boda.errors import Refused


@dataclass(frozen=True, slots=True)
class Question:
    """One question."""

    name: str
    answers: tuple[str, ...]
    after: tuple[str, ...] = ()
    """Answers (`question_answer`) that lead here; none: everybody is asked."""


@dataclass(frozen=True)
class VoteTree:
    """Questions in the order in which they are asked; columns are `question_answer`.

    Raises:
        Refused: two columns of one name, a question without answers, or one after an answer that comes later or never.
    """

    name: str
    questions: tuple[Question, ...]

    def __post_init__(self) -> None:
        """Check that the tree is one."""
        seen: set[str] = set()
        for question in self.questions:
            unknown = sorted(set(question.after) - seen)
            if unknown:
                raise Refused(
                    f"vote tree {self.name}: {question.name!r} comes after {unknown[0]!r}, which is no answer"
                )
            columns = [f"{question.name}_{answer}" for answer in question.answers]
            if not columns or len(set(columns)) != len(columns) or seen & set(columns):
                raise Refused(f"vote tree {self.name}: {question.name!r} has no answers, or one twice")
            seen.update(columns)

    @property
    def columns(self) -> tuple[str, ...]:
        """All answers, as `question_answer`, in order."""
        return tuple(f"{question.name}_{answer}" for question in self.questions for answer in question.answers)

    @property
    def slices(self) -> tuple[slice, ...]:
        """For each question, which columns are its answers."""
        ends = [0]
        for question in self.questions:
            ends.append(ends[-1] + len(question.answers))
        return tuple(slice(start, end) for start, end in itertools.pairwise(ends))

    def as_json(self) -> dict[str, Any]:
        """Plain JSON; `from_json` undoes it."""
        return {"name": self.name, "questions": [asdict(question) for question in self.questions]}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "VoteTree":
        """The tree that `as_json` wrote."""
        questions = (Question(one["name"], tuple(one["answers"]), tuple(one["after"])) for one in record["questions"])
        return cls(record["name"], tuple(questions))

    def walk(
        self, fractions: npt.NDArray[np.float64], people: npt.NDArray[np.float64]
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Send people down the tree.

        Args:
            fractions: (n, a) of each answer, among those who are asked.
            people: (n,) how many set out; 1 for shares.

        Returns:
            How many are asked each question, (n, q), and how many give each answer, (n, a): the product of the
            fractions of the answers that lead there.
        """
        place = {column: number for number, column in enumerate(self.columns)}
        given = np.zeros(fractions.shape)
        asked = np.zeros((len(fractions), len(self.questions)))
        for number, (question, columns) in enumerate(zip(self.questions, self.slices, strict=True)):
            before = [place[answer] for answer in question.after]
            asked[:, number] = given[:, before].sum(axis=1) if before else people
            given[:, columns] = asked[:, [number]] * fractions[:, columns]
        return asked, given
