"""Embed: a folder of images becomes features in a workspace. Safe to stop and run again."""

import importlib.metadata
import os
import platform
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from boda.decoding.executor import Executor, InProcess
from boda.decoding.processes import Patience, Processes
from boda.decoding.slots import make_slots
from boda.encoders.base import Encoder
from boda.encoders.registry import load_encoder
from boda.errors import NothingEmbedded, Refused
from boda.keys import shown, to_json
from boda.pipelines.decoded import cores
from boda.pipelines.run.assembly import Assembly
from boda.pipelines.run.failing import FailingSource
from boda.pipelines.run.flow import Batch, Flow
from boda.pipelines.run.lanes import Lanes
from boda.pipelines.run.meter import Meter, OnProgress, Progress
from boda.pipelines.run.precision import settle_precision
from boda.pipelines.run.stopping import Stop, stop_on_signals
from boda.pipelines.run.verifying import verify
from boda.pixels.spec import DECODE_RULES, Decoder
from boda.sources.base import Description, ImageRef, Source, root_text
from boda.sources.opening import open_source
from boda.workspace.workspace import Workspace, create_workspace
from boda.workspace.writer import Writer

BLOCK_ROWS = 4096
BATCH_ON_CPU = 16
"""Images a lane encodes at once. On one core resnet18 took 33.0 ms an image in batches of 16, 33.7 of 8, 35.2 of 32."""
BATCH_ELSEWHERE = 128
FEWEST_FOR_A_SHARE = 100
"""Images below which starting up is most of a run, and a share of the limit says nothing."""
MOST_LANES = 32
"""Each lane holds the activations of a batch: beyond this, memory would grow and not speed."""


def embed(  # noqa: PLR0913 - each is an option of the command
    source: str | os.PathLike[str] | Source,
    *,
    encoders: Sequence[str | Encoder] | str | Encoder = ("auto",),
    to: str | os.PathLike[str] | None = None,
    weights: str | os.PathLike[str] | None = None,
    precision: Literal["auto", "fp32", "bf16"] = "auto",
    decode: Decoder | None = None,
    device: str = "auto",
    range: tuple[float, float] | None = None,
    stretch: str | None = None,
    path_column: str | None = None,
    follow: bool = False,
    progress: OnProgress | None = None,
    executor: Literal["processes", "in-process"] = "processes",
    workers: int | None = None,
    patience: Patience | None = None,
    block_seconds: float = 30.0,
) -> Workspace:
    """Embed the images that are not embedded yet, and keep the features.

    Everything listed is afterwards either embedded or quarantined with its reason. Stop it anywhere and run it
    again: it goes on, and ends with the same bits as a run that was not stopped.

    Args:
        source: a folder, manifest, archive, table or URL; or a `Source`.
        encoders: names (`boda.load_encoder`) or encoders; several share one read and one decode. An encoder that is
            given keeps its precision.
        to: the workspace; by default NAME.boda in the current folder.
        weights: a file with the weights of the one encoder.
        precision: `auto` takes bf16 where the hardware is fast at it and the first batch agrees with fp32.
        decode: `scaled` decodes large JPEGs at a fraction of their size where that is ample; `exact` never does.
            None: as the encoder says, which for boda's own is `scaled`.
        device: `auto`, `cpu`, `cuda`, `cuda:1`, `mps`.
        range: (low, high), the values that become black and white in 16-bit files.
        stretch: the same for FITS and float files, with a curve, as `asinh:0,1000`; they are quarantined without.
        path_column: of a manifest.
        follow: walk into symlinked folders too.
        progress: is told how the run goes, a few times a second.
        executor: where decoding runs; in this process a hostile file takes the run with it.
        workers: decoder processes; by default one per core.
        patience: time limits of decoders.
        block_seconds: features are committed at least this often; a crash costs at most so much work.

    Returns:
        The workspace; `report` on it says what this run did.

    Raises:
        NothingEmbedded: no image was listed, or none gave features.
        Busy, ReadOnly: the workspace cannot be written now.
        Refused: the workspace lists another source.
        KeyboardInterrupt: stopped by Ctrl-C or SIGTERM, after committing the whole batches at hand.
    """
    if isinstance(source, str | os.PathLike):
        opened = open_source(source, path_column=path_column, follow=follow)
    else:
        opened = source
    wanted = _each(encoders)
    if workers is not None and workers < 1:
        raise Refused(f"{workers} decoder processes can do nothing: give at least 1")
    load = partial(
        load_encoder,
        weights=weights,
        precision=precision,
        decode=decode,
        device=device,
        range=range,
        stretch=stretch,
    )
    if not wanted:
        raise Refused("no encoder was named: give at least one, as auto")
    if weights is not None and len(wanted) > 1:
        raise Refused(f"one weights file cannot serve {len(wanted)} encoders: embed with them one after the other")
    loaded = [load(one) if isinstance(one, str) else one for one in wanted]
    for encoder in loaded:
        _refuse_unknown_pixels(encoder)
    workspace = create_workspace(to if to is not None else default_workspace(opened))
    run = _Run(
        workspace,
        opened,
        loaded,
        automatic=[precision == "auto" and isinstance(one, str) for one in wanted],
        progress=progress or _silent,
        in_process=executor == "in-process",
        workers=workers or cores(),
        patience=patience or Patience(),
        block_seconds=block_seconds,
    )
    with stop_on_signals() as stop, workspace.write() as writer:
        run.freeze(writer)
        verify(writer, opened, [recipe.id for recipe in workspace.recipes()], run.workers, run.progress)
        workspace.report = run.compute(writer, stop)
    if stop.asked:
        raise KeyboardInterrupt
    if not workspace.report["embedded"]:
        raise NothingEmbedded(_nothing(workspace, opened))
    return workspace


