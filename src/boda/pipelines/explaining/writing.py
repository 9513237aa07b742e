"""What an explanation leaves: a page, a sheet, overlays at the images' own size, maps as npy, and a record."""

import csv
import hashlib
import io
import json
import os
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import boda
from boda.evaluation.plain import as_plain
from boda.explanations.contributions import Contributions
from boda.keys import shown, to_json
from boda.pictures.explanation import explanation_sheet
from boda.pictures.explanation_page import ExplanationPage, explanation_page
from boda.pictures.heat import OPACITY
from boda.pipelines.explaining.asked import Asked
from boda.pipelines.explaining.comparing import Compared
from boda.pipelines.explaining.drawing import Shown, entry_of, maps_by_image, overlay_of, row_of, upright
from boda.pipelines.explaining.making import Made
from boda.pipelines.explaining.scoring import Scoring
from boda.pipelines.explaining.subjects import Subjects
from boda.pipelines.explaining.telling import (
    HOW_TO_READ,
    curves_drawn,
    facts_of,
    figures_of,
    lead_of,
    moves_drawn,
    notices_of,
    title_of,
)
from boda.pipelines.file_bytes import as_npy, as_png
from boda.pipelines.output_folder import Folder, output_folder
from boda.pipelines.searching.sheet import slug
from boda.pixels.window import Window, window
from boda.workspace.workspace import Workspace

PAGE, SHEET, RECORD, RANKING, TABLE = "explained.html", "explained.png", "record.json", "ranking.json", "compared.csv"
COMPARED = (RANKING, TABLE)
"""What a comparison writes."""
LIMIT = 12
"""Images that are explained, where nobody says."""
_LARGE = 16
"""Images on a sheet."""
_NAMED = 60
"""Letters of a question in the name of its folder."""


@dataclass(frozen=True, eq=False)
class Written:
    """What was written."""

    folder: Path
    record: Mapping[str, Any]

    @property
    def page(self) -> Path:
        """The gallery."""
        return self.folder / PAGE


def ways_of(
    subjects: Subjects,
    how: str,
    images: str | os.PathLike[str] | Workspace | Sequence[str | os.PathLike[str]],
    *,
    layer: str | None,
    baseline: str | None,
    rows: Sequence[str],
    where: str | None,
    limit: int,
    unasked: bool,
    seed: int,
) -> list[str]:
    """What makes this question another one than the next: how, of which images, and what is not as by default.

    `how` says by which methods; `unasked`, that nobody named an encoder or its weights, which counts for files: of a
    workspace the recipe says both. The others are those of `explain`, and `subjects` what was found of them.
    """
    there, recipe = subjects.workspace, subjects.network.recipe
    if there is None:
        given = [images] if isinstance(images, str | os.PathLike) else images
        assert not isinstance(given, Workspace)
        rows = [os.path.normpath(os.fspath(one)) for one in given]
    else:
        assert subjects.features is not None
        recipe, unasked = subjects.features.recipe, len(there.recipes()) == 1
        limit = LIMIT if rows else limit
    settings = {
        "layer": layer,
        "baseline": baseline,
        "where": where,
        "n": None if limit == LIMIT else limit,
        "seed": seed or None,
        "recipe": None if unasked else f"{recipe.name} {recipe.id}",
    }
    return [how, *rows, *(f"{name}={value}" for name, value in settings.items() if value is not None)]


def files_of(methods: Sequence[str]) -> list[str]:
    """What an explanation by these methods writes, but for overlays, whose names nobody else gives."""
    return [PAGE, SHEET, RECORD, "overlays/*.png", *(f"maps/{method}.npy" for method in methods)]


def folder_for(
    workspace: Workspace | None, asked: Asked, ways: Sequence[str], files: Collection[str], to: Any, *, force: bool
) -> Folder:
    """Where these files go: `to`, or a folder in that of the verb, named after the score and the ways it is explained.

    The name has the beginning of the question and digits of the digest of all of it: the same question has the same
    folder, and another one another.

    Raises:
        NotFound: the folder above is not there.
        Refused: something that is not ours is in the way.
    """
    place = output_folder(workspace.path if workspace is not None else None, "explain", to)
    if to is None:
        said = ":".join(one for one in (asked.kind, asked.name, asked.answer) if one)
        place /= _name_of(shlex.join([said, *ways]))
    folder = Folder(place, "explain", force=force)
    folder.check(files)
    return folder


def _name_of(question: str) -> str:
    """Its beginning; both have a space or a colon at least, so both have eight digits of their digest."""
    return slug(question[:_NAMED])[:-8] + slug(question)[-8:]


