"""Predict: what a pretrained classifier sees in images."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from boda.arrays import Features
from boda.encoders.base import Encoder
from boda.encoders.classifier import Classifier, as_classifier
from boda.encoders.registry import load_encoder
from boda.errors import Refused
from boda.keys import shown, to_json, to_text
from boda.pipelines.decoded import Page, cores, decoded
from boda.pipelines.places import place_for
from boda.pixels.spec import Decoder
from boda.recipe import Recipe
from boda.sources.base import Blob, Description, ImageRef, Source, Unlistable
from boda.sources.opening import open_described, open_source
from boda.sources.single import SingleFile
from boda.sources.walking import is_workspace
from boda.unreadable import Code, Stage, Unreadable

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Ranked:
    """One class and how likely the classifier finds it."""

    index: int
    name: str
    percent: float

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {"index": self.index, "name": self.name, "percent": round(self.percent, 4)}


@dataclass(frozen=True, slots=True)
class Prediction:
    """One image: its likeliest classes, best first, or why there are none."""

    key: str
    topk: tuple[Ranked, ...]
    unreadable: Unreadable | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain JSON; `reason` only where the image could not be used."""
        record = {"key": to_json(self.key), "topk": [one.as_json() for one in self.topk]}
        return record if self.unreadable is None else record | {"reason": str(self.unreadable)}


@dataclass(frozen=True, slots=True)
class Predictions:
    """One row an image, in the order in which they were given."""

    predictions: tuple[Prediction, ...]
    recipe: Recipe
    """Of the encoder that looked."""

    def as_json(self) -> dict[str, Any]:
        """`{"predictions": [{"key", "topk": [{"index", "name", "percent"}]}]}`; a bad image has a `reason` too."""
        return {"predictions": [one.as_json() for one in self.predictions]}


def predict(
    images: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    encoder: str | Encoder = "auto",
    topk: int = 5,
    weights: str | os.PathLike[str] | None = None,
    decode: Decoder | None = None,
    device: str = "auto",
    to: str | os.PathLike[str] | None = None,
    force: bool = False,
    workers: int | None = None,
) -> Predictions:
    """Name what is in images, with the encoder's own classifier, in fp32.

    Args:
        images: image files, folders or anything else that names images; or a workspace, for the images of its source.
        encoder: a name or an encoder; it must have a classifier.
        topk: how many classes an image; > 0.
        weights: a file in place of the published weights.
        decode: `scaled` or `exact`; None: what the encoder has, `scaled` for boda's own.
        device: `auto`, `cpu`, `cuda`, ...
        to: also write a table: .csv, .parquet or .jsonl, one row a class of an image.
        force: write over a file at `to`.
        workers: decoder processes; by default one per core.

    Raises:
        Refused: no images, the encoder has no classifier, or a file is in the way.
        NotFound, SourceError: an image or folder is not there or cannot be listed.
        UnknownEncoder, MissingExtra, NotOffline: the encoder cannot be loaded.
    """
    given = [images] if isinstance(images, str | os.PathLike) else list(images)
    if not given or topk < 1:
        raise Refused("predict needs at least one image, and topk of at least 1")
    place = place_for(to, force=force) if to is not None else None
    source = _Together(tuple((os.fspath(where), _open(where)) for where in given))
    loaded = (
        load_encoder(encoder, weights=weights, decode=decode, device=device) if isinstance(encoder, str) else encoder
    )
    classifier = as_classifier(loaded)
    assert classifier.recipe.pixels is not None
    entries = list(source.entries())
    if not entries:
        raise Refused(f"no images in {', '.join(shown(os.fspath(where)) for where in given)}")
    refs = [entry for entry in entries if isinstance(entry, ImageRef)]
    seen: dict[str, Prediction] = {}
    for page in decoded(source, refs, classifier.recipe.pixels, workers=min(workers or cores(), len(refs))):
        seen.update((one.key, one) for one in _of_page(page, classifier, topk))
    unseen = {
        entry.key: Prediction(entry.key, (), entry.unreadable) for entry in entries if isinstance(entry, Unlistable)
    }
    found = Predictions(tuple((seen | unseen)[entry.key] for entry in entries), classifier.recipe)
    if place is not None:
        _write(found, place)
    return found


