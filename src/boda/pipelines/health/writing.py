"""Writing an inspection: a table, JSON, a sheet a finding and one page, in a folder that is known again."""

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image

from boda.pictures.page import render_page
from boda.pictures.sheet import Tile, contact_sheet
from boda.pipelines.file_bytes import as_png, table_as_csv
from boda.pipelines.health.finding import SHEETS, Check, Finding, sheet_of, table_of
from boda.pipelines.health.reporting import report
from boda.pipelines.output_folder import Folder, output_folder
from boda.pipelines.thumbnails import source_of, thumbnails
from boda.recipe import Recipe
from boda.workspace.workspace import Workspace

MOST = 60
"""Images on a sheet; the table has all."""
SIDE = 180
RECORD, TABLE, PAGE = "findings.json", "findings.csv", "findings.html"

Pictures = Mapping[str, Image.Image | str]
"""By key: the picture, or why there is none."""


def folder_for(
    workspace: Workspace, wanted: Sequence[Check], to: str | os.PathLike[str] | None, *, force: bool
) -> Folder:
    """The folder of an inspection, once nothing is in the way of what these checks may write.

    Raises:
        NotFound: the folder above is not there.
        Refused: it is a file or a workspace, or a file in it is not as an inspection wrote it, without `force`.
    """
    folder = Folder(output_folder(workspace.path, "inspect", to), "inspect", force=force)
    folder.check([RECORD, TABLE, PAGE, *(name for check in wanted for name in SHEETS[check])])
    return folder


def write_inspection(
    workspace: Workspace,
    record: Mapping[str, Any],
    findings: Sequence[Finding],
    recipe: Recipe | None,
    folder: Folder,
) -> None:
    """Write everything; sheets of an earlier inspection that are not written now go, as the table no longer has them.

    Raises:
        Refused: a file that is not ours came in the way.
        DecoderBroken: decoders die on everything here.
        DiskTrouble: the disk is full or failing.
    """
    pictures = _pictures(workspace, findings, recipe)
    files = {sheet_of(one.name): as_png(_sheet(workspace, one, pictures)) for one in findings if one.images}
    page = render_page(report(workspace, record, findings, pictures))
    files |= {
        TABLE: table_as_csv(table_of(findings)),
        PAGE: page.encode("utf-8", "backslashreplace"),
        RECORD: json.dumps(record, indent=1, allow_nan=False).encode(),
    }
    folder.write(files, instead_of=[name for names in SHEETS.values() for name in names])


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
