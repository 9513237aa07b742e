"""The page of an inspection: what was found, how it was told, and the first pictures of each finding."""

from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image

import boda
from boda.counted import counted
from boda.keys import shown
from boda.pictures.page import (
    Block,
    Facts,
    Gallery,
    Numbers,
    Page,
    Picture,
    Section,
    Table,
    Words,
    data_uri,
)
from boda.pictures.wording import number
from boda.pipelines.health.finding import Finding, Found
from boda.workspace.workspace import Workspace

MARK = "boda inspect"
MOST = 24
"""Pictures of a finding on the page."""


def report(
    workspace: Workspace,
    record: Mapping[str, Any],
    findings: Sequence[Finding],
    pictures: Mapping[str, Image.Image | str],
) -> Page:
    """Put the page together.

    Args:
        workspace: whose images.
        record: of the inspection, as JSON.
        findings: in order; those without images are named as such.
        pictures: by key: the picture, or why there is none.
    """
    there = [finding for finding in findings if finding.images]
    overview: list[Block] = [
        Numbers(
            [
                (number(record["images"]), "image" if record["images"] == 1 else "images"),
                *((number(len(one.images)), one.called) for one in there),
            ]
        ),
        Table(
            ("finding", "images", "groups", "looked at"),
            [
                (one.name, number(len(one.images)), number(one.groups) if one.groups else "", number(one.judged))
                for one in findings
            ],
        ),
    ]
    sections = [Section("What was found", overview)]
    sections += [Section(one.name.capitalize(), _blocks(one, pictures)) for one in there]
    facts = [(one.name.capitalize(), _told(one)) for one in findings if not one.images]
    if facts:
        sections.append(Section("Looked for, and not found", [Facts(facts)]))
    if record["skipped"]:
        sections.append(
            Section(
                "Not looked for", [Facts([(name.capitalize(), shown(why)) for name, why in record["skipped"].items()])]
            )
        )
    return Page(
        shown(workspace.path.name),
        "Images to look at before anything is learned from them, each with its reason. Nothing was changed.",
        sections,
        foot=f"Made by boda {boda.__version__} from {shown(workspace.path.name)}.",
        mark=MARK,
    )


def _blocks(finding: Finding, pictures: Mapping[str, Image.Image | str]) -> list[Block]:
    blocks: list[Block] = [Words(f"{len(finding.images):,} of {counted(finding.judged, 'image')}. {_told(finding)}")]
    blocks += [Words(f"{shown(note[:1].upper() + note[1:])}.") for note in finding.notes]
    first = finding.images[:MOST]
    blocks.append(Gallery([_picture(one, pictures[one.key]) for one in first], large=True))
    if len(finding.images) > len(first):
        blocks.append(Words(f"The first {len(first)} of {len(finding.images):,}; all are in findings.csv."))
    return blocks


def _told(finding: Finding) -> str:
    return f"How it is told: {shown(finding.told_by)}."


def _picture(found: Found, picture: Image.Image | str) -> Picture:
    name = shown(found.key) if found.group is None else f"{found.group} · {shown(found.key)}"
    note = shown(found.reason).replace("; ", "\n")
    if isinstance(picture, str):
        return Picture("", name, f"{note}\n{shown(picture)}")
    return Picture(data_uri(picture), name, note)
