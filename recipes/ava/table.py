"""AVA.txt: which ratings each photograph was given.

One line an image, separated by spaces, without a header: running number, image id, how many people gave it each of the
ratings 1 to 10, two tags, the challenge.

Source: Murray, Marchesotti and Perronnin, "AVA: A large-scale database for aesthetic visual analysis", CVPR 2012.
"""

import gzip
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from boda.errors import NotFound, Refused
from boda.evaluation.rating_metrics import mean_ratings

LEVELS = tuple(float(rating) for rating in range(1, 11))
_COLUMNS = 15


@dataclass(frozen=True, eq=False)
class AvaTable:
    """The rows of AVA.txt in their order. Its arrays cannot be written to, so nobody downstream changes them."""

    ids: npt.NDArray[np.int64]
    """(n,), each once."""
    counts: npt.NDArray[np.float64]
    """(n, 10) how many people gave each rating."""
    tags: npt.NDArray[np.int64]
    """(n, 2); 0: none."""
    challenges: npt.NDArray[np.int64]
    """(n,)."""
    means: npt.NDArray[np.float64]
    """(n,) mean ratings, 1 to 10: what the published heads predict."""

    def __post_init__(self) -> None:
        """Seal the arrays."""
        for array in (self.ids, self.counts, self.tags, self.challenges, self.means):
            array.flags.writeable = False

    def __len__(self) -> int:
        return len(self.ids)

    @classmethod
    def of(cls, rows: npt.NDArray[np.int64], where: str = "AVA.txt") -> "AvaTable":
        """From (n, 15) numbers as the file has them.

        Raises:
            Refused: a negative count, an image that nobody rated, an id that is there twice; names the line.
        """
        ids, counts = rows[:, 1].copy(), rows[:, 2:12].astype(np.float64)
        for wrong, what in (
            ((counts < 0).any(axis=1), "a count below 0"),
            (counts.sum(axis=1) == 0, "no ratings"),
            (_again(ids), "the id of an earlier line"),
        ):
            if wrong.any():
                line = int(np.flatnonzero(wrong)[0])
                raise Refused(f"{where}: line {line + 1} (image {ids[line]}) has {what}")
        return cls(ids, counts, rows[:, 12:14].copy(), rows[:, 14].copy(), mean_ratings(counts, np.array(LEVELS)))

    def take(self, rows: npt.NDArray[np.intp]) -> "AvaTable":
        """Only these rows, in this order."""
        return AvaTable(self.ids[rows], self.counts[rows], self.tags[rows], self.challenges[rows], self.means[rows])


def read_table(file: Path) -> AvaTable:
    """Read AVA.txt, or a part of it; `.gz` too.

    Raises:
        NotFound: no such file.
        Refused: a line has not 15 whole numbers, or cannot be one of AVA.
    """
    if not file.is_file():
        raise NotFound(f"{file}: no such file; it is AVA.txt, from the authors of AVA or from a copy of their list")
    try:
        with gzip.open(file, "rt") if file.suffix == ".gz" else file.open() as lines:
            rows = np.loadtxt(lines, dtype=np.int64, ndmin=2, comments=None)
    except (ValueError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise Refused(f"{file}: not {_COLUMNS} whole numbers a line ({error})") from error
    if rows.shape[1] != _COLUMNS or not len(rows):
        raise Refused(f"{file}: {rows.shape[1]} columns in {len(rows)} lines, AVA.txt has {_COLUMNS}")
    return AvaTable.of(rows, str(file))


def _again(ids: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """(n,) whether an earlier row has the same id."""
    wrong = np.ones(len(ids), bool)
    wrong[np.unique(ids, return_index=True)[1]] = False
    return wrong
