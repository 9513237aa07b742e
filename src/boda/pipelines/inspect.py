"""Inspect: which images of a collection somebody should look at before learning from them, and why."""

import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from boda.errors import NotFound, Refused
from boda.keys import shown, to_json
from boda.pipelines.health.collection import Collection, collect
from boda.pipelines.health.copied import exact_duplicates, near_copies
from boda.pipelines.health.finding import CHECKS, Check, Finding
from boda.pipelines.health.known import FILE, KIND, NAME, copies_file
from boda.pipelines.health.measuring import Measured, measured
from boda.pipelines.health.mislabelled import mislabelled
from boda.pipelines.health.unusual import outlying, poor
from boda.pipelines.health.writing import PAGE, TABLE, folder_for, write_inspection
from boda.pipelines.places import Where, opened
from boda.pipelines.seeds import check_seed
from boda.recipe import Recipe
from boda.workspace.workspace import Workspace


@dataclass(frozen=True, eq=False)
class Inspection:
    """What was found."""

    workspace: str
    keys: tuple[str, ...]
    """(n,) of the images that were looked at, in the order of the frame."""
    findings: tuple[Finding, ...]
    skipped: dict[str, str]
    """What was not looked for, and why."""
    copies: npt.NDArray[np.int64]
    """(n,) equal files and near duplicates have one number; every image its own where copies were not looked for."""
    recipes: tuple[Recipe, ...]
    """Of the features; the first is that of copies and outliers."""
    decoded: int
    """Images that were decoded for it; of the others the facts were kept."""
    folder: Path

    @property
    def page(self) -> Path:
        """The page."""
        return self.folder / PAGE

    @property
    def table(self) -> Path:
        """The table of all findings."""
        return self.folder / TABLE

    def finding(self, name: str) -> Finding:
        """The finding of this name.

        Raises:
            NotFound: it was not looked for.
        """
        for one in self.findings:
            if one.name == name:
                return one
        raise NotFound(f"{name!r} was not looked for. There is: {', '.join(one.name for one in self.findings)}")

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "workspace": to_json(self.workspace),
            "images": len(self.keys),
            "decoded": self.decoded,
            "recipes": [one.id for one in self.recipes],
            "encoders": [one.name for one in self.recipes],
            "findings": [one.as_json() for one in self.findings],
            "skipped": self.skipped,
            "page": to_json(str(self.page)),
            "table": to_json(str(self.table)),
        }


def inspect(
    workspace: Where,
    *,
    labels: str | None = None,
    recipe: str | Recipe | Sequence[str | Recipe] | None = None,
    only: Sequence[Check] = (),
    to: str | os.PathLike[str] | None = None,
    seed: int = 0,
    force: bool = False,
) -> Inspection:
    """Find copies, outliers, labels that are probably wrong and poor pictures, each with its reason and its picture.

    Nothing is changed but that findings are kept in the workspace, and what the pixels say of each image, so that the
    next inspection decodes only what is new.

    Args:
        workspace: whose images.
        labels: a column of classes, to look for wrong ones.
        recipe: which features, by id, beginning of an id, or name; of several the first tells copies and outliers, and
            all together labels. None: the latest.
        only: some of `duplicates`, `outliers`, `labels`, `quality`; what cannot be looked for is then refused. Empty:
            all, and what cannot be looked for is said.
        to: a folder for table, JSON, sheets and page; by default NAME-inspect/ beside the workspace.
        seed: of folds, and of what is drawn.
        force: write over files in that folder that this did not write, or that were changed since.

    Raises:
        NotFound: no such column or features.
        Refused: no image was read yet, no such check, a check that was asked for cannot be made, or a file in the
            folder is not as this wrote it; the last is told before anything is computed.
        Busy: the workspace is being written; told before anything is computed.
        DecoderBroken: decoders die on everything here.
    """
    check_seed(seed)
    there = opened(workspace)
    wanted = _checks(only, labels)
    recipes = _recipes(there, recipe)
    folder = folder_for(there, wanted, to, force=force)
    keep = there.read_only is None
    if keep:
        with there.write():
            pass
    collection = collect(there, recipes[0] if recipes else None)
    made = _Making(collection, strict=bool(only), keep=keep, seed=seed)
    made.look(wanted, labels, recipes)
    found = Inspection(
        str(there.path),
        collection.keys,
        tuple(made.findings),
        made.skipped,
        made.copies,
        recipes,
        made.decoded,
        folder.path,
    )
    if keep:
        _keep(there, collection, found, wanted)
    write_inspection(there, found.as_json(), found.findings, recipes[0] if recipes else None, folder)
    return found


