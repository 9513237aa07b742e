"""Examples of each cluster: what is typical of it, what lies at its border and what is far out, as pictures."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from PIL import Image

from boda.clusters.members import Members
from boda.keys import shown, to_json
from boda.pictures.sheet import Tile, contact_sheet
from boda.pictures.wording import number
from boda.pipelines.thumbnails import source_of, thumbnails
from boda.workspace.features import FeatureSet
from boda.workspace.workspace import Workspace

COUNT = 6
"""Examples of each sort."""
_SIDE, _SMALLEST = 112, 16
_PAPER = (255, 255, 255)

Picture: TypeAlias = Image.Image | str
"""An image, or why there is none."""


@dataclass(frozen=True, slots=True)
class Example:
    """One image of a cluster."""

    row: int
    key: str
    sort: str
    """"medoid", "typical", "border", "outlier", or "none" of an image in no cluster."""
    figure: float
    """Of medoid and typical images the distance to the centre, of border images the margin, of outliers how many times
    the median distance they are away."""

    @property
    def line(self) -> str:
        """What is said under its picture."""
        words = {
            "medoid": f"medoid   {number(self.figure)}",
            "typical": f"near   {number(self.figure)}",
            "border": f"border   {number(self.figure)}",
            "outlier": f"outlier   {number(self.figure)}x",
        }
        return words.get(self.sort, "in no cluster")

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        figure = "margin" if self.sort == "border" else "times_median" if self.sort == "outlier" else "distance"
        return {"key": to_json(self.key), figure: self.figure if np.isfinite(self.figure) else None}


@dataclass(frozen=True, slots=True)
class Examples:
    """Of one cluster."""

    typical: tuple[Example, ...]
    """Nearest to the centre first; the first is the medoid."""
    border: tuple[Example, ...]
    """Nearest to another cluster first."""
    outliers: tuple[Example, ...]
    """Farthest out first."""

    @property
    def lines(self) -> tuple[tuple[Example, ...], ...]:
        """One sort a line."""
        return tuple(one for one in (self.typical, self.border, self.outliers) if one)

    def as_json(self) -> dict[str, Any]:
        """`{"medoid", "typical", "border", "outliers"}`."""
        return {
            "medoid": to_json(self.typical[0].key),
            "typical": [one.as_json() for one in self.typical],
            "border": [one.as_json() for one in self.border],
            "outliers": [one.as_json() for one in self.outliers],
        }


def examples_of(members: Members, keys: Sequence[str]) -> list[Examples]:
    """Of each cluster, in their order."""
    return [_examples(members, keys, cluster) for cluster in range(members.k)]


def _examples(members: Members, keys: Sequence[str], cluster: int) -> Examples:
    typical = _listed(members.typical(cluster, COUNT), "typical", members.distances, keys)
    first = Example(typical[0].row, typical[0].key, "medoid", typical[0].figure)
    border = _listed(members.border(cluster, COUNT), "border", members.margins, keys)
    outliers = _listed(members.outliers(cluster, COUNT), "outlier", members.farness, keys)
    return Examples((first, *typical[1:]), border, outliers)


def _listed(rows: Any, sort: str, figures: Any, keys: Sequence[str]) -> tuple[Example, ...]:
    return tuple(Example(row, keys[row], sort, float(figures[row])) for row in rows.tolist())


def pictures_of(workspace: Workspace, features: FeatureSet, rows: Iterable[int]) -> dict[int, Picture]:
    """A small picture of each of these rows, or why there is none; each is decoded once.

    Raises:
        DecoderBroken: decoders die on everything here.
    """
    wanted = sorted(set(rows))
    source = source_of(workspace)
    if source is None:
        return dict.fromkeys(wanted, "the source is not there")
    keys = [features.keys[row] for row in wanted]
    side = _side(workspace, set(keys))
    refs = workspace.refs(keys)
    made = thumbnails(source, [refs[key] for key in keys], side, features.recipe, paper=_PAPER)
    return {
        row: one if isinstance(one, Image.Image) else shown(str(one)) for row, one in zip(wanted, made, strict=True)
    }


def _side(workspace: Workspace, keys: set[str]) -> int:
    """Large enough for the largest of these images, and no larger."""
    from boda.keys import from_text

    table = workspace.frame().select(["key", "width", "height"]).to_pylist()
    sides = [one[name] or 0 for one in table if from_text(one["key"]) in keys for name in ("width", "height")]
    return int(np.clip(max(sides, default=_SIDE) or _SIDE, _SMALLEST, _SIDE))


def sheet(lines: Sequence[Sequence[Example]], pictures: Mapping[int, Picture], title: str) -> Image.Image:
    """A contact sheet with one sort of example a line. Small images are enlarged a whole number of times."""
    columns = max(map(len, lines))
    blank = Tile(Image.new("RGB", (1, 1), _PAPER))
    tiles: list[Tile] = []
    for line in lines:
        for one in line:
            picture = pictures[one.row]
            words = (one.line, one.key)
            tiles.append(Tile(None, words, picture) if isinstance(picture, str) else Tile(_enlarged(picture), words))
        tiles += [blank] * (columns - len(line))
    return contact_sheet(tiles, columns=columns, side=_SIDE, title=title)


def _enlarged(picture: Image.Image) -> Image.Image:
    times = max(1, _SIDE // max(picture.size))
    return (
        picture
        if times == 1
        else picture.resize((picture.width * times, picture.height * times), Image.Resampling.NEAREST)
    )
