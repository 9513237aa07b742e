"""The block being put together for the next commit: whole batches only, in order."""

import time
from collections.abc import Sequence

import numpy as np

from boda.arrays import StoredFeatures
from boda.pipelines.run.flow import Batch, Flow
from boda.workspace.records import Block, Quarantined, Read, Todo
from boda.workspace.writer import Writer


class Assembly:
    """The block being put together for the next commit."""

    def __init__(self, ids: Sequence[str]) -> None:
        self._ids = ids
        self._start()

    def _start(self) -> None:
        self._batches: list[Batch] = []
        self._block = Block([], {}, [])
        self._contents: list[list[bytes]] = [[] for _ in self._ids]
        self._rows: list[list[StoredFeatures]] = [[] for _ in self._ids]
        self._since = time.monotonic()
        self.images = 0

    @property
    def age(self) -> float:
        """Seconds since the last commit."""
        return time.monotonic() - self._since

    def add(self, batch: Batch, flow: Flow) -> None:
        """Take in one answered batch."""
        self._batches.append(batch)
        self.images += len(batch.todos)
        self._block.reads += [read for row, todo in enumerate(batch.todos) if (read := _read(batch, row, todo))]
        verdicts = flow.verdicts(batch)
        for recipe, identity in enumerate(self._ids):
            self._contents[recipe] += [batch.answer(row).content or b"" for row in batch.rows[recipe]]
            self._rows[recipe].append(batch.features[recipe])
            self._block.quarantined += [
                Quarantined(batch.todos[row].ref.key, identity, verdict) for row, verdict in verdicts[recipe].items()
            ]

    def commit(self, writer: Writer, flow: Flow) -> None:
        """Commit what is there, all or nothing."""
        if not self._batches:
            return
        for recipe, identity in enumerate(self._ids):
            if self._contents[recipe]:
                rows = np.concatenate([part for part in self._rows[recipe] if len(part)])
                self._block.features[identity] = (self._contents[recipe], rows)
        writer.commit(self._block)
        for batch in self._batches:
            flow.committed(batch)
        self._start()


def _read(batch: Batch, row: int, todo: Todo) -> Read | None:
    answer = batch.answer(row)
    if answer.content is None:
        return None
    facts = answer.facts
    seen = (facts.width, facts.height, facts.frames, facts.format, facts.warnings) if facts else (0, 0, 0, "", ())
    return Read(todo.ref.key, answer.content, answer.size, answer.mtime_ns, *seen)
