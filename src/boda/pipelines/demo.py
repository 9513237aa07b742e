"""The demonstration: real images become features, and one page shows what they know and how far to trust it."""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import boda
from boda.arrays import StoredFeatures
from boda.errors import Refused
from boda.keys import from_text, shown, to_json
from boda.pictures.page import Page, write_page
from boda.pipelines.demonstration.accuracy import Share, leave_one_out
from boda.pipelines.demonstration.album import Album
from boda.pipelines.demonstration.learning import Learned, learn, learning_section
from boda.pipelines.demonstration.story import (
    Run,
    Scored,
    accuracy_section,
    draw_queries,
    neighbours_section,
    next_section,
    numbers_section,
    quarantine_section,
    recipe_section,
)
from boda.pipelines.demonstration.tours import Tour, banner, galaxies_tour, images_section, offline_tour
from boda.pipelines.demonstration.unlabelled import Unlabelled, explore, groups_section, health_section, map_section
from boda.pipelines.embed import embed
from boda.pipelines.heads.reporting import report
from boda.pipelines.inspect import inspect
from boda.pipelines.label import label
from boda.pipelines.run.meter import OnProgress
from boda.pipelines.seeds import check_seed

if TYPE_CHECKING:
    from boda.workspace.workspace import Workspace

_MARK = "DEMO.txt"
_MARKED = "Written by `boda demo`, which may be run again and then goes on. Everything in this folder can be deleted.\n"


@dataclass(frozen=True, slots=True)
class DemoResult:
    """What the demonstration did and found."""

    page: str
    workspace: str
    listed: int
    embedded: int
    quarantined: int
    skipped: int
    images_per_s: float
    seconds: float
    """Of the embed run."""
    recipe: str
    scored: str
    """What the accuracies are of: "digits"."""
    accuracy: Share
    """Nearest neighbour among all others, by features."""
    pixels: Share
    """The same by bare pixels."""
    baseline: Share
    """Always the largest class."""
    head: str
    """In the workspace, learned from some of the scored images."""
    promised: Share
    """What it says of itself, by its folds."""
    kept: Share
    """What it then got right of the images it had not seen."""
    unlabelled: dict[str, Any]
    """What was found without labels: groups, map, health."""

    def as_json(self) -> dict[str, Any]:
        """Plain JSON; each accuracy with its interval."""
        shares = {
            name: getattr(self, name).as_json() for name in ("accuracy", "pixels", "baseline", "promised", "kept")
        }
        return asdict(self) | {"page": to_json(self.page), "workspace": to_json(self.workspace)} | shares

    def lines(self) -> list[str]:
        """For people."""
        return [
            f"{self.listed:,} images listed: {self.embedded:,} embedded, {self.quarantined:,} quarantined",
            f"{self.accuracy.total:,} {self.scored}, right by their nearest neighbour: {self.accuracy}",
            f"the same by bare pixels: {self.pixels}; by always saying the largest class: {self.baseline}",
            f"a head that learned {self.promised.total:,} of them promised: {self.promised} right",
            f"of the other {self.kept.total:,} it got right: {self.kept}",
            f"without labels: {self.unlabelled['verdict']}",
            f"a map of them: trustworthiness {self._map('trustworthiness')}, neighbours kept {self._map('kept')}",
            "to look at: " + ", ".join(f"{count:,} {name}" for name, count in self.unlabelled["findings"].items()),
            f"workspace: {shown(self.workspace)}",
            f"page: {shown(self.page)}",
        ]

    def _map(self, name: str) -> str:
        one = self.unlabelled["map"][name]
        return f"{one['value']:.3f} [{one['low']:.3f}, {one['high']:.3f}]"


def demo(
    to: str | os.PathLike[str] = "demo",
    *,
    data: bool = False,
    encoder: str = "auto",
    digits: int | None = None,
    seed: int = 0,
    progress: OnProgress | None = None,
) -> DemoResult:
    """Embed real images, find neighbours, train a head, group, map and inspect, and write a page of it.

    Safe to stop and run again. Needs no network. In `to`: the images as files, the workspace demo.boda, the page
    index.html, digit.html, the report of the head, and an autoencoder of the digits with its workspace digits.boda;
    with `data` the workspace galaxies.boda and the pages galaxies.html and derived_label.html. Groups, map and health
    have pages in folders of their own.

    Args:
        to: a folder; a new or empty one, or one that an earlier demonstration wrote.
        data: take the galaxies of Galaxy Zoo 2 (`BODA_DATA`) instead of the images that come with the libraries.
        encoder: its name.
        digits: how many of the 1,797 digits; None: all.
        seed: of the draws: what a head learns from, and which queries and mistakes are shown.
        progress: is told how embedding goes.

    Raises:
        Refused: the folder holds other things, or a seed below 0.
        NotFound: `data` is asked for and not on this machine.
    """
    check_seed(seed)
    folder = Path(to)
    tour = galaxies_tour() if data else None
    _claim(folder)
    tour = tour or offline_tour(folder, digits)
    place = folder / f"{tour.name}.boda"
    embedded = embed(tour.source, encoders=(encoder,), to=place, progress=progress)
    label(embedded, tour.labels)
    page = folder / ("galaxies.html" if data else "index.html")
    health = inspect(embedded, seed=seed)
    learned = learn(embedded, tour.scored, seed)
    write_page(report(embedded, learned.head, learned.material), page.with_name(f"{learned.head.name}.html"))
    found = explore(embedded, tour.scored, health, small=tour.small, labels=tour.labels, seed=seed, progress=progress)
    return _show(tour, embedded, learned, found, page, np.random.default_rng(seed))


