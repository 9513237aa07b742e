"""What `boda cluster` writes: tables, figures as JSON, contact sheets, drawings and the page."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from PIL import Image

import boda
from boda.clusters.nulls import KINDS
from boda.clusters.repeated import Spread
from boda.clusters.stability import Sweep
from boda.counted import counted, found_of_asked
from boda.keys import shown, to_text
from boda.pictures.clusters_page import NULLS, Shown, clusters_page
from boda.pictures.clusters_sweep import Curve, Panel, clusters_sweep
from boda.pictures.clusters_table import clusters_table
from boda.pictures.page import Picture, data_uri, render_page
from boda.pictures.wording import fitted, share
from boda.pipelines.clusters.examples import Example, pictures_of, sheet
from boda.pipelines.clusters.examples import Picture as Seen
from boda.pipelines.clusters.measuring import Found
from boda.pipelines.file_bytes import as_png, table_as_csv
from boda.workspace.features import FeatureSet
from boda.workspace.workspace import Workspace

_LOOSE = 12
"""Images in no cluster that a sheet shows."""
_CAPTION = 120
"""Pixels of a key under a picture of the page."""
_MARK = "boda cluster"


@dataclass(frozen=True, eq=False)
class Report:
    """What is told."""

    stem: str
    """The beginning of the names of files that are about all clusterings."""
    found: Sequence[Found]
    sweep: Sweep
    record: Mapping[str, Any]
    page: bool


def names_of(stem: str, names: Sequence[str], *, page: bool) -> list[str]:
    """The files that there will be; of the contact sheets of a clustering the first stands for all."""
    files = [f"{stem}.json", f"{stem}-stability.png", *([f"{stem}.html"] if page else [])]
    return files + [file for name in names for file in (f"{name}.csv", f"{name}-classes.png", f"{name}/cluster-0.png")]


def files_of(workspace: Workspace, features: FeatureSet, report: Report) -> dict[str, bytes]:
    """All files, by their path in the folder.

    Raises:
        DecoderBroken: decoders die on everything here.
    """
    loose = {one.name: _loose(one, features.keys) for one in report.found}
    rows = {example.row for one in report.found for part in one.examples for line in part.lines for example in line}
    rows |= {example.row for line in loose.values() for example in line}
    seen = pictures_of(workspace, features, rows)
    files: dict[str, bytes] = {}
    shown_of: dict[str, Shown] = {}
    for one in report.found:
        files[f"{one.name}.csv"] = _csv(one, features.keys)
        table = _table_of(one)
        if table is not None:
            files[f"{one.name}-classes.png"] = as_png(table)
        files |= {f"{one.name}/cluster-{number}.png": file for number, file in _sheets(one, report.record, seen)}
        if loose[one.name]:
            words = f"{one.name}: {counted(one.members.unclustered, 'image')} in no cluster"
            files[f"{one.name}/none.png"] = as_png(sheet([loose[one.name][:6], loose[one.name][6:]], seen, words))
        shown_of[one.name] = Shown([_line(part.lines, seen) for part in one.examples], table)
    drawn = _drawn(report)
    if drawn is not None:
        files[f"{report.stem}-stability.png"] = as_png(drawn)
    text = json.dumps({"made_by": _MARK, **report.record}, indent=1, ensure_ascii=True, allow_nan=False)
    files[f"{report.stem}.json"] = text.encode()
    if report.page:
        foot = f"Made by boda {boda.__version__} from {shown(workspace.path.name)}."
        page = clusters_page(
            f"Groups in {workspace.path.name}", report.record, sweep=drawn, shown_of=shown_of, foot=foot
        )
        files[f"{report.stem}.html"] = render_page(replace(page, mark=_MARK)).encode("utf-8", "backslashreplace")
    return files


def _csv(found: Found, keys: Sequence[str]) -> bytes:
    """`key`, `cluster`, `distance`, `margin`, and `class` where there are classes; nothing where there is none."""
    import pyarrow as pa

    labels, classes = found.clustering.labels, found.classes
    columns = {
        "key": pa.array([to_text(key) for key in keys], pa.string()),
        "cluster": pa.array(labels.tolist(), pa.int32(), mask=labels < 0),
        "distance": pa.array(found.members.distances, mask=np.isnan(found.members.distances)),
        "margin": pa.array(found.members.margins, mask=np.isnan(found.members.margins)),
    }
    if classes is not None:
        names = np.array([*classes.truth.names, None], object)
        columns["class"] = pa.array(names[classes.truth.codes].tolist(), pa.string())
    return table_as_csv(pa.table(columns))


def _table_of(found: Found) -> Image.Image | None:
    """The class x cluster table as a picture; rows in no cluster have a column of their own."""
    if found.classes is None:
        return None
    table = found.classes.table
    counts, names = table.counts, [str(number) for number in range(found.clustering.k)]
    if table.unclustered.any():
        counts, names = np.column_stack([counts, table.unclustered]), [*names, "none"]
    return clusters_table(counts, table.classes, names, title=f"{found.name} and {found.classes.truth.column}")


def _sheets(found: Found, record: Mapping[str, Any], seen: Mapping[int, Seen]) -> list[tuple[int, bytes]]:
    """A contact sheet of each cluster."""
    told = next(one for one in record["clusterings"] if one["name"] == found.name)["clusters"]
    return [
        (number, as_png(sheet(part.lines, seen, _title(found.name, told[number]))))
        for number, part in enumerate(found.examples)
    ]


def _title(name: str, cluster: Mapping[str, Any]) -> str:
    again = cluster["jaccard"]
    stable = "" if again is None else f", found again {again['mean']:.2f} ({again['low']:.2f} to {again['high']:.2f})"
    return (
        f"{name}, cluster {cluster['cluster']}: {counted(cluster['rows'], 'image')} ({share(cluster['share'])}){stable}"
    )


def _loose(found: Found, keys: Sequence[str]) -> list[Example]:
    """Some images in no cluster, from all over the listing."""
    rows = np.flatnonzero(found.clustering.labels < 0)
    some = rows[np.linspace(0, len(rows) - 1, min(_LOOSE, len(rows))).astype(int)] if len(rows) else rows
    return [Example(row, keys[row], "none", float("nan")) for row in some.tolist()]


def _line(lines: Sequence[Sequence[Example]], seen: Mapping[int, Seen]) -> list[Picture]:
    """The medoid, then two of each sort."""
    typical, *others = lines
    chosen = [*typical[:3], *(one for line in others for one in line[:2])]
    return [_picture(one, seen[one.row]) for one in chosen]


def _picture(example: Example, seen: Seen) -> Picture:
    key = fitted(example.key, _CAPTION)
    return (
        Picture("", example.line, f"{key}\n{seen}")
        if isinstance(seen, str)
        else Picture(data_uri(seen), example.line, key)
    )


def _drawn(report: Report) -> Image.Image | None:
    """The sweep; None where no clustering could be found again."""
    every = report.sweep.stabilities
    if not every:
        return None
    panels = [
        Panel(
            "two halves of the images agree (ARI)",
            _curve([one.found.halves for one in every]),
            {NULLS[kind]: _curve([one.nulls[kind].halves for one in every]) for kind in KINDS},
        ),
        Panel(
            "least stable cluster (Jaccard)",
            _curve([min(one.found.clusters, key=lambda spread: spread.mean, default=None) for one in every]),
        ),
    ]
    if every[0].found.seeds is not None:
        panels.insert(
            1,
            Panel(
                "two seeds agree (ARI)",
                _curve([one.found.seeds for one in every]),
                {NULLS[kind]: _curve([one.nulls[kind].seeds for one in every]) for kind in KINDS},
            ),
        )
    against = report.sweep.verdict.against
    supported = next((place for place, one in enumerate(every) if one.asked not in against), None)
    names = [found_of_asked(one.k, one.asked) for one in every]
    return clusters_sweep(names, panels, supported=supported, title=report.sweep.verdict.words)


def _curve(spreads: Sequence[Spread | None]) -> Curve:
    return Curve(
        [None if one is None else one.mean for one in spreads],
        [None if one is None else one.low for one in spreads],
        [None if one is None else one.high for one in spreads],
    )
