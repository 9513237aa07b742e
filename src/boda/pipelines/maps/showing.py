"""How a map is shown: a picture, and a page on which every dot shows its image."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

import boda
from boda.counted import counted
from boda.errors import Refused
from boda.heads import columns
from boda.keys import from_text, shown
from boda.pictures import map_colours
from boda.pictures.map_colours import Colours
from boda.pictures.map_page import MapPage, is_map_page, write_map_page
from boda.pictures.map_picture import MARK, Doubt, map_picture
from boda.pictures.map_sprites import SIDE, sprites
from boda.pictures.sheet import written_by
from boda.pictures.wording import interval, number
from boda.pipelines.clusters.keeping import load_clustering
from boda.pipelines.maps.keeping import KeptMap
from boda.pipelines.output_folder import output_folder
from boda.pipelines.places import place_for
from boda.pipelines.thumbnails import source_of, thumbnails
from boda.workspace.atomic import write_whole
from boda.workspace.workspace import Workspace

PICTURED = 3000
"""Thumbnails on a page at most, about 6 MB; of more images some are drawn."""
_FEW = 12
"""Whole numbers of at most so many kinds are names."""
_CLUSTER = "cluster:"
_METHODS = {"tsne": "t-SNE", "umap": "UMAP", "pca": "Principal components"}


@dataclass(frozen=True, slots=True)
class Places:
    """Where a map is drawn."""

    picture: Path
    page: Path


@dataclass(frozen=True, slots=True, eq=False)
class Background:
    """Points of the map of another workspace."""

    places: npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Column:
    """What points are coloured by: names or numbers, by key."""

    name: str
    values: Mapping[str, Any]
    numbers: bool


def where(workspace: Workspace, name: str, to: str | os.PathLike[str] | None, *, force: bool) -> Places:
    """Where the picture and the page of a map may be written; their folder is made with the first of them.

    Raises:
        NotFound: a folder is not there.
        Refused: something else is there, or it is a workspace.
    """
    if to is None or Path(to).is_dir() or not Path(to).suffix:
        page = output_folder(workspace.path, "map", to) / f"{name}.html"
        if not page.parent.exists():
            return Places(page.with_suffix(".png"), page)
    else:
        page = Path(to)
        if page.suffix.lower() not in {".html", ".htm"}:
            raise Refused(f"{shown(str(page))}: give a page, a name that ends in .html, or a folder")
    picture = page.with_suffix(".png")
    return Places(
        place_for(picture, force=force, ours=written_by(picture, MARK)),
        place_for(page, force=force, ours=is_map_page(page)),
    )


def colouring_of(workspace: Workspace, colour: str | None) -> Column | None:
    """The column, or the clustering (`cluster:NAME`), by which points are coloured; None where none was asked for.

    Raises:
        NotFound: no such column or clustering.
        Refused: it holds lists.
    """
    if colour is None:
        return None
    table = workspace.frame()
    if colour.startswith(_CLUSTER) and colour not in table.column_names:
        clustering, _ = load_clustering(colour.removeprefix(_CLUSTER), workspace)
        names = [None if label < 0 else str(label) for label in clustering.labels.tolist()]
        return Column(colour, dict(zip(clustering.keys, names, strict=True)), numbers=False)
    keys = [from_text(key) for key in table["key"].to_pylist()]
    inside = columns.inside(colour)
    of_column = colour in table.column_names or inside == colour
    if not of_column or columns.is_number(columns.column(table, colour)):
        values = columns.numbers(table, colour)
        kinds = np.unique(values[np.isfinite(values)])
        if colour in table.column_names and len(kinds) <= _FEW and (kinds == np.round(kinds)).all():
            names = [str(int(value)) if np.isfinite(value) else None for value in values]
            return Column(colour, dict(zip(keys, names, strict=True)), numbers=False)
        return Column(colour, dict(zip(keys, values.tolist(), strict=True)), numbers=True)
    return Column(colour, dict(zip(keys, columns.texts(table, colour).tolist(), strict=True)), numbers=False)


def show(
    workspace: Workspace, kept: KeptMap, places: Places, column: Column | None, background: Background | None
) -> None:
    """Draw a map, as a picture and as a page.

    Raises:
        DecoderBroken: decoders die on everything here.
        DiskTrouble: the disk does not take it.
    """
    colours, doubts = colours_of(kept.keys, column), doubts_of(kept.points)
    title, lead, behind = _title(workspace, kept), _lead(kept), None if background is None else background.places
    marked = kept.placed if not kept.placed.all() else np.zeros(len(kept.placed), np.bool_)
    picture = map_picture(
        kept.places,
        colours,
        title=title,
        words=[in_one_line(kept.record["measured"]), *kept.record["limits"]],
        doubt=doubts[0] if doubts else None,
        marked=marked,
        behind=behind,
    )
    places.picture.parent.mkdir(exist_ok=True)
    write_whole(places.picture, lambda file: file.write(picture))
    small, pictured, notes = _thumbnails(workspace, kept)
    page = MapPage(
        title=title,
        lead=lead,
        figures=_figures(kept.record["measured"]),
        limits=kept.record["limits"],
        notes=notes,
        places=kept.places,
        keys=kept.keys,
        colours=colours,
        doubts=doubts,
        placed=marked,
        behind=behind,
        sprites=sprites(small),
        pictured=pictured,
        foot=f"Made by boda {boda.__version__}. Kept in {shown(workspace.path.name)} as {kept.name}.",
    )
    write_map_page(page, places.page)


def colours_of(keys: Sequence[str], column: Column | None) -> Colours:
    """Of the points of these images; all alike without a column."""
    if column is None:
        return map_colours.plain(len(keys))
    values = [column.values.get(key) for key in keys]
    if not column.numbers:
        return map_colours.by_name(column.name, values)
    return map_colours.by_number(column.name, np.array([np.nan if one is None else one for one in values], np.float64))


def doubts_of(points: Mapping[str, npt.NDArray[np.float32]]) -> list[Doubt]:
    """What says most about a point first: disagreement, where it was measured."""
    told = {
        "disagreement": ("disagreement of random starts", True, ("the same", "no two alike")),
        "kept": ("share of neighbours kept", False, ("none", "all")),
        "trustworthiness": ("trustworthiness", False, ("low", "1")),
        "continuity": ("continuity", False, ("low", "1")),
    }
    return [
        Doubt(title, points[name], pale, ends)
        for name, (title, pale, ends) in told.items()
        if name in points and np.isfinite(points[name]).any()
    ]


def _title(workspace: Workspace, kept: KeptMap) -> str:
    name = shown(workspace.path.name.removesuffix(".boda"))
    return f"{name}: {len(kept.keys):,} images, {_METHODS[kept.settings.method]}"


def _lead(kept: KeptMap) -> str:
    settings = kept.settings
    how = {"tsne": f"perplexity {number(settings.perplexity)}", "umap": f"{settings.neighbours} neighbours", "pca": ""}
    parts = [
        f"{settings.dims} dimensions",
        how[settings.method],
        f"{settings.metric} distances",
        f"seed {settings.seed}",
    ]
    words = ", ".join(part for part in parts if part)
    if onto := kept.record["onto"]:
        words += (
            f". {counted(onto['placed'], 'image was', 'images were')} placed "
            f"on map {shown(onto['map'])} of {shown(onto['workspace'])}; "
            f"its {onto['points']:,} points stayed where they are"
        )
    return f"{words[0].upper()}{words[1:]}."


def _figures(measured: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """The error bars: name, figure, and what stands beside it."""
    k, rows, baseline = measured["k"], measured["rows"], measured["baseline"]
    told = {
        "trustworthiness": "Trustworthiness: who lies near is near",
        "continuity": "Continuity: who is near lies near",
        "kept": f"Share of the {k} nearest neighbours kept",
    }
    figures = []
    for name, words in told.items():
        one = measured[name]
        beside = f"{interval(one['low'], one['high'], decimals=3)} (90 %), {rows:,} images"
        if baseline:
            beside += f"; principal components {number(baseline[name]['value'], decimals=3)}"
        figures.append((words, number(one["value"], decimals=3), beside))
    if found := measured["disagreement"]:
        beside = (
            f"{interval(found['low'], found['high'], decimals=3)} (90 %), {found['rows']:,} images; maps with nothing "
            f"in common {number(found['by_chance'], decimals=3)}"
        )
        words = f"Disagreement of {found['starts']} random starts on who the {found['k']} nearest are"
        figures.append((words, number(found["value"], decimals=3), beside))
    return figures


def in_one_line(measured: Mapping[str, Any]) -> str:
    """The figures as one text, each with its interval and what stands beside it."""
    figures = [f"{name.split(':')[0]} {figure} ({beside})" for name, figure, beside in _figures(measured)]
    return ". ".join(figures) + "."


def _thumbnails(workspace: Workspace, kept: KeptMap) -> tuple[list[Image.Image], npt.NDArray[np.int64], list[str]]:
    """Small pictures, (n,) the place of each image among them or -1, and what is to be said of those without."""
    n, notes = len(kept.keys), []
    pictured = np.full(n, -1)
    source = source_of(workspace)
    if source is None:
        return [], pictured, ["The source of the images is not there: the page has no thumbnails."]
    rows = np.arange(n)
    if n > PICTURED:
        rows = np.sort(np.random.default_rng([kept.settings.seed, 6]).choice(n, PICTURED, replace=False))
        notes.append(f"The page has thumbnails of {PICTURED:,} of the {n:,} images, drawn at random.")
    refs = workspace.refs([kept.keys[row] for row in rows])
    small: list[Image.Image] = []
    for row, one in zip(
        rows, thumbnails(source, list(refs.values()), SIDE, workspace.recipe(kept.recipe)), strict=True
    ):
        if isinstance(one, Image.Image):
            pictured[row] = len(small)
            small.append(one)
    if len(small) < len(rows):
        notes.append(f"{counted(len(rows) - len(small), 'image')} could not be read now: no thumbnail.")
    return small, pictured, notes
