"""One pass over what is left to do: decode, encode, commit in blocks."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

import numpy as np

from boda.cores import cores
from boda.decoding.executor import Executor, InProcess
from boda.decoding.processes import Patience, Processes
from boda.decoding.slots import make_slots
from boda.encoders.base import Encoder
from boda.pipelines.run.assembly import Assembly
from boda.pipelines.run.failing import FailingSource
from boda.pipelines.run.flow import Batch, Flow
from boda.pipelines.run.lanes import Lanes
from boda.pipelines.run.meter import Meter, OnProgress
from boda.pipelines.run.stopping import Stop
from boda.sources.base import Source
from boda.workspace.writer import Writer

BLOCK_ROWS = 4096
BATCH_ON_CPU = 16
"""Images a lane encodes at once. On one core resnet18 took 33.0 ms an image in batches of 16, 33.7 of 8, 35.2 of 32."""
BATCH_ELSEWHERE = 128
MOST_LANES = 32
"""Each lane holds the activations of a batch: beyond this, memory would grow and not speed."""


@dataclass(frozen=True, slots=True)
class Means:
    """What a run may use."""

    in_process: bool
    """Decode here: the test's oracle."""
    workers: int
    """Decoder processes at most."""
    patience: Patience
    block_seconds: float
    """Features are committed at least this often."""


class Computing:
    """Computes features for some encoders at once, and remembers what it cost."""

    def __init__(self, source: Source, encoders: Sequence[Encoder], means: Means, progress: OnProgress) -> None:
        self._source, self._encoders, self._means, self._progress = source, encoders, means, progress
        self._ids = [encoder.recipe.id for encoder in encoders]
        self._on_cpu = all(encoder.device == "cpu" for encoder in encoders)
        self._failing = FailingSource()
        self.meter = Meter(0, cores(), 0)
        self.changed_since_listing = 0
        self.largest_piece: int | None = None
        """Images encoded at once since memory ran out; None where it never did."""

    def run(self, writer: Writer, stop: Stop) -> None:
        """Everything that is left to do; ends early, between batches, once somebody asked to stop.

        Raises:
            BodaError: the decoders are broken, the source or the disk fails; what was computed is committed first.
        """
        widths = [encoder.width * np.dtype(encoder.recipe.dtype).itemsize for encoder in self._encoders]
        self.meter = Meter(writer.count_todo(self._ids).compute, cores(), sum(widths))
        self.meter.encoding_on_cores = self._on_cpu
        if not self.meter.total:
            return
        pixels = [encoder.recipe.pixels for encoder in self._encoders]
        specs = [spec for i, spec in enumerate(pixels) if spec is not None and pixels.index(spec) == i]
        places = [specs.index(spec) for spec in pixels if spec is not None]
        count = min(cores(), MOST_LANES) if self._on_cpu else 2
        slots = make_slots(2 * count + 2, BATCH_ON_CPU if self._on_cpu else BATCH_ELSEWHERE, specs)
        flow = Flow(self._ids, places, slots, writer.has_features)
        means = self._means
        begin = partial(Processes, fail=flow.failed, workers=means.workers, patience=means.patience)
        with ExitStack() as ending:
            ending.callback(slots.close)
            start = InProcess if means.in_process else begin
            executor: Executor = start(self._source, specs, slots, flow.decoded)
            ending.callback(executor.close)
            lanes = Lanes(self._encoders, places, slots, count, flow.encoded, flow.failed)
            ending.callback(lanes.close)
            todos = (todo for page in writer.compute_pages(self._ids) for todo in page)
            self._commit_in_blocks(writer, flow, flow.run(todos, executor, lanes, lambda: stop.asked))
            self.largest_piece = lanes.largest_piece

    def _commit_in_blocks(self, writer: Writer, flow: Flow, batches: Iterator[Batch]) -> None:
        assembled = Assembly(self._ids)
        try:
            for batch in batches:
                self._watch(batch)
                assembled.add(batch, flow)
                if assembled.images >= BLOCK_ROWS or assembled.age >= self._means.block_seconds:
                    assembled.commit(writer, flow)
        except Exception:
            if writer.is_sound:  # whatever ended the run, what it has computed is good
                assembled.commit(writer, flow)
            raise
        assembled.commit(writer, flow)

    def _watch(self, batch: Batch) -> None:
        """Count what a batch cost, and notice a failing source."""
        for row, todo in enumerate(batch.todos):
            answer = batch.answer(row)
            self.meter.decoding += answer.seconds
            self.meter.waiting += answer.waited
            listed = (todo.ref.size, todo.ref.mtime_ns or answer.mtime_ns)  # 0: a time that is not trusted
            if answer.content is not None:
                self.changed_since_listing += (answer.size, answer.mtime_ns) != listed
            self._failing.saw(answer)
        self.meter.encoding += batch.encoding_seconds
        self.meter.count(len(batch.todos))
        self._progress(self.meter.progress())