def _open(where: str | os.PathLike[str]) -> Source:
    """The images at a path; of a workspace those of its source."""
    if not is_workspace(os.fsencode(where)):
        return open_source(where)
    from boda.workspace.workspace import open_workspace

    description = open_workspace(where).source
    if description is None:
        raise Refused(f"{os.fspath(where)}: this workspace has no source, so there are no images to look at")
    return open_described(description)


@dataclass(slots=True)
class _Together:
    """Several sources as one. A file's key is its path as written; of several folders, theirs come before the keys."""

    sources: tuple[tuple[str, Source], ...]
    ignored: int = 0

    @property
    def description(self) -> Description:
        """Only whether decoders need the network."""
        kinds = {source.description["kind"] for _, source in self.sources}
        return {"kind": "url" if "url" in kinds else "together", "root": ""}

    def entries(self) -> Iterator[ImageRef | Unlistable]:
        """Every image; a path given twice comes once."""
        given: set[str] = set()
        for number, (where, source) in enumerate(self.sources):
            for entry in source.entries():
                key = self._key(where, source, entry.key)
                if key in given:
                    continue
                given.add(key)
                if isinstance(entry, ImageRef):
                    yield replace(entry, key=key, inner=f"{number} {entry.inner}")
                else:
                    yield replace(entry, key=key)

    def _key(self, where: str, source: Source, key: str) -> str:
        if isinstance(source, SingleFile):
            return where + key[len(Path(where).name) :]
        return key if len(self.sources) == 1 else f"{where.rstrip('/')}/{key}"

    def columns(self) -> None:
        """Nothing is known but the images."""

    def read(self, ref: ImageRef) -> Blob:
        """The bytes, by the source they are from."""
        number, _, inner = ref.inner.partition(" ")
        return self.sources[int(number)][1].read(replace(ref, inner=inner))


def _of_page(page: Page, classifier: Classifier, topk: int) -> Iterator[Prediction]:
    good = [row for row, verdict in enumerate(page.verdicts) if verdict is None]
    shares = dict(zip(good, classifier.classify(page.pixels[good]), strict=True))
    for row, (ref, verdict) in enumerate(zip(page.refs, page.verdicts, strict=True)):
        yield _prediction(ref.key, verdict, shares.get(row), classifier.class_names, topk)


def _prediction(
    key: str, verdict: Unreadable | None, shares: Features | None, names: Sequence[str], topk: int
) -> Prediction:
    if shares is None:
        return Prediction(key, (), verdict)
    if not np.isfinite(shares).all():
        return Prediction(key, (), Unreadable(Stage.ENCODE, Code.NOT_FINITE, "the classifier gave NaN or infinity"))
    best = np.argsort(-shares, kind="stable")[:topk]
    return Prediction(key, tuple(Ranked(int(i), names[i], 100 * float(shares[i])) for i in best))


def _write(found: Predictions, place: Any) -> None:
    """One row a class of an image; a bad image has one row with its reason."""
    from boda.pipelines.tables import write_table

    table = _table(found)
    write_table(place, table.schema, table.to_batches())


def _table(found: Predictions) -> "pa.Table":
    import pyarrow as pa

    schema = pa.schema(
        {
            "key": pa.string(),
            "rank": pa.int64(),
            "index": pa.int64(),
            "name": pa.string(),
            "percent": pa.float64(),
            "reason": pa.string(),
        }
    )
    rows: list[dict[str, Any]] = []
    for one in found.predictions:
        key = to_text(one.key)
        rows += [{"key": key, "rank": rank, **ranked.as_json()} for rank, ranked in enumerate(one.topk, 1)]
        if one.unreadable is not None:
            rows.append({"key": key, "reason": str(one.unreadable)})
    return pa.Table.from_pylist(rows, schema)