def _claim(folder: Path) -> None:
    """Make the folder, and mark it as ours.

    Raises:
        Refused: it is a file, or holds other things.
    """
    if folder.exists() and not folder.is_dir():
        raise Refused(f"{shown(str(folder))} is a file: give the demonstration a folder of its own, with --to")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / _MARK).is_file():
        raise Refused(f"{shown(str(folder))} holds other things: give the demonstration a folder of its own, with --to")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _MARK).write_text(_MARKED, "utf-8")


def _show(
    tour: Tour,
    workspace: "Workspace",
    learned: Learned,
    unlabelled: Unlabelled,
    page: Path,
    rng: np.random.Generator,
) -> DemoResult:
    """Find neighbours, score, and write the page."""
    features = workspace.features(workspace.report["recipes"][0]["id"])
    album = Album(workspace, features.recipe)
    kinds, classes = (_column(workspace, features.keys, name) for name in (tour.kind, tour.scored))
    queries = draw_queries(kinds, tour.each, rng)
    scored = _score(features.array, features.keys, classes, album, tour.what)
    run = _run(workspace)
    known = [one or kind or "unknown" for one, kind in zip(classes, kinds, strict=True)]
    names = [one or shown(Path(key).stem) for one, key in zip(classes, features.keys, strict=True)]
    by_kind = {kind: [key for key, one in zip(features.keys, kinds, strict=True) if one == kind] for kind in queries}
    sections = [
        numbers_section(run),
        images_section(tour, album, by_kind),
        neighbours_section(features, album, queries, known, names),
        accuracy_section(scored, album, rng),
        learning_section(learned, album, tour.what, f"{learned.head.name}.html", rng),
        groups_section(unlabelled, tour.what),
        map_section(unlabelled),
        health_section(unlabelled),
        quarantine_section(workspace.quarantined(features.recipe.id), tour.quarantine),
        recipe_section(features.recipe, features.array.shape[1]),
        next_section(f"{page.parent.name}/{workspace.path.name}", features.keys[0], learned.head.name),
    ]
    top = banner(tour, album, features.keys)
    write_page(Page(tour.title, tour.lead(run.embedded, scored.found), sections, top, _foot()), page)
    found = scored.found
    return DemoResult(
        page=str(page),
        workspace=str(workspace.path),
        listed=run.listed,
        embedded=run.embedded,
        quarantined=run.quarantined,
        skipped=run.skipped,
        images_per_s=run.images_per_s,
        seconds=run.seconds,
        recipe=features.recipe.id,
        scored=tour.what,
        accuracy=found.accuracy,
        pixels=scored.pixels,
        baseline=found.baseline,
        head=learned.head.name,
        promised=learned.promised,
        kept=learned.kept,
        unlabelled=unlabelled.as_json(),
    )


def _column(workspace: "Workspace", keys: Sequence[str], name: str) -> list[str | None]:
    """What a label column says of these images; None where it says nothing."""
    frame = workspace.frame()
    values = zip(frame["key"].to_pylist(), frame[name].to_pylist(), strict=True)
    said = {from_text(key): str(value) for key, value in values if value is not None and str(value)}
    return [said.get(key) for key in keys]


def _score(
    features: StoredFeatures, keys: Sequence[str], classes: Sequence[str | None], album: Album, what: str
) -> Scored:
    """Leave-one-out of the images whose class is known, by features and by bare pixels."""
    rows = [row for row, one in enumerate(classes) if one is not None]
    labels = [one for one in classes if one is not None]
    known = [keys[row] for row in rows]
    found = leave_one_out(np.asarray(features)[rows], labels)
    return Scored(found, leave_one_out(album.pixels(known), labels).accuracy, known, labels, what)


def _run(workspace: "Workspace") -> Run:
    """What the embed run reported."""
    report = workspace.report
    return Run(**{field.name: report[field.name] for field in fields(Run)})


def _foot() -> str:
    return f"Made by boda {boda.__version__}: one file, nothing loaded from elsewhere. Images belong to their makers."
