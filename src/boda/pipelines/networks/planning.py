"""What a run is to be: where it lies, its network, its preset; and what nobody can ask for."""

import os
from collections.abc import Mapping, Sequence
from numbers import Integral
from pathlib import Path
from typing import Any

from boda.errors import Refused
from boda.heads.target import Target
from boda.keys import shown
from boda.models.plan import AUTOENCODER, NetworkPlan, is_for_small_images, natural_side, refuse_unknown
from boda.pipelines.networks.folder import RunFolder
from boda.pipelines.seeds import check_seed
from boda.pixels.augment import augmentation_named
from boda.pixels.augmenting.labels import LabelSwaps, label_swaps
from boda.training.objective import Objective
from boda.training.preset import Preset, preset_named
from boda.workspace.workspace import Workspace

_KINDS = ("number", "class", "ratings")
_LEAST_SIZE = 8


def run_place(source: Any, net: str, to: Any, resume: Any) -> Path:
    """The folder of a run, where one is named or its default.

    Raises:
        Refused: two are given, none is there to go on with, or its name could not be an encoder's.
    """
    if to is not None and resume is not None:
        raise Refused("give either to or resume: resume is the folder of the run itself")
    if resume is not None:
        place = Path(resume)
        if RunFolder(place).record() is None:
            raise Refused(f"{shown(str(place))}: no run to go on with; leave out --resume, or give its folder")
        return place
    place = Path(to) if to is not None else Path(f"{_name_of(source)}-{net.partition('?')[0]}")
    if "?" in str(place):
        raise Refused(f"{shown(str(place))}: a run's folder is part of its name as an encoder: give one without ?")
    return place


def _name_of(source: Any) -> str:
    """What a source is called: of a folder all of its name, of a file what comes before its endings."""
    if isinstance(source, Workspace):
        return source.path.name.removesuffix(".boda")
    if not isinstance(source, str | os.PathLike):
        return "images"
    place = os.path.abspath(source)  # noqa: PTH100 - takes `..` out, but follows no link
    name = os.path.basename(place).lstrip(".").removesuffix(".boda")  # noqa: PTH119
    return (name if os.path.isdir(place) else name.partition(".")[0]) or "images"  # noqa: PTH112


def refuse_nonsense(kind: Any, size: Any, channels: Any, seed: Any) -> None:
    """What no command could ask for, and Python can."""
    if kind not in (None, *_KINDS):
        raise Refused(f"target_kind={kind!r}: it can be {', '.join(_KINDS)}")
    if size is not None and (not isinstance(size, int) or size < _LEAST_SIZE):
        raise Refused(f"size={size!r}: a side in pixels, {_LEAST_SIZE} or more")
    if channels not in (None, 1, 3):
        raise Refused(f"channels={channels!r}: it can be 1 or 3")
    check_seed(seed)


def plan_of(net: str, target: Target | None, size: int | None, channels: int) -> NetworkPlan:
    """The network that a name and a target ask for.

    Raises:
        Refused: no such network, or it cannot learn such a target.
    """
    from boda.encoders.names import parse_name

    name = parse_name(net)
    refuse_unknown(name.bare)
    if target is None and name.bare != AUTOENCODER:
        raise Refused(f"{name.bare} learns a target: give --target COLUMN (class, of a folder by class)")
    if target is not None and target.kind not in {"class", "number", "ratings"}:
        raise Refused(f"a network learns a class, a number or ratings from pixels, not {target.kind}")
    if target is not None and target.kind != "class" and name.bare == AUTOENCODER:
        raise Refused(f"an autoencoder learns images and classes, not a target of {target.kind}: give a resnet")
    outputs = 0 if target is None else 1 if target.kind == "number" else len(target.names)
    side = size or natural_side(name.bare)
    return NetworkPlan(name.bare, (side, side), channels, outputs, dict(name.arguments))


def refuse_objective(objective: Objective, plan: NetworkPlan) -> None:
    """An objective that the network has no use for."""
    changed = [name for name, value in objective.as_json().items() if value != Objective().as_json()[name]]
    if changed and not plan.is_autoencoder:
        raise Refused(f"{changed[0]} is of an autoencoder, and a {plan.name} gives no images back: leave it out")
    if objective.classes_weight and not plan.outputs:
        raise Refused("classes_weight is of a classifier beside the images: give a --target, or leave it out")
    if objective.distance != "mse" and plan.outputs and not objective.classes_weight:
        raise Refused(
            f"distance {objective.distance}: with a target an autoencoder learns the classes alone; give "
            "--classes-weight too, or leave the distance out"
        )


def preset_for(
    preset: str | Preset | None,
    plan: NetworkPlan,
    target: Target | None,
    settings: Mapping[str, Any] | None,
    device: str,
    rows: int,
) -> Preset:
    """The preset with its changes; unasked the fast one in steps for `rows`. bf16 where the device is fast at it."""
    from boda.encoders.precision import bf16_is_fast
    from boda.encoders.request import find_device

    changes = dict(settings or {})
    asked = _fast(plan, target) if preset is None else preset
    found = preset_named(asked) if isinstance(asked, str) else asked
    if preset is None and not {"batch", "lr"} & changes.keys():
        found = found.for_few(rows)
    if found.precision == "bf16" and not bf16_is_fast(str(find_device(device))):
        found = found.changed(precision="fp32")
    return found.changed(**changes)


def _fast(plan: NetworkPlan, target: Target | None) -> str:
    """The name of the preset that is taken unasked."""
    small = "autoencoder-fast" if plan.is_autoencoder else "cifar-fast"
    name = small if is_for_small_images(plan.name) else "imagenet-fast"
    return name.replace("-fast", "-number") if target is not None and target.kind == "number" else name


def swaps_of(preset: Preset, target: Target | None, pairs: Sequence[tuple[str, str]] | None) -> LabelSwaps:
    """What the flips of an augmentation do to a target; who must say so is told before anything is decoded."""
    return label_swaps(
        augmentation_named(preset.augmentation),
        names=target.names if target is not None and target.kind == "class" else (),
        columns=() if target is None else (target.name,),
        pairs=pairs,
    )


def refuse_epochs(keep_epochs: Any, preset: Preset) -> None:
    """Epochs to keep that the run will not have."""
    if isinstance(keep_epochs, str) or not all(isinstance(epoch, Integral) for epoch in keep_epochs):
        raise Refused(f"keep_epochs={keep_epochs!r}: numbers are wanted, as [0, 3, 10]")
    for epoch in keep_epochs:
        if not 0 <= epoch <= preset.epochs:
            raise Refused(f"keep_epochs has {epoch}, of epochs 0 (as the network began) to {preset.epochs}")
