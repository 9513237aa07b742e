"""A failing disk under the images, told from single bad files."""

from boda.decoding.work import Answer
from boda.errors import SourceFailing
from boda.unreadable import Code, Stage

_MOST = 20
"""Failed reads in a row that mean the disk, not the files."""


class FailingSource:
    """Watches answers in order."""

    def __init__(self) -> None:
        self._in_a_row = 0

    def saw(self, answer: Answer) -> None:
        """Take note of one answer.

        Raises:
            SourceFailing: it is the last of many reads in a row that failed.
        """
        first = answer.verdicts[0]
        failed = first is not None and (first.stage, first.code) == (Stage.READ, Code.IO_ERROR)
        self._in_a_row = self._in_a_row + 1 if failed else 0
        if self._in_a_row >= _MOST:
            raise SourceFailing(
                f"{_MOST} images in a row gave I/O errors: the disk or mount under them is failing; what was committed "
                "stays, run again once it is back"
            )
