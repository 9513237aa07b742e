"""Predict: what a pretrained classifier, a head or a clustering of your own says of images."""

import contextlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, overload

import numpy as np

from boda.clusters.clustering import Clustering
from boda.cores import cores
from boda.encoders.base import Encoder
from boda.encoders.classifier import as_classifier
from boda.encoders.registry import encoders_for, load_encoder
from boda.errors import NotFound, NothingEmbedded, Refused
from boda.heads.head import Head
from boda.keys import shown, to_json, to_text
from boda.pipelines.clusters.keeping import AnyClustering, load_clustering
from boda.pipelines.clusters.predicting import ClusterPredictions, predict_clusters
from boda.pipelines.decoded import decoded
from boda.pipelines.embed import embed
from boda.pipelines.heads.keeping import AnyHead, load_head
from boda.pipelines.heads.predicting import HeadPredictions, predict_workspace
from boda.pipelines.label import label
from boda.pipelines.places import place_for
from boda.pipelines.tables import write_table
from boda.pipelines.together import together
from boda.pipelines.views import Said, look_with
from boda.pixels.spec import Decoder, PixelSpec
from boda.recipe import Recipe
from boda.sources.base import ImageRef, Unlistable
from boda.sources.walking import is_workspace
from boda.unreadable import Code, Stage, Unreadable
from boda.workspace.workspace import Workspace, open_workspace

if TYPE_CHECKING:
    import pyarrow as pa


_TOPK = 5

Images: TypeAlias = str | os.PathLike[str] | Workspace | Sequence[str | os.PathLike[str]]


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