class _Making:
    """An inspection on its way: one check after the other, and what became of each."""

    def __init__(self, collection: Collection, *, strict: bool, keep: bool, seed: int) -> None:
        self.collection, self.seed = collection, seed
        self._strict, self._keep = strict, keep
        self.findings: list[Finding] = []
        self.skipped: dict[str, str] = {}
        self.copies: npt.NDArray[np.int64] = np.arange(len(collection))
        self.decoded = 0

    def look(self, wanted: Sequence[Check], labels: str | None, recipes: Sequence[Recipe]) -> None:
        """Make every check that is wanted."""
        pixels = self._pixels() if {"duplicates", "quality"} & set(wanted) else None
        if "duplicates" in wanted:
            self.copies = self.collection.same_file
            self.findings.append(exact_duplicates(self.collection))
            self._try("near duplicates", lambda: self._near(pixels))
        if "outliers" in wanted:
            self._try("outliers", lambda: [outlying(self.collection, seed=self.seed)])
        if "labels" in wanted:
            self._labels(labels, recipes)
        if "quality" in wanted:
            self.findings += poor(self.collection, pixels)

    def _pixels(self) -> Measured | None:
        try:
            found = measured(self.collection, keep=self._keep)
        except Refused as refusal:
            if self._strict and self.collection.features is None:
                raise
            self.skipped["pixels"] = str(refusal)
            return None
        self.decoded = found.decoded
        return found

    def _near(self, pixels: Measured | None) -> list[Finding]:
        findings, self.copies = near_copies(self.collection, pixels, seed=self.seed)
        return findings

    def _labels(self, labels: str | None, recipes: Sequence[Recipe]) -> None:
        """A column that was named is judged or refused; without one there is nothing to judge."""
        if labels is None:
            self.skipped["label errors"] = "name a column of classes with --labels"
        elif not recipes:
            raise Refused("labels are judged by features, and there are none; make them with: boda embed")
        else:
            copies = dict(zip(self.collection.keys, self.copies.tolist(), strict=True))
            found, _ = mislabelled(self.collection.workspace, labels, recipes, copies=copies, seed=self.seed)
            self.findings.append(found)

    def _try(self, name: str, check: Callable[[], Iterable[Finding]]) -> None:
        try:
            self.findings += check()
        except Refused as refusal:
            if self._strict:
                raise
            self.skipped[name] = str(refusal)


def _checks(only: Sequence[Check], labels: str | None) -> list[Check]:
    for name in only:
        if name not in get_args(Check):
            raise Refused(f"no check {shown(str(name))!r}; one of {', '.join(CHECKS)}")
    if "labels" in only and labels is None:
        raise Refused("labels are judged by a column of classes: name it with --labels")
    if only and labels is not None and "labels" not in only:
        raise Refused("--labels names a column, and --only leaves labels out: leave one of them away")
    return [name for name in CHECKS if not only or name in only]


def _recipes(workspace: Workspace, asked: str | Recipe | Sequence[str | Recipe] | None) -> tuple[Recipe, ...]:
    """The feature sets that are meant; none where there are none and nobody asked."""
    if asked is None:
        return tuple(workspace.recipes()[-1:])
    names = [asked] if isinstance(asked, str | Recipe) else list(asked)
    return tuple(workspace.recipe(name) for name in names) or tuple(workspace.recipes()[-1:])


def _keep(workspace: Workspace, collection: Collection, found: Inspection, wanted: Sequence[Check]) -> None:
    """Each check as a result of its own, in place of an earlier one; copies with their groups by content."""
    with workspace.write() as writer:
        for check in wanted:
            findings = [one for one in found.findings if one.check == check]
            if not findings:
                continue
            record = {
                "recipes": [one.as_json() for one in found.recipes],
                "findings": [one.as_json() for one in findings],
            }
            files = {"findings.json": json.dumps(record, allow_nan=False).encode()}
            if check == NAME:
                files[FILE] = copies_file(collection, found.copies)
            told = ", ".join(f"{len(one.images):,} {one.called}" for one in findings if one.images)
            summary = {"images": len(found.keys), "found": told or "nothing"}
            writer.put_result(KIND, check, files, summary=summary)
