"""Writing an inspection: a table, JSON, a sheet a finding and one page, in a folder that is known again."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from boda.errors import NotFound, Refused
from boda.keys import shown
from boda.pictures.page import write_page
from boda.pictures.sheet import Tile, contact_sheet, write_sheet
from boda.pipelines.health.finding import Finding, batches, table_schema
from boda.pipelines.health.reporting import MARK, report
from boda.pipelines.places import folder_beside
from boda.pipelines.tables import write_table
from boda.pipelines.thumbnails import source_of, thumbnails
from boda.recipe import Recipe
from boda.sources.walking import is_workspace
from boda.workspace.atomic import TEMPORARY, write_whole
from boda.workspace.workspace import Workspace

MOST = 60
"""Images on a sheet; the table has all."""
SIDE = 180
RECORD, TABLE, PAGE = "findings.json", "findings.csv", "findings.html"

Pictures = Mapping[str, Image.Image | str]
"""By key: the picture, or why there is none."""


def folder_for(workspace: Workspace, to: str | os.PathLike[str] | None, *, force: bool) -> Path:
    """The folder where an inspection may be written; made where it is not there.

    Raises:
        NotFound: the folder above is not there.
        Refused: it is a file or a workspace, or holds something that no inspection wrote, without `force`.
    """
    if to is None:
        folder = folder_beside(workspace.path, "inspect")
    else:
        folder = Path(to)
        if not folder.absolute().parent.is_dir():
            raise NotFound(f"{shown(str(folder.parent))}: no such folder to write into; make it first")
        if folder.exists() and not folder.is_dir():
            raise Refused(f"{shown(str(folder))}: is a file; an inspection is written as a folder")
        if is_workspace(os.fsencode(folder)):
            raise Refused(f"{shown(str(folder))}: is a workspace; give another folder")
    there = {one.name for one in folder.iterdir()} if folder.is_dir() else set()
    others = {name for name in there - set(_written_before(folder)) if not TEMPORARY.fullmatch(name)}
    if others and not force:
        raise Refused(
            f"{shown(str(folder))}: holds {shown(min(others))}, which no inspection wrote; give --force, or --to "
            "another folder"
        )
    folder.mkdir(exist_ok=True)
    return folder


def write_inspection(
    workspace: Workspace,
    record: Mapping[str, Any],
    findings: Sequence[Finding],
    recipe: Recipe | None,
    folder: Path,
) -> None:
    """Write everything; sheets of an earlier inspection whose finding is no longer there go.

    The record is begun first, with the names of all files, so that a stop leaves nothing here that the next inspection
    takes for somebody else's; what was found is in it last.

    Raises:
        DecoderBroken: decoders die on everything here.
        DiskTrouble: the disk is full or failing.
    """
    pictures = _pictures(workspace, findings, recipe)
    sheets = {finding.name: f"{finding.name.replace(' ', '-')}.png" for finding in findings if finding.images}
    names = sorted([RECORD, TABLE, PAGE, *sheets.values()])
    before = _written_before(folder)
    _write_record(folder, {}, sorted({*names, *before}))
    for name in {*before} - set(names):
        (folder / name).unlink(missing_ok=True)
    for finding in findings:
        if finding.images:
            write_sheet(_sheet(workspace, finding, pictures), folder / sheets[finding.name], mark=MARK)
    schema = table_schema()
    write_table(folder / TABLE, schema, batches(findings, schema))
    write_page(report(workspace, record, findings, pictures), folder / PAGE)
    _write_record(folder, record, names)


def _write_record(folder: Path, record: Mapping[str, Any], names: Sequence[str]) -> None:
    data = json.dumps(dict(record) | {"made_by": MARK, "files": names}, indent=1, allow_nan=False).encode()
    write_whole(folder / RECORD, lambda file: file.write(data))


def _written_before(folder: Path) -> list[str]:
    """The files that an earlier inspection wrote here, by its own record."""
    try:
        record = json.loads((folder / RECORD).read_bytes())
        names = record["files"] if record["made_by"] == MARK else []
        return [name for name in names if isinstance(name, str) and name == Path(name).name]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _pictures(workspace: Workspace, findings: Sequence[Finding], recipe: Recipe | None) -> Pictures:
    """Of every image that is on a sheet, decoded once."""
    keys = list(dict.fromkeys(one.key for finding in findings for one in finding.images[:MOST]))
    source = source_of(workspace)
    if source is None:
        return dict.fromkeys(keys, "the source is not there")
    found = thumbnails(source, list(workspace.refs(keys).values()), SIDE, recipe)
    return {key: one if isinstance(one, Image.Image) else str(one) for key, one in zip(keys, found, strict=True)}


def _sheet(workspace: Workspace, finding: Finding, pictures: Pictures) -> Image.Image:
    tiles = []
    for one in finding.images[:MOST]:
        picture = pictures[one.key]
        name = one.key if one.group is None else f"{one.group}  {one.key}"
        caption = (name, *(part for part in one.reason.split("; ")))
        held = isinstance(picture, Image.Image)
        tiles.append(Tile(picture if held else None, caption, "" if held else str(picture)))  # type: ignore[arg-type]
    more = len(finding.images) - len(tiles)
    title = f"{workspace.path.name}: {finding.name}, {len(finding.images):,}"
    title += f", {more:,} not shown" if more else ""
    return contact_sheet(tiles, side=SIDE, columns=6, title=title)