@overload
def predict(
    images: Images,
    *,
    encoder: str | Encoder = "auto",
    topk: int = _TOPK,
    crops: int = 1,
    scales: Sequence[int] | None = None,
    weights: str | os.PathLike[str] | None = None,
    decode: Decoder | None = None,
    device: str = "auto",
    range: tuple[float, float] | None = None,
    stretch: str | None = None,
    pixels: str | PixelSpec | None = None,
    to: str | os.PathLike[str] | None = None,
    force: bool = False,
    workers: int | None = None,
) -> Predictions: ...
@overload
def predict(
    images: Images,
    *,
    head: AnyHead,
    encoder: str | Encoder | None = None,
    from_table: str | os.PathLike[str] | None = None,
    weights: str | os.PathLike[str] | None = None,
    device: str = "auto",
    to: str | os.PathLike[str] | None = None,
    force: bool = False,
    workers: int | None = None,
) -> HeadPredictions: ...
@overload
def predict(
    images: Images,
    *,
    clusters: AnyClustering,
    encoder: str | Encoder | None = None,
    weights: str | os.PathLike[str] | None = None,
    device: str = "auto",
    to: str | os.PathLike[str] | None = None,
    force: bool = False,
    workers: int | None = None,
) -> ClusterPredictions: ...
def predict(  # noqa: PLR0913  # what a classifier is asked for, and what a head is
    images: Images,
    *,
    head: AnyHead | None = None,
    clusters: AnyClustering | None = None,
    encoder: str | Encoder | None = None,
    topk: int = _TOPK,
    crops: int = 1,
    scales: Sequence[int] | None = None,
    from_table: str | os.PathLike[str] | None = None,
    weights: str | os.PathLike[str] | None = None,
    decode: Decoder | None = None,
    device: str = "auto",
    range: tuple[float, float] | None = None,
    stretch: str | None = None,
    pixels: str | PixelSpec | None = None,
    to: str | os.PathLike[str] | None = None,
    force: bool = False,
    workers: int | None = None,
) -> Predictions | HeadPredictions | ClusterPredictions:
    """Say what is in images: by a head or a clustering of your own, or by a pretrained encoder's own classifier.

    A head gives its target with an interval or probabilities, a clustering the cluster and, where it knows labels, the
    class. Of a workspace they read the features that are there; new images are embedded with their own recipe first. A
    classifier names its classes, in fp32.

    Args:
        images: image files, folders or anything else that names images; or a workspace, for the images of its source.
        head: its name in the workspace, its folder, or itself; None: the encoder's classifier.
        clusters: a clustering: its name in the workspace (`W.boda/NAME` for new images), or itself.
        encoder: a name or an encoder; it must have a classifier. With a head or clusters: what made their features,
            where these may not say it themselves.
        topk: how many classes an image; > 0. Of a classifier.
        crops: 1, the centre, or 10: the four corners and the centre with their mirror images, averaged. Of a
            classifier, like the next.
        scales: short sides in pixels, such as (224, 256, 384, 480, 640): the classifier is applied to the whole image
            at each of these sizes, and its probabilities are averaged (`boda.pipelines.views`).
        from_table: of a head that takes columns too: the table that has them for new images.
        weights: a file in place of the published weights.
        decode: `scaled` or `exact`; None: what the encoder has, `scaled` for boda's own.
        device: `auto`, `cpu`, `cuda`, ...
        range: (low, high), the values that become black and white in 16-bit files. Of a classifier, like the next two.
        stretch: the same for FITS and float files, with a curve, as `asinh:0,1000`.
        pixels: settings in place of the encoder's own, as `size=224` (`boda.pixels.settings`).
        to: also write a table: .csv, .parquet or .jsonl, one row a class of an image.
        force: write over a file at `to`.
        workers: decoder processes; by default one per core.

    Raises:
        Refused: no images, the encoder has no classifier, or a file is in the way.
        NotFound, SourceError: an image or folder is not there or cannot be listed.
        UnknownEncoder, MissingExtra, NotOffline: the encoder cannot be loaded.
    """
    if isinstance(images, Workspace):
        images = images.path
    given = [images] if isinstance(images, str | os.PathLike) else list(images)
    if not given or topk < 1:
        raise Refused("predict needs at least one image, and topk of at least 1")
    of_classifier = [decode, range, stretch, pixels, scales]
    if head is not None and clusters is not None:
        raise Refused("give either a head or clusters")
    if (head is not None or clusters is not None) and (
        topk != _TOPK or crops != 1 or any(one is not None for one in of_classifier)
    ):
        raise Refused(
            "topk, crops, scales, decode, range, stretch and pixels are for a classifier: a head or a clustering has "
            "its own recipe"
        )
    if head is None and from_table is not None:
        raise Refused("a table of columns is for a head that takes some: give a head too")
    place = place_for(to, force=force) if to is not None else None
    said: HeadPredictions | ClusterPredictions | None = None
    if head is not None:
        said = _by_head(given, head, encoder, from_table, weights, device, workers)
    elif clusters is not None:
        said = _by_clusters(given, clusters, encoder, weights, device, workers)
    if said is not None:
        if place is not None:
            write_table(place, said.table().schema, said.table().to_batches())
        return said
    encoder = "auto" if encoder is None else encoder
    source = together(given)
    loaded = (
        load_encoder(
            encoder, weights=weights, decode=decode, device=device, range=range, stretch=stretch, pixels=pixels
        )
        if isinstance(encoder, str)
        else encoder
    )
    classifier = as_classifier(loaded)
    assert classifier.recipe.pixels is not None
    look = look_with(classifier, crops=crops, scales=scales)
    entries = list(source.entries())
    if not entries:
        raise Refused(f"no images in {', '.join(shown(os.fspath(where)) for where in given)}")
    refs = [entry for entry in entries if isinstance(entry, ImageRef)]
    seen: dict[str, Prediction] = {}
    for page in decoded(source, refs, classifier.recipe.pixels, workers=min(workers or cores(), len(refs))):
        answers = look(source, page)
        for row, (ref, verdict) in enumerate(zip(page.refs, page.verdicts, strict=True)):
            seen[ref.key] = _prediction(ref.key, verdict or answers[row], classifier.class_names, topk)
    unseen = {
        entry.key: Prediction(entry.key, (), entry.unreadable) for entry in entries if isinstance(entry, Unlistable)
    }
    found = Predictions(tuple((seen | unseen)[entry.key] for entry in entries), classifier.recipe)
    if place is not None:
        _write(found, place)
    return found