def write_explanations(
    folder: Folder,
    subjects: Subjects,
    asked: Asked,
    scores: Scoring,
    made: Sequence[Made],
    notes: Sequence[str],
    *,
    opacity: float | None,
    seed: int,
) -> Written:
    """Draw and write everything, each file whole or not at all.

    An overlay's name has digits of its digest, so none is written over an older one. When all of them are there the
    record of an older explanation goes, files of one name are replaced, the new record comes, and last goes what is
    left of the old ones: a record that is there is always that of the files beside it, wherever this is stopped.

    Raises:
        Refused: a file that is not ours is in the way.
        DiskTrouble: the disk does not take it.
    """
    opaque = OPACITY if opacity is None else opacity
    maps = maps_by_image(made, len(subjects.keys), opaque)
    spec = subjects.network.recipe.pixels
    assert spec is not None
    entries, rows, records = [], [], []
    drawn: set[str] = set()
    for place, key in enumerate(subjects.keys):
        image = upright(subjects, place, spec)
        where = window(spec, (image.shape[1], image.shape[0]))
        record = _image_record(subjects, place, made, where, scores.moved)
        for one, of_map in zip(maps[place], record["maps"], strict=True):
            entries.append(entry_of(key, image, where, one, spec.shape, several=len(maps[place]) > 1))
            data = overlay_of(image, where, one, spec.shape)
            name = f"overlays/{place + 1:04d} {_title_of(key, one, data)}.png"
            folder.write({name: data})
            drawn.add(name)
            of_map["overlay"] = name
        if place < _LARGE:
            rows.append(row_of(key, image, where, maps[place], spec.shape))
        records.append(record)
    whole: Mapping[str, Any] = as_plain(
        {
            "score": {"kind": asked.kind, "name": to_json(asked.name), "answer": asked.answer},
            "encoder": subjects.network.name,
            "recipe": subjects.network.recipe.id,
            "methods": list(dict.fromkeys(one.method for one in made)),
            "seed": seed,
            "images_to_choose_from": subjects.of,
            "left_out": [{"key": to_json(key), "reason": why} for key, why in subjects.unseen.items()],
            "notes": list(notes),
            "images": records,
        }
    )
    title = title_of(asked, made)
    page = ExplanationPage(
        title=title,
        lead=lead_of(subjects, made),
        facts=facts_of(subjects, made),
        images=entries,
        figures=figures_of(made),
        notices=notices_of(made),
        drawings=[*moves_drawn(scores.moved, subjects.keys), *curves_drawn(made)],
        notes=[*notes, *HOW_TO_READ],
        foot=f"Made by boda {boda.__version__}, seed {seed}.",
    )
    files = {f"maps/{name}.npy": data for name, data in _arrays(made, len(subjects.keys), spec.shape).items()}
    files[SHEET] = as_png(explanation_sheet(rows, title=title))
    files[PAGE] = explanation_page(page).encode("utf-8", "backslashreplace")
    files[RECORD] = json.dumps(whole, indent=1, ensure_ascii=False, allow_nan=False).encode()
    there = {f"overlays/{one.name}" for one in (folder.path / "overlays").iterdir()}
    folder.write({}, instead_of=[RECORD])
    folder.write(files, instead_of=["maps", *(there - drawn)])
    return Written(folder.path, whole)


def write_comparison(
    folder: Folder, subjects: Subjects, asked: Asked, scores: Scoring, compared: Compared, *, seed: int
) -> tuple[Mapping[str, Any], Path]:
    """The ranking as JSON and the sample as CSV; an older ranking goes before its sample does."""
    record = {
        "score": {"kind": asked.kind, "name": to_json(asked.name), "answer": asked.answer},
        "encoder": subjects.network.name,
        "recipe": subjects.network.recipe.id,
        "seed": seed,
        "keys": [to_json(key) for key in subjects.keys],
        "notes": [*scores.notes, *compared.notes],
        "off_stored": compared.off_stored,
        **compared.ranking.record(),
    }
    rows = compared.rows([shown(key) for key in subjects.keys])
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    plain: Mapping[str, Any] = as_plain(record)
    data = json.dumps(plain, indent=1, ensure_ascii=False, allow_nan=False).encode()
    folder.write({}, instead_of=[RANKING])
    folder.write({TABLE: text.getvalue().encode("utf-8", "backslashreplace"), RANKING: data})
    return plain, folder.path / TABLE


def _title_of(key: str, one: Shown, data: bytes) -> str:
    """The image and the map, with digits of the picture's digest in place of those of the words."""
    return slug(f"{key} {one.title}")[:-8] + hashlib.sha256(data).hexdigest()[:8]


def _image_record(
    subjects: Subjects, place: int, made: Sequence[Made], where: Window, moved: Sequence[Contributions | None]
) -> dict[str, Any]:
    record: dict[str, Any] = {
        "key": to_json(subjects.keys[place]),
        "window": [where.left, where.top, where.right, where.bottom],
        "maps": [],
    }
    for one in made:
        if place not in one.group.rows:
            continue
        row = one.group.rows.index(place)
        score = one.group.score
        record |= {"score": score.name, "title": score.title, "unit": score.unit}
        record["value"] = float(one.heats[0].scores[row])
        record["off_stored"] = None if one.differences is None else float(one.differences[row])
        for head, heat in enumerate(one.heats):
            which = {"head": head} if len(one.heats) > 1 else {}
            checks = _of_image(one.checks[head].record(), row) if one.checks else None
            gaps = {name: float(values[row]) for name, values in heat.gaps.items()}
            record["maps"].append(
                {"method": one.method, **which, "layer": heat.layer, "row": place, "gaps": gaps, "checks": checks}
            )
    contribution = moved[place] if moved else None
    if contribution is not None:
        record["moved"] = {
            "base": contribution.base,
            "inputs": dict(zip(contribution.names, contribution.values[0].tolist(), strict=True)),
            "errors": dict(zip(contribution.names, contribution.errors[0].tolist(), strict=True)),
        }
    return record


def _of_image(record: Mapping[str, Any], row: int) -> dict[str, Any]:
    """What the checks of a group say of one image of it."""
    alike = {"method", "unit", "grain", "notes"}
    return {name: values if name in alike or values is None else values[row] for name, values in record.items()}


def _arrays(made: Sequence[Made], count: int, shape: tuple[int, int]) -> dict[str, bytes]:
    """By method: (n, h, w) maps of the subjects in order as the network saw them; (n, heads, h, w) by heads."""
    found: dict[str, np.ndarray] = {}
    for one in made:
        maps = np.stack([heat.at(shape) for heat in one.heats], axis=1)
        whole = found.setdefault(one.method, np.zeros((count, *maps.shape[1:]), np.float32))
        whole[list(one.group.rows)] = maps
    return {name: as_npy(maps[:, 0] if maps.shape[1] == 1 else maps) for name, maps in found.items()}
