"""Asking again: what a run was begun with, kept so that its folder alone is enough to go on."""

import inspect
import os
from collections.abc import Mapping
from numbers import Real
from pathlib import Path
from typing import Any

from boda.errors import Refused
from boda.keys import shown, to_json
from boda.models.plan import NetworkPlan
from boda.pipelines.networks.folder import RunFolder
from boda.sources.base import root_text
from boda.sources.opening import open_described, open_source
from boda.sources.walking import is_workspace
from boda.training.objective import Objective
from boda.training.preset import Preset
from boda.workspace.workspace import Workspace, open_workspace

_WORKSPACE, _SOURCE = "workspace", "source"


def asking(given: Mapping[str, Any], source: Any, plan: NetworkPlan, preset: Preset) -> dict[str, Any]:
    """The arguments of `boda.train_network` as plain JSON.

    Args:
        given: by name, but for the source.
        source: of images.
        plan: that came of them.
        preset: with all changes.
    """
    objective, validation = given["objective"] or Objective(), given["validation"]
    return {
        **{name: given[name] for name in ("net", "target", "target_kind", "groups")},
        "seed": int(given["seed"]),
        "source": _place(source),
        "preset": preset.as_json(),
        "objective": objective.as_json(),
        "size": plan.size[0],
        "channels": plan.channels if plan.is_autoencoder else None,
        "validation": float(validation) if isinstance(validation, Real) else _place(validation),
        "flip_pairs": None if given["flip_pairs"] is None else [list(pair) for pair in given["flip_pairs"]],
        "keep_epochs": [int(epoch) for epoch in given["keep_epochs"]],
    }


def begun_with(run: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that a run was begun with, its source among them.

    Args:
        run: its folder.
        given: arguments of now, which must be what they are where nobody says anything.

    Raises:
        Refused: no run, one of an older boda, which did not keep them, or something is given.
        NotFound: the source is not where it was.
    """
    from boda.pipelines.train_network import train_network

    if run is None:
        raise Refused("no source of images: give one, or the folder of a run with --resume")
    unsaid = inspect.signature(train_network).parameters
    said = [
        name for name, value in given.items() if value is not unsaid[name].default and value != unsaid[name].default
    ]
    if said:
        raise Refused(f"{said[0]}: --resume without a source takes it from the run; leave it out, or give the source")
    record = RunFolder(Path(run)).record()
    if record is None:
        raise Refused(f"{shown(str(run))}: no run to go on with; leave out --resume, or give its folder")
    asked = record.get("asked")
    if asked is None:
        raise Refused(
            f"{shown(str(run))}: does not say what it was begun with, as an older boda wrote it; give the source and "
            "the options again"
        )
    validation, preset = asked["validation"], Preset.from_json(asked["preset"])
    return {
        **asked,
        "source": _opened(asked["source"]),
        "preset": preset,
        "settings": {"precision": preset.precision},
        "objective": Objective(**asked["objective"]),
        "validation": validation if isinstance(validation, float) else _opened(validation),
        "flip_pairs": None if asked["flip_pairs"] is None else [tuple(pair) for pair in asked["flip_pairs"]],
    }


def _place(source: Any) -> dict[str, Any]:
    """Where a source or a workspace is."""
    if isinstance(source, str | os.PathLike):
        source = open_workspace(source) if is_workspace(os.fsencode(source)) else open_source(source)
    if isinstance(source, Workspace):
        return {_WORKSPACE: to_json(os.path.abspath(source.path))}  # noqa: PTH100 - names that are not UTF-8
    return {_SOURCE: dict(source.description)}


def _opened(place: Mapping[str, Any]) -> Any:
    """What `_place` wrote."""
    if _WORKSPACE in place:
        return open_workspace(root_text({"root": place[_WORKSPACE]}))
    return open_described(place[_SOURCE])