def _by_head(
    given: Sequence[str | os.PathLike[str]],
    head: AnyHead,
    encoder: str | Encoder | None,
    from_table: str | os.PathLike[str] | None,
    weights: str | os.PathLike[str] | None,
    device: str,
    workers: int | None,
) -> HeadPredictions:
    there = _workspace_of(given, [encoder, weights, from_table])
    if there is not None:
        return predict_workspace(there, load_head(head, there))
    loaded = load_head(head)
    if not loaded.recipes:
        raise Refused(f"head {shown(loaded.name)!r} takes columns only: predict in a workspace that has them")
    with _embedded(given, encoders_for(loaded.recipes, encoder, weights=weights, device=device), workers) as there:
        if from_table is not None:
            label(there, from_table)
        _refuse_missing_columns(there, loaded)
        return predict_workspace(there, loaded)


def _by_clusters(
    given: Sequence[str | os.PathLike[str]],
    clusters: AnyClustering,
    encoder: str | Encoder | None,
    weights: str | os.PathLike[str] | None,
    device: str,
    workers: int | None,
) -> ClusterPredictions:
    there = _workspace_of(given, [encoder, weights])
    clustering, home = load_clustering(clusters, there)
    name = "" if isinstance(clusters, Clustering) else os.fspath(clusters).rpartition("/")[2]
    if there is not None:
        return predict_clusters(there, clustering, name, home)
    with _embedded(given, encoders_for([clustering.recipe], encoder, weights=weights, device=device), workers) as new:
        return predict_clusters(new, clustering, name, home)


def _workspace_of(given: Sequence[str | os.PathLike[str]], others: Sequence[object]) -> Workspace | None:
    """The workspace, where that is what was given; nothing else may say how to make its features then."""
    if len(given) != 1 or not is_workspace(os.fsencode(given[0])):
        return None
    if any(one is not None for one in others):
        raise Refused(
            f"{shown(os.fspath(given[0]))}: the features and columns of a workspace are used as they are: leave out "
            "encoder and weights, and join a table with boda label"
        )
    return open_workspace(given[0])


@contextlib.contextmanager
def _embedded(
    given: Sequence[str | os.PathLike[str]], encoders: Sequence[Encoder], workers: int | None
) -> Iterator[Workspace]:
    """New images in a workspace of their own, which goes away; bad ones are in it with their reason."""
    with tempfile.TemporaryDirectory(prefix="boda-predict-") as folder:
        place = Path(folder) / "new.boda"
        try:
            there = embed(together(given), encoders=encoders, to=place, workers=workers)
        except NothingEmbedded:
            there = open_workspace(place)
            if not len(there):
                raise
        yield there


def _refuse_missing_columns(workspace: Workspace, head: Head) -> None:
    known = workspace.frame().column_names
    columns = [one.name for one in head.wanted if one.recipe is None]
    columns += [name for name in (head.unit.column, head.unit.view) if name] if head.unit else []
    lacking = [shown(name) for name in columns if name not in known and "(" not in name]
    if lacking:
        raise NotFound(
            f"head {shown(head.name)!r} takes {', '.join(lacking)} too: give a table that has these columns for the "
            "new images, --from TABLE"
        )


def _prediction(key: str, said: Said, names: Sequence[str], topk: int) -> Prediction:
    if isinstance(said, Unreadable):
        return Prediction(key, (), said)
    if not np.isfinite(said).all():
        return Prediction(key, (), Unreadable(Stage.ENCODE, Code.NOT_FINITE, "the classifier gave NaN or infinity"))
    best = np.argsort(-said, kind="stable")[:topk]
    return Prediction(key, tuple(Ranked(int(i), names[i], 100 * float(said[i])) for i in best))


def _write(found: Predictions, place: Any) -> None:
    """One row a class of an image; a bad image has one row with its reason."""
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
