"""What an explanation leaves: a page, a sheet, overlays at the images' own size, maps as npy, and a record."""

import contextlib
import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
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
from boda.pipelines.explaining.drawing import entry_of, maps_by_image, overlay_of, row_of, upright
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
_LARGE = 16
"""Images on a sheet."""


@dataclass(frozen=True, eq=False)
class Written:
    """What was written."""

    folder: Path
    record: Mapping[str, Any]

    @property
    def page(self) -> Path:
        """The gallery."""
        return self.folder / PAGE


@contextlib.contextmanager
def folder_for(
    workspace: Workspace | None, asked: Asked, ways: Sequence[str], to: Any, *, force: bool
) -> Iterator[Folder]:
    """Where the files go: `to`, or a folder in that of the verb, named after the score and the ways it is explained.

    Where the work inside fails, folders that were made for it and hold nothing are taken away again.

    Raises:
        NotFound: the folder above is not there.
        Refused: something that is not ours is in the way.
    """
    is_own = to is not None and Path(to).exists()
    base = output_folder(workspace.path if workspace is not None else None, "explain", to)
    made = [base]
    try:
        if to is None:
            said = ":".join(one for one in (asked.kind, asked.name, asked.answer) if one)
            made.insert(0, base / slug(f"{said} {' '.join(ways)}"))
            made[0].mkdir(exist_ok=True)
        folder = Folder(made[0], "explain", force=force)
        folder.check([PAGE, SHEET, RECORD, RANKING, TABLE])
        yield folder
    except BaseException:
        for one in made if not is_own else []:
            with contextlib.suppress(OSError):
                one.rmdir()
        raise


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
    """Draw and write everything, each file whole or not at all, the record last.

    Raises:
        Refused: a file that is not ours is in the way.
        DiskTrouble: the disk does not take it.
    """
    opaque = OPACITY if opacity is None else opacity
    maps = maps_by_image(made, len(subjects.keys), opaque)
    spec = subjects.network.recipe.pixels
    assert spec is not None
    entries, rows, records = [], [], []
    folder.write({}, instead_of=["overlays", "maps"])
    for place, key in enumerate(subjects.keys):
        image = upright(subjects, place, spec)
        where = window(spec, (image.shape[1], image.shape[0]))
        for one in maps[place]:
            entries.append(entry_of(key, image, where, one, spec.shape, several=len(maps[place]) > 1))
            name = f"overlays/{place + 1:04d} {slug(f'{key} {one.title}')}.png"
            folder.write({name: overlay_of(image, where, one, spec.shape)})
        if place < _LARGE:
            rows.append(row_of(key, image, where, maps[place], spec.shape))
        records.append(_image_record(subjects, place, made, where, scores.moved))
    record: Mapping[str, Any] = as_plain(
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
    files[RECORD] = json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False).encode()
    folder.write(files)
    return Written(folder.path, record)


def write_comparison(
    folder: Folder, subjects: Subjects, asked: Asked, scores: Scoring, compared: Compared, *, seed: int
) -> tuple[Mapping[str, Any], Path]:
    """The ranking as JSON and the sample as CSV."""
    record = {
        "score": {"kind": asked.kind, "name": to_json(asked.name), "answer": asked.answer},
        "encoder": subjects.network.name,
        "recipe": subjects.network.recipe.id,
        "seed": seed,
        "keys": [to_json(key) for key in subjects.keys],
        "notes": list(scores.notes),
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
    folder.write({TABLE: text.getvalue().encode("utf-8", "backslashreplace"), RANKING: data})
    return plain, folder.path / TABLE


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
