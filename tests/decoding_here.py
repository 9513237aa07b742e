"""Images decoded in this process, for tests of what comes after: no process has to start."""

import numpy as np

from boda.decoding.work import work
from boda.pipelines import decoded as own


def decoded(source, refs, spec, *, workers):
    """As `boda.pipelines.decoded.decoded`."""
    for start in range(0, len(refs), own.PAGE):
        page = tuple(refs[start : start + own.PAGE])
        pixels = np.empty((len(page), *spec.shape, 3), np.uint8)
        answers = [work(source, ref, [spec], [place]) for ref, place in zip(page, pixels, strict=True)]
        yield own.Page(
            page,
            pixels,
            tuple(answer.verdicts[0] for answer in answers),
            tuple(answer.content for answer in answers),
            tuple(answer.facts for answer in answers),
        )
