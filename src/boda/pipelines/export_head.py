"""Export a head together with its encoder: as one ONNX graph, or as a folder in the form of model hubs."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from boda.arrays import Pixels
from boda.encoders.base import Encoder
from boda.encoders.registry import encoders_for
from boda.encoders.torch_encoder import TorchEncoder
from boda.errors import NotFound, Refused, SourceError
from boda.heads.head import Head
from boda.keys import shown, to_json
from boda.pipelines.heads.agreement import Agreement, check_graph
from boda.pipelines.heads.keeping import AnyHead, head_place, load_head, write_folder
from boda.pipelines.heads.one_graph import one_graph, plan_of
from boda.pipelines.heads.publishing import NAMES, publish
from boda.pipelines.places import Where, opened, place_for
from boda.pipelines.thumbnails import seen
from boda.recipe import Recipe
from boda.unreadable import Unreadable
from boda.workspace.atomic import write_whole
from boda.workspace.workspace import Workspace

_REAL = 8
"""Images of the workspace that an export is compared on."""


@dataclass(frozen=True, slots=True)
class ExportedHead:
    """What was written."""

    head: str
    to: str
    form: Literal["onnx", "timm", "timm encoder", "head"]
    """`onnx`: one graph, maybe in a folder; `timm`: a network with the head as its classifier; `timm encoder`: the
    network, with the head beside it; `head`: without a network."""
    files: Mapping[str, int]
    """By name, in bytes."""
    agreement: Agreement | None
    """Of the network's predictions with the head's; None where no network that gives them was written."""
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "head": self.head,
            "to": to_json(self.to),
            "form": self.form,
            "files": dict(self.files),
            "agreement": self.agreement.as_json() if self.agreement else None,
            "notes": list(self.notes),
        }

    def lines(self) -> list[str]:
        """For people."""
        words = {
            "onnx": "head and encoder as one ONNX graph",
            "timm": "a network of timm with the head as its classifier",
            "timm encoder": "a network of timm, and the head beside it",
            "head": "the head, without a network",
        }
        found = [f"{shown(self.to)}: {words[self.form]} ({sum(self.files.values()) / 1e6:.1f} MB)"]
        if self.agreement is not None:
            images = f"{self.agreement.made} made images and {self.agreement.real} of the workspace"
            found.append(f"agrees with the head to {self.agreement.largest:.1e} on {images}")
        return found + [f"mind: {note}" for note in self.notes]


def export_head(
    workspace: "Where | None",
    head: AnyHead,
    *,
    to: str | os.PathLike[str],
    encoder: str | Encoder | None = None,
    weights: str | os.PathLike[str] | None = None,
    rows: bool = False,
    force: bool = False,
) -> ExportedHead:
    """Write a head together with its encoder, checked against the head to 1e-4 first.

    `NAME.onnx` becomes one graph from uint8 pixels and columns to predictions; its metadata says how images are
    prepared and what its outputs mean. Any other name becomes a folder in the form of model hubs: the network in
    timm's layout or as a graph, the head that `--head FOLDER` takes, and a model card.

    Args:
        workspace: where the head is, and images to compare on; None for a head of a folder.
        head: its name there, its folder, or itself.
        to: `NAME.onnx`, or a folder.
        encoder: what made its features, where the head may not say it itself.
        weights: the file of weights that the encoder was made with, where it was one.
        rows: in a folder: with the keys of the images it was trained on. Left out, they stay private, and nobody can
            tell whether an image is one of them.
        force: write over what is there.

    Raises:
        NotFound: no such head, or no folder to write into.
        MissingExtra: what writes ONNX is not installed.
        NotOffline, UnknownEncoder: the encoder cannot be loaded.
        Refused: something is in the way; or the encoder or the head cannot be written so, or says something else then.
    """
    there = opened(workspace) if workspace is not None else None
    as_graph = os.fspath(to).endswith(".onnx")
    place = place_for(to, force=force) if as_graph else _folder(to, force=force)
    loaded = load_head(head, there)
    encoders = _encoders(loaded, encoder, weights, needed=as_graph)
    real = _real_images(loaded, there) if encoders else {}
    if as_graph:
        return _as_graph(loaded, encoders, real, place)
    made = publish(loaded, encoders, real, base=_bases(loaded.recipes), rows=rows)
    write_folder(made.files, place, NAMES)
    sizes = {name: len(data) for name, data in sorted(made.files.items())}
    return ExportedHead(loaded.name, str(place), made.use.form, sizes, made.agreement, made.notes)


def _as_graph(head: Head, encoders: Sequence[Encoder], real: Mapping[str, Pixels], place: Path) -> ExportedHead:
    exact = []
    for one in encoders:
        fp32 = one.at("fp32")
        if not isinstance(fp32, TorchEncoder):
            raise Refused(
                f"encoder {one.recipe.name!r} is not computed by torch: it cannot be written as an ONNX graph"
            )
        exact.append(fp32)
    graph = one_graph(head, exact)
    agreement = check_graph(graph, head, exact, real)
    write_whole(place, lambda file: file.write(graph.data))
    bf16 = [one.recipe.name for one in encoders if one.recipe.precision != "fp32"]
    notes = (f"trained on features of {bf16[0]} computed in bf16; the graph computes in fp32",) if bf16 else ()
    return ExportedHead(head.name, str(place), "onnx", {place.name: len(graph.data)}, agreement, notes)


def _folder(to: str | os.PathLike[str], *, force: bool) -> Path:
    """Where a folder may be written; a name that looks like that of a file needs a slash behind it."""
    text = os.fspath(to)
    if Path(text).suffix and not text.endswith("/") and not Path(text).is_dir():
        raise Refused(f"{shown(text)}: give NAME.onnx for one graph, or {shown(text)}/ for a folder")
    return head_place(to, force=force)


def _encoders(
    head: Head, encoder: str | Encoder | None, weights: str | os.PathLike[str] | None, *, needed: bool
) -> list[Encoder]:
    """Of the head's recipes, computed by torch where boda can; none where nobody knows and a folder will do."""
    if not needed and not all(recipe.known for recipe in head.recipes):
        return []
    plain = [_by_torch(recipe) for recipe in head.recipes]
    return encoders_for(plain, encoder, weights=weights, device="cpu")