def default_workspace(source: Source) -> Path:
    """NAME.boda in the current folder, after the source's own name."""
    root = root_text(source.description).rstrip("/")
    name = Path(root).name.split("?")[0] or "images"
    stem = name if Path(root).is_dir() else name.split(".")[0] or name
    return Path(f"{stem}.boda")


@dataclass
class _Run:
    """One run, from the listing to the report."""

    workspace: Workspace
    source: Source
    encoders: list[Encoder]
    automatic: Sequence[bool]
    progress: OnProgress
    in_process: bool
    workers: int
    patience: Patience
    block_seconds: float
    began: float = field(default_factory=time.monotonic)
    meter: Meter | None = None
    lanes: Lanes | None = None
    skipped: int = 0
    changed_since_listing: int = 0
    failing: FailingSource = field(default_factory=FailingSource)
    listing: dict[str, int] = field(default_factory=dict)

    def freeze(self, writer: Writer) -> None:
        """Freeze the listing: the run answers for exactly this."""
        _refuse_other_source(self.workspace, self.source)
        self.progress(Progress("checking", 0, 0))
        writer.forget_damaged()
        self.progress(Progress("listing", 0, 0))
        writer.set_source(self.source.description)
        listing = writer.list(self.source.entries(), self.source.columns, now_ns=writer.clock_ns())
        self.listing = {"new": listing.new, "changed": listing.changed, "vanished": listing.vanished}
        if not len(self.workspace):
            raise NothingEmbedded(_nothing(self.workspace, self.source))

    def compute(self, writer: Writer, stop: Stop) -> dict[str, Any]:
        """Decode, encode and commit what is still to do, then merge. Returns what the run did, as JSON."""
        self._settle(writer)
        ids = [encoder.recipe.id for encoder in self.encoders]
        for encoder in self.encoders:
            writer.add_recipe(encoder.recipe, encoder.width)
        self.skipped = self.workspace.counts(ids).embedded
        run = writer.begin_run(ids, _versions())
        state: Literal["done", "stopped", "failed"] = "failed"
        try:
            with stop.after_what_is_in_hand():
                self._flow(writer, ids, stop)
            if not stop.asked:
                self.progress(Progress("merging", len(self.workspace), len(self.workspace)))
                for identity in ids:
                    writer.merge(identity)
            state = "stopped" if stop.asked else "done"
        except KeyboardInterrupt:
            state = "stopped"
            raise
        finally:
            report = self.report()
            if writer.is_sound:
                writer.end_run(run, state, report)
        return report

    def _settle(self, writer: Writer) -> None:
        stored = self.workspace.recipes()
        self.encoders = [
            settle_precision(e, stored, self.source, self._todo_refs(writer, e.recipe.id), self.workers) if open_ else e
            for e, open_ in zip(self.encoders, self.automatic, strict=True)
        ]
        ids = [encoder.recipe.id for encoder in self.encoders]
        self.encoders = [encoder for i, encoder in enumerate(self.encoders) if ids.index(encoder.recipe.id) == i]

    def _todo_refs(self, writer: Writer, identity: str) -> Iterator[ImageRef]:
        for page in writer.compute_pages([identity], page=256):
            yield from (todo.ref for todo in page)

    def _flow(self, writer: Writer, ids: Sequence[str], stop: Stop) -> None:
        on_cpu = all(encoder.device == "cpu" for encoder in self.encoders)
        todo = writer.count_todo(ids).compute
        widths = [e.width * np.dtype(e.recipe.dtype).itemsize for e in self.encoders]
        self.meter = meter = Meter(todo, cores(), sum(widths))
        meter.encoding_on_cores = on_cpu
        if not todo:
            return
        pixel_specs = [encoder.recipe.pixels for encoder in self.encoders]
        specs = [spec for i, spec in enumerate(pixel_specs) if spec is not None and pixel_specs.index(spec) == i]
        places = [specs.index(spec) for spec in pixel_specs if spec is not None]
        lanes_wanted = min(cores(), MOST_LANES) if on_cpu else 2
        batch = BATCH_ON_CPU if on_cpu else BATCH_ELSEWHERE
        slots = make_slots(2 * lanes_wanted + 2, batch, specs)
        flow = Flow(ids, places, slots, writer.has_features)
        with ExitStack() as ending:
            ending.callback(slots.close)
            start = (
                InProcess
                if self.in_process
                else partial(Processes, fail=flow.failed, workers=self.workers, patience=self.patience)
            )
            executor: Executor = start(self.source, specs, slots, flow.decoded)
            ending.callback(executor.close)
            self.lanes = lanes = Lanes(self.encoders, places, slots, lanes_wanted, flow.encoded, flow.failed)
            ending.callback(lanes.close)
            todos = (todo for page in writer.compute_pages(ids) for todo in page)
            self._commit_in_blocks(writer, ids, flow, flow.run(todos, executor, lanes, lambda: stop.asked))

    def _commit_in_blocks(self, writer: Writer, ids: Sequence[str], flow: Flow, batches: Iterator[Batch]) -> None:
        assembled = Assembly(ids)
        try:
            for batch in batches:
                self._watch(batch)
                assembled.add(batch, flow)
                if assembled.images >= BLOCK_ROWS or assembled.age >= self.block_seconds:
                    assembled.commit(writer, flow)
        except Exception:
            if writer.is_sound:  # whatever ended the run, what it has computed is good
                assembled.commit(writer, flow)
            raise
        assembled.commit(writer, flow)

    def _watch(self, batch: Batch) -> None:
        """Count what a batch cost, and notice a failing source."""
        meter = self.meter
        assert meter is not None
        for row, todo in enumerate(batch.todos):
            answer = batch.answer(row)
            meter.decoding += answer.seconds
            meter.waiting += answer.waited
            read = answer.content is not None
            listed = (todo.ref.size, todo.ref.mtime_ns or answer.mtime_ns)  # 0: a time that is not trusted
            self.changed_since_listing += read and (answer.size, answer.mtime_ns) != listed
            self.failing.saw(answer)
        meter.encoding += batch.encoding_seconds
        meter.count(len(batch.todos))
        self.progress(meter.progress())

    def report(self) -> dict[str, Any]:
        """What this run did, as JSON."""
        ids = [encoder.recipe.id for encoder in self.encoders]
        counts = self.workspace.counts(ids)
        meter = self.meter
        computed = meter.done if meter else 0
        rate = computed / meter.seconds if meter and computed else 0.0
        limit = meter.limit() if meter and computed >= FEWEST_FOR_A_SHARE else None
        return {
            "workspace": to_json(str(self.workspace.path)),
            "listed": counts.listed,
            "embedded": counts.embedded,
            "quarantined": counts.quarantined,
            "skipped": self.skipped,
            "ignored": self.source.ignored,
            "recipes": [self._recipe_report(encoder) for encoder in self.encoders],
            "images_per_s": round(rate, 2),
            "limit_share": round(rate / limit, 3) if limit else None,
            "bottleneck": meter.bottleneck() if meter else "nothing",
            "seconds": round(time.monotonic() - self.began, 2),
            "reasons": counts.by_reason,
            "listing": self.listing,
            "changed_since_listing": self.changed_since_listing,
            "largest_piece": self.lanes.largest_piece if self.lanes else None,
        }

    def _recipe_report(self, encoder: Encoder) -> dict[str, Any]:
        recipe, counts = encoder.recipe, self.workspace.counts([encoder.recipe.id])
        return {
            "id": recipe.id,
            "name": recipe.name,
            "precision": recipe.precision,
            "width": encoder.width,
            "device": encoder.device,
            "embedded": counts.embedded,
            "quarantined": counts.quarantined,
        }


