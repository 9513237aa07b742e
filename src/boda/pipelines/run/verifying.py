"""Reading and hashing again what may have changed since it was embedded."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from boda.decoding.work import Answer, work
from boda.pipelines.run.failing import FailingSource
from boda.pipelines.run.meter import OnProgress, Progress
from boda.sources.base import ImageRef, Source
from boda.workspace.records import Block, Hashed, Quarantined
from boda.workspace.writer import Writer


def verify(writer: Writer, source: Source, recipes: Sequence[str], threads: int, progress: OnProgress) -> None:
    """Hash every image whose stat changed or cannot be trusted; only what really changed is left to compute.

    Nothing is decoded here, so threads of this process do. What cannot be read any more is quarantined.

    Raises:
        SourceFailing: many reads in a row failed; nothing of that page is noted.
    """
    total, done, failing = writer.count_todo(recipes).verify, 0, FailingSource()
    with ThreadPoolExecutor(threads) as pool:
        for page in writer.verify_pages(recipes, page=1024):
            answers = list(pool.map(lambda ref: work(source, ref, (), ()), page))
            for answer in answers:
                failing.saw(answer)
            writer.confirm([_hashed(ref, answer) for ref, answer in zip(page, answers, strict=True) if answer.content])
            gone = [
                Quarantined(ref.key, recipe, verdict)
                for ref, answer in zip(page, answers, strict=True)
                if (verdict := answer.verdicts[0]) is not None
                for recipe in recipes
            ]
            if gone:
                writer.commit(Block([], {}, gone))
            done += len(page)
            progress(Progress("verifying", done, total))


def _hashed(ref: ImageRef, answer: Answer) -> Hashed:
    return Hashed(ref.key, answer.content or b"", answer.size, answer.mtime_ns)
