"""Embed: a folder of images becomes features in a workspace. Safe to stop and run again."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

from boda.arrays import Pixels
from boda.cores import cores
from boda.decoding.processes import Patience
from boda.encoders.backends import Backend
from boda.encoders.base import Encoder
from boda.encoders.registry import load_encoder
from boda.encoders.taking import each_taken
from boda.errors import NothingEmbedded, Refused
from boda.keys import shown
from boda.pipelines.run.computing import Computing, Means
from boda.pipelines.run.meter import OnProgress, Progress
from boda.pipelines.run.precision import first_pixels, settle_precisions
from boda.pipelines.run.report import report, versions
from boda.pipelines.run.stopping import Stop, stop_on_signals
from boda.pipelines.run.verifying import verify
from boda.pixels.spec import DECODE_RULES, Decoder, PixelSpec
from boda.sources.base import Description, ImageRef, Source, root_text
from boda.sources.opening import open_source
from boda.workspace.workspace import Workspace, create_workspace
from boda.workspace.writer import Writer

One = TypeVar("One", bound=str | Encoder)


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
    pixels: str | PixelSpec | None = None,
    layers: Sequence[str] | str = (),
    poolings: Sequence[str] | str = (),
    backend: Backend = "torch",
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
        pixels: settings in place of the encoders' own, as `size=224,mean=0.5` (`boda.pixels.settings`).
        layers: features of these layers of every encoder, as `layer3`; `pooled` is what the model itself gives.
        poolings: `mean`, `gem`, `cls`, `none`, `model`. Every layer with every pooling is a recipe of its own, and
            one pass computes all those of an encoder; see `boda.load_encoder` for what comes without.
        backend: `torch`, or on the CPU `onnx` or `openvino`; part of the recipe.
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
        pixels=pixels,
        backend=backend,
    )
    if not wanted:
        raise Refused("no encoder was named: give at least one, as auto")
    if weights is not None and len(wanted) > 1:
        raise Refused(f"one weights file cannot serve {len(wanted)} encoders: embed with them one after the other")
    loaded: list[Encoder] = []
    automatic: list[bool] = []
    for one in wanted:
        taken = _all_taken(load, one, backend, _each(layers), _each(poolings))
        loaded += taken
        automatic += [precision == "auto" and isinstance(one, str)] * len(taken)
    for encoder in loaded:
        _refuse_unknown_pixels(encoder)
    workspace = create_workspace(to if to is not None else default_workspace(opened))
    run = _Run(
        workspace,
        opened,
        loaded,
        automatic=automatic,
        progress=progress or _silent,
        means=Means(executor == "in-process", workers or cores(), patience or Patience(), block_seconds),
    )
    with stop_on_signals() as stop, workspace.write() as writer:
        run.freeze(writer)
        run.verify(writer)
        run.settle(writer)
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
    """For each encoder, whether its precision is still to be chosen."""
    progress: OnProgress
    means: Means
    began: float = field(default_factory=time.monotonic)
    listing: dict[str, int] = field(default_factory=dict)

    def freeze(self, writer: Writer) -> None:
        """Freeze the listing: the run answers for exactly this."""
        _refuse_other_source(self.workspace, self.source)
        self.progress(Progress("checking", 0, 0))
        writer.forget_damaged()
        self.progress(Progress("listing", 0, 0))
        writer.set_source(self.source.description)
        found = writer.list(self.source.entries(), self.source.columns, now_ns=writer.clock_ns())
        self.listing = {"new": found.new, "changed": found.changed, "vanished": found.vanished}
        if not len(self.workspace):
            raise NothingEmbedded(_nothing(self.workspace, self.source))

    def verify(self, writer: Writer) -> None:
        """Read and hash again what may have changed; only what really did is computed."""
        ids = [recipe.id for recipe in self.workspace.recipes()]
        verify(writer, self.source, ids, self.means.workers, self.progress)

    def settle(self, writer: Writer) -> None:
        """Choose the precision where it is open; of encoders that come to the same recipe keep one."""
        chosen = settle_precisions(
            self.encoders, self.automatic, self.workspace.recipes(), partial(self._first_pixels, writer)
        )
        different: dict[str, Encoder] = {}
        for encoder in chosen:
            different.setdefault(encoder.recipe.id, encoder)
            writer.add_recipe(encoder.recipe, encoder.width)
        self.encoders = list(different.values())

    def _first_pixels(self, writer: Writer, encoder: Encoder) -> Pixels:
        assert encoder.recipe.pixels is not None
        return first_pixels(self.source, encoder.recipe.pixels, self._todo(writer, encoder), self.means.workers)

    def _todo(self, writer: Writer, encoder: Encoder) -> Iterator[ImageRef]:
        for page in writer.compute_pages([encoder.recipe.id], page=256):
            yield from (todo.ref for todo in page)

    def compute(self, writer: Writer, stop: Stop) -> dict[str, Any]:
        """Decode, encode and commit what is left to do, then merge. Returns what the run did, as JSON."""
        ids = [encoder.recipe.id for encoder in self.encoders]
        skipped = self.workspace.counts(ids).embedded
        run = writer.begin_run(ids, versions())
        computing = Computing(self.source, self.encoders, self.means, self.progress)
        state: Literal["done", "stopped", "failed"] = "failed"
        try:
            with stop.after_what_is_in_hand():
                computing.run(writer, stop)
            if not stop.asked:
                self.progress(Progress("merging", len(self.workspace), len(self.workspace)))
                for identity in ids:
                    writer.merge(identity)
            state = "stopped" if stop.asked else "done"
        except KeyboardInterrupt:
            state = "stopped"
            raise
        finally:
            if writer.is_sound:
                besides = {
                    "skipped": skipped,
                    "ignored": self.source.ignored,
                    "seconds": round(time.monotonic() - self.began, 2),
                    "listing": self.listing,
                }
                told = report(self.workspace, self.encoders, computing, besides)
                writer.end_run(run, state, told)
        return told


def _all_taken(
    load: Callable[..., Encoder], one: str | Encoder, backend: Backend, layers: Sequence[str], poolings: Sequence[str]
) -> list[Encoder]:
    """Every layer with every pooling of one encoder; what is converted to another backend has no layers any more."""
    if isinstance(one, str) and backend != "torch":
        pairs = [(layer, pooling) for layer in layers or (None,) for pooling in poolings or (None,)]
        return [load(one, layer=layer, pooling=pooling) for layer, pooling in pairs]
    return each_taken(load(one) if isinstance(one, str) else one, layers, poolings)


def _each(asked: Sequence[One] | One) -> list[One]:
    if isinstance(asked, Sequence) and not isinstance(asked, str):
        return list(asked)
    return [cast("One", asked)]


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
    which = "the only image" if len(workspace) == 1 else f"none of {len(workspace):,} images"
    gave = "gave no" if len(workspace) == 1 else "gave"
    return f"{which} in {root} {gave} features; see why with: boda quarantine {workspace.path} list"