def _each(encoders: Sequence[str | Encoder] | str | Encoder) -> list[str | Encoder]:
    if isinstance(encoders, Sequence) and not isinstance(encoders, str):
        return list(encoders)
    return [encoders]


def _refuse_unknown_pixels(encoder: Encoder) -> None:
    pixels = encoder.recipe.pixels
    if pixels is None or pixels.rules != DECODE_RULES:
        raise Refused(f"encoder {encoder.recipe.name!r} does not state pixels that this boda makes: set a PixelSpec")


def _silent(progress: Progress) -> None:
    """Nobody is listening."""


def _refuse_other_source(workspace: Workspace, source: Source) -> None:
    stored, here = workspace.source, source.description
    if stored is None or (stored["kind"], stored["root"]) == (here["kind"], here["root"]):
        return
    if stored["root"] != here["root"]:
        raise Refused(
            f"{workspace.path} lists {_root(stored)}, not {_root(here)}: give another --to, or, if the images moved, "
            f"say so with: boda info {workspace.path} --source {_root(here)}"
        )
    raise Refused(
        f"{workspace.path} lists {_root(stored)} as {stored['kind']}, but what is there now is {here['kind']}: "
        "give another --to"
    )


def _root(description: Description) -> str:
    return shown(root_text(description))


def _nothing(workspace: Workspace, source: Source) -> str:
    root = _root(source.description)
    if not len(workspace):
        ignored = f" ({source.ignored} entries ignored)" if source.ignored else ""
        return f"no images in {root}{ignored}: nothing to embed"
    return (
        f"none of {len(workspace)} images in {root} gave features; see why with: boda quarantine {workspace.path} list"
    )


def _versions() -> dict[str, str]:
    """What computed: for the record of a run, not part of any recipe."""
    found = {"python": platform.python_version(), "machine": platform.machine()}
    for package in ("boda", "numpy", "pillow", "torch", "timm"):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