def _by_torch(recipe: Recipe) -> Recipe:
    """The same features by torch: a backend agrees with it within a gate, and cannot be written down itself."""
    arguments = {name: value for name, value in recipe.arguments.items() if name != "backend"}
    return replace(recipe, arguments=arguments)


def _bases(recipes: Sequence[Recipe]) -> list[str]:
    """Repositories of a hub that the encoders came from, as far as their names say so."""
    found = []
    for recipe in recipes:
        family, _, rest = recipe.name.partition(":")
        if family in {"hf-hub", "hf_hub", "transformers"} and recipe.licence:
            found.append(rest.partition("?")[0].partition("@")[0])
    return list(dict.fromkeys(found))


def _real_images(head: Head, workspace: Workspace | None) -> dict[str, Pixels]:
    """For each pixel input the same few images of the workspace; none where these are not at hand."""
    from boda.sources.opening import open_described

    if workspace is None or workspace.source is None or not head.recipes:
        return {}
    found: dict[str, Pixels] = {}
    try:
        keys = workspace.features(head.recipes[0]).keys
        some = list(workspace.refs(keys[:: max(1, len(keys) // _REAL)][:_REAL]).values())
        for one in plan_of(head).pixels:
            images = seen(open_described(workspace.source), some, one.pixels)
            good = [image for image in images if not isinstance(image, Unreadable)]
            found |= {one.port.name: np.stack(good)} if good else {}
    except (NotFound, SourceError):
        return {}
    return found if len({len(images) for images in found.values()}) == 1 else {}
