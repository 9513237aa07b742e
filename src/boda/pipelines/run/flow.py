"""The flow of one run: todo in, answered batches out, in the order of the listing.

Batches are cut at fixed places of the listing, decoded by an executor into slots, checked for contents that are known
already, encoded by lanes, and given back whole and in order. Whoever consumes them commits only whole batches, so a
run that was killed and run again cuts the same batches and computes the same bits.
"""

import queue
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TypeAlias

import numpy as np

from boda.arrays import StoredFeatures
from boda.decoding.executor import CHUNK, Chunk, Executor
from boda.decoding.slots import Slots
from boda.decoding.work import Answer
from boda.pipelines.run.lanes import Encoded, Job, Lanes
from boda.unreadable import Code, Stage, Unreadable
from boda.workspace.records import Todo

Known: TypeAlias = Callable[[str, Sequence[bytes]], set[bytes]]
"""Which of these contents have features of a recipe in the store."""


def _cut(todos: Iterable[Todo], size: int) -> Iterator[list[Todo]]:
    """Batches begin at fixed places of the listing, whatever of it is left to do."""
    for _, batch in groupby(todos, key=lambda todo: todo.position // size):
        yield list(batch)


@dataclass(slots=True)
class Batch:
    """A few images on their way, and afterwards what became of them."""

    index: int
    todos: list[Todo]
    slot: int = -1
    answers: list[Answer | None] = field(default_factory=list)
    waiting: int = 0
    rows: list[tuple[int, ...]] = field(default_factory=list)
    """Per recipe, the images that were encoded here."""
    features: list[StoredFeatures] = field(default_factory=list)
    """Per recipe, one row for each of `rows`."""
    encoding_seconds: float = 0.0
    finished: bool = False

    def answer(self, row: int) -> Answer:
        """The answer for one image of a decoded batch."""
        answer = self.answers[row]
        assert answer is not None, "a batch is asked for answers only once it is decoded"
        return answer


class Flow:
    """One pass over the todo for several recipes at once."""

    def __init__(self, recipes: Sequence[str], specs: Sequence[int], slots: Slots, known: Known) -> None:
        """Prepare.

        Args:
            recipes: ids; recipe i is computed by encoder i of the lanes.
            specs: for each recipe, which pixels of a slot it sees; also which verdict of an answer counts for it.
            slots: where pixels are; a batch is as large as a slot.
            known: asks the store.
        """
        self._recipes, self._specs, self._slots, self._known = recipes, specs, slots, known
        self._events: queue.SimpleQueue[tuple[Chunk, list[Answer]] | Encoded | BaseException] = queue.SimpleQueue()
        self._free = list(range(slots.count))
        self._batches: dict[int, Batch] = {}
        self._in_flight: list[set[bytes]] = [set() for _ in recipes]
        self._not_finite: list[dict[bytes, Unreadable]] = [{} for _ in recipes]
        self._next_to_encode = 0

    def decoded(self, chunk: Chunk, answers: list[Answer]) -> None:
        """Executors deliver here, from any thread."""
        self._events.put((chunk, answers))

    def encoded(self, done: Encoded) -> None:
        """Lanes deliver here, from any thread."""
        self._events.put(done)

    def failed(self, error: BaseException) -> None:
        """Executors and lanes hand over what ends the run, from any thread."""
        self._events.put(error)

    def run(
        self, todos: Iterable[Todo], executor: Executor, lanes: Lanes, stopped: Callable[[], bool]
    ) -> Iterator[Batch]:
        """Answered batches, in order. Ends early, between batches, once `stopped()`.

        Raises:
            BodaError: the decoders are broken; or whatever an encoder raised.
        """
        cut = enumerate(_cut(todos, self._slots.batch))
        next_out, exhausted = 0, False
        while not stopped():
            while self._free and not exhausted:
                following = next(cut, None)
                if following is None:
                    exhausted = True
                else:
                    self._submit(Batch(*following), executor)
            if exhausted and not self._batches:
                return
            self._take_event(lanes)
            while (batch := self._batches.get(next_out)) is not None and batch.finished:
                del self._batches[next_out]
                next_out += 1
                yield batch

    def committed(self, batch: Batch) -> None:
        """The store has this batch now: its contents need not be remembered any more."""
        for recipe, rows in enumerate(batch.rows):
            self._in_flight[recipe].difference_update(batch.answer(row).content or b"" for row in rows)

    def _submit(self, batch: Batch, executor: Executor) -> None:
        batch.slot = self._free.pop()
        batch.answers = [None] * len(batch.todos)
        self._batches[batch.index] = batch
        refs = [todo.ref for todo in batch.todos]
        firsts = range(0, len(refs), CHUNK)
        batch.waiting = len(firsts)
        for first in firsts:
            part = tuple(refs[first : first + CHUNK])
            executor.submit(Chunk(batch.index, batch.slot, first, part, len(set(self._specs))))

    def _take_event(self, lanes: Lanes) -> None:
        try:
            event = self._events.get(timeout=0.2)
        except queue.Empty:
            return
        if isinstance(event, BaseException):
            raise event
        if isinstance(event, Encoded):
            self._finish(self._batches[event.batch], event)
        else:
            chunk, answers = event
            batch = self._batches[chunk.batch]
            batch.answers[chunk.first : chunk.first + len(answers)] = answers
            batch.waiting -= 1
            self._encode_in_order(lanes)

    def _encode_in_order(self, lanes: Lanes) -> None:
        """What is encoded depends on the contents of all earlier batches, so this step keeps their order."""
        while (batch := self._batches.get(self._next_to_encode)) is not None and not batch.waiting:
            self._next_to_encode += 1
            batch.rows = [self._rows_to_encode(batch, recipe) for recipe in range(len(self._recipes))]
            if any(batch.rows):
                lanes.submit(Job(batch.index, batch.slot, tuple(batch.rows)))
            else:
                self._finish(batch, Encoded(batch.index, batch.slot))

    def _rows_to_encode(self, batch: Batch, recipe: int) -> tuple[int, ...]:
        """Readable images whose content has no features of this recipe yet; of copies the first.

        Also where the image lacked only another recipe: it may have changed since the listing.
        """
        identity, spec, flying = self._recipes[recipe], self._specs[recipe], self._in_flight[recipe]
        wanted = {
            row: content
            for row in range(len(batch.todos))
            if (content := batch.answer(row).content) is not None and batch.answer(row).verdicts[spec] is None
        }
        known = self._known(identity, list(wanted.values())) | flying if wanted else set()
        rows = []
        for row, content in wanted.items():
            if content not in known:
                known.add(content)
                rows.append(row)
        flying.update(wanted[row] for row in rows)
        return tuple(rows)

    def _finish(self, batch: Batch, done: Encoded) -> None:
        self._free.append(batch.slot)
        batch.encoding_seconds = done.seconds
        batch.features = done.features or [np.empty((0, 0), np.float32) for _ in self._recipes]
        for recipe, rows in enumerate(batch.rows):
            self._set_aside_not_finite(batch, recipe, rows)
        batch.finished = True

    def _set_aside_not_finite(self, batch: Batch, recipe: int, rows: tuple[int, ...]) -> None:
        if not rows:
            return
        features = batch.features[recipe]
        whole = [bool(np.isfinite(row).all()) for row in features]
        if all(whole):
            return
        verdict = Unreadable(Stage.ENCODE, Code.NOT_FINITE, "its features hold NaN or infinity, also when alone")
        for row, good in zip(rows, whole, strict=True):
            if not good:
                self._not_finite[recipe][batch.answer(row).content or b""] = verdict
        batch.features[recipe] = features[whole]
        batch.rows[recipe] = tuple(row for row, good in zip(rows, whole, strict=True) if good)

    def verdicts(self, batch: Batch) -> list[dict[int, Unreadable]]:
        """Per recipe, the images of an answered batch that gave no features, and why; ask in order of the batches."""
        found: list[dict[int, Unreadable]] = []
        for recipe in range(len(self._recipes)):
            bad: dict[int, Unreadable] = {}
            for row in range(len(batch.todos)):
                answer = batch.answer(row)
                verdict = answer.verdicts[self._specs[recipe]] or self._not_finite[recipe].get(answer.content or b"")
                if verdict is not None:
                    bad[row] = verdict
            found.append(bad)
        return found
