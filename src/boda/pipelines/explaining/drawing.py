"""Maps over their images: what is drawn of each, small for a page and a sheet, and at its own size."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from boda.arrays import Pixels
from boda.explanations.heat import Heat, Map
from boda.keys import shown
from boda.pictures.explanation import Mapped, Row
from boda.pictures.explanation_page import Explained, embedded
from boda.pictures.fine_maps import readable
from boda.pictures.heat import Scale, heated, overlay
from boda.pictures.wording import number
from boda.pipelines.explaining.making import Made
from boda.pipelines.explaining.subjects import Subjects
from boda.pipelines.file_bytes import as_png
from boda.pixels.prepare import prepare
from boda.pixels.spec import PixelSpec
from boda.pixels.window import Window, placed

_SIDE = 400
"""Of pictures on the page, in pixels."""


@dataclass(frozen=True, eq=False)
class Shown:
    """One map of one image."""

    method: str
    title: str
    drawn: Map
    """(y, x): the map, or where it is too fine for the eye what is drawn of it."""
    scale: Scale
    about: tuple[str, ...]
    """The score."""
    checks: tuple[str, ...]
    """The verdict first; () where there are none."""

    def map(self, shape: tuple[int, int]) -> Map:
        """(h, w) as the network saw the image."""
        one: Map = Heat(self.method, "", self.drawn[None], np.zeros(1), "", self.scale.signed).at(shape)[0]
        return one


def upright(subjects: Subjects, place: int, spec: PixelSpec) -> Pixels:
    """The image at its own size, (h, w, 3): a decoder process has opened it before."""
    whole = PixelSpec(resize=None, crop=None, decoder="exact", range=spec.range, stretch=spec.stretch)
    return prepare(subjects.source.read(subjects.refs[place]).data, whole)[0]


def maps_by_image(made: Sequence[Made], count: int, opacity: float) -> list[list[Shown]]:
    """By image, its maps in the order of the methods. One scale where all images have one score, else each its own."""
    found: list[list[Shown]] = [[] for _ in range(count)]
    alone = len({id(one.group) for one in made}) == 1
    for one in made:
        for which, (title, heat) in enumerate(zip(one.titles, one.heats, strict=True)):
            fine = readable(heat.maps, signed=heat.signed)
            shared = fine.scale(heat.unit, opacity=opacity) if alone else None
            for place, row in enumerate(one.group.rows):
                scale = shared or fine.scale(heat.unit, place, opacity=opacity)
                checks = tuple(one.checks[which].words(place)) if one.checks else ()
                found[row].append(Shown(one.method, title, fine.maps[place], scale, _about(one, place), checks))
    return found


def _about(one: Made, place: int) -> tuple[str, ...]:
    value = float(one.heats[0].scores[place])
    score = one.group.score
    unit = "" if score.title.endswith(score.unit) else f" {score.unit}"
    lines = [f"{score.title}: {number(value)}{unit}"]
    gap = one.heats[0].gaps.get("completeness")
    if gap is not None and not one.checks:
        lines.append(f"the map adds up to what the score moved from its baseline, but for {abs(gap[place]):.2g}")
    if one.differences is not None:
        lines.append(f"{one.differences[place]:.1e} standard deviations off the score of the stored features")
    return tuple(lines)


def entry_of(key: str, image: Pixels, where: Window, one: Shown, shape: tuple[int, int], *, several: bool) -> Explained:
    """An image on the page."""
    plain, over = heated(image, one.map(shape), where, one.scale, side=_SIDE)
    title = f"{shown(key)}: {one.title}" if several else shown(key)
    return Explained(title, (*one.about, *one.checks), embedded(plain), embedded(over), scale=one.scale)


def overlay_of(image: Pixels, where: Window, one: Shown, shape: tuple[int, int]) -> bytes:
    """A map over its image, as PNG at the image's own size."""
    lying = placed(one.map(shape), where, (image.shape[1], image.shape[0]))
    scale = one.scale
    return as_png(overlay(image, lying, limits=scale.limits, signed=scale.signed, opacity=scale.opacity))


def row_of(key: str, image: Pixels, where: Window, maps: Sequence[Shown], shape: tuple[int, int]) -> Row:
    """An image on the sheet with all its maps."""
    mapped = [Mapped(one.title, one.map(shape), one.scale, one.checks[:1]) for one in maps]
    return Row(key, image, where, mapped, maps[0].about)
