"""`run:FOLDER`: a network that was trained here, as an encoder like any other.

It is a network of `boda.models`, or the network of another encoder that was fine-tuned. The latter has the recipe that
the same encoder has with these weights, so it is known by what it computes and not by where it is.
"""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boda.encoders import resnets, timm_models
from boda.encoders.description import Description
from boda.encoders.names import refuse_arguments
from boda.encoders.network import Network
from boda.encoders.request import EncoderRequest, find_device
from boda.encoders.torch_encoder import ADAPTER, TorchEncoder
from boda.encoders.weights import digest, load_into, read_weights
from boda.errors import Damaged, NotFound, Refused
from boda.keys import shown
from boda.models.plan import AnyPlan, EncoderPlan, NetworkPlan, build, plan_from_json
from boda.pixels.spec import PixelSpec
from boda.recipe import Recipe

if TYPE_CHECKING:
    from boda.models.tuned import LinearHead

NETWORK, WEIGHTS = "network.json", "network.safetensors"
"""Files of a run's folder: what the network is, and the weights of its best epoch."""
FORMAT = 1
ENCODER, HEAD = "encoder.", "head."
"""What the names of tensors begin with, of a network that was fine-tuned."""


def load(request: EncoderRequest) -> TorchEncoder:
    """The network of a run with the weights of its best epoch, or with those of a file.

    Raises:
        NotFound: no such folder, or nothing was kept there yet.
        Damaged: what is there does not fit together.
        Refused: the weights do not fit, or there are arguments on the name.
    """
    folder = _folder(request)
    plan, names, pixels = read_network(folder)
    file = request.weights or kept_weights(folder)
    if isinstance(plan, EncoderPlan):
        return _load_tuned(request, plan, names, pixels, file)
    module = build(plan)
    loaded = load_into(module, read_weights(file), where=f"weights {shown(str(file))}")
    recipe = Recipe(
        architecture=f"boda:{plan.name}",
        weights=digest(module.state_dict()),
        layer="features",
        pooling="model",
        pixels=request.of(pixels),
        arguments={"adapter": ADAPTER, "network": plan.as_json()},
        name=request.name,
    )
    notes = (loaded.note,) if loaded.note else ()
    return TorchEncoder(_network(module, plan, names), recipe, find_device(request.device), notes=notes)


def describe(request: EncoderRequest) -> Description:
    """The network of a run, without its weights.

    Raises: as `load`.
    """
    plan, names, pixels = read_network(_folder(request))
    if isinstance(plan, EncoderPlan):
        return Description(request.of(pixels), plan.licence, "", lambda: _in_eval_mode(remade(plan, pixels)))
    return Description(request.of(pixels), "", "", lambda: _in_eval_mode(_network(build(plan), plan, names)))


def remade(plan: EncoderPlan, pixels: PixelSpec) -> Network:
    """The network of an encoder as its plan describes it, without a classifier of its own, with random weights.

    Raises:
        Refused: it is of a family that cannot be made again without its own files.
    """
    family, _, name = plan.architecture.partition(":")
    if family == "timm":
        return timm_models.remade(name, plan.arguments, pixels.shape)
    if family == "resnet":
        return resnets.remade(name, plan.arguments)
    if family == "boda":
        own = NetworkPlan.from_json(plan.arguments["network"])
        module: Any = build(own)
        return _network(module, own, ()) if own.is_autoencoder else resnets.without_classifier(module)
    raise Refused(f"{plan.architecture}: only networks of auto, timm:, hf-hub:, resnet: and run: can be fine-tuned")


def read_tuned(plan: EncoderPlan, pixels: PixelSpec, file: Path) -> tuple[Network, "LinearHead", tuple[str, ...]]:
    """What a fine-tuning kept: the network, its head, and notes on how they were loaded.

    Raises:
        NotFound: no such file.
        Refused: it does not fit.
    """
    from boda.models.tuned import LinearHead

    network, head = remade(plan, pixels), LinearHead(plan.width, plan.columns, plan.outputs)
    state, where = read_weights(file), f"weights {shown(str(file))}"
    notes = []
    for part, prefix in ((network.module, ENCODER), (head, HEAD)):
        of_part = {name.removeprefix(prefix): one for name, one in state.items() if name.startswith(prefix)}
        notes.append(load_into(part, of_part, where=f"{where}, {prefix.rstrip('.')}").note)
    return network, head, tuple(note for note in notes if note)


def read_network(folder: Path) -> tuple[AnyPlan, tuple[str, ...], PixelSpec]:
    """What the network of a run is, its classes, and what it sees.

    Raises:
        NotFound: no such folder, or nothing was kept there yet.
        Damaged: what is there cannot be read.
    """
    place = folder / NETWORK
    if not place.is_file():
        why = "no trained network yet" if folder.is_dir() else "no such folder"
        raise NotFound(f"{shown(str(folder))}: {why}; `boda train-net SOURCE --to FOLDER` makes one")
    try:
        record = json.loads(place.read_bytes())
        if record["format"] > FORMAT:
            raise Refused(f"{shown(str(place))}: of format {record['format']}, this boda knows {FORMAT}; update boda")
        plan = plan_from_json(record["network"])
        return plan, tuple(record["classes"]), PixelSpec.from_json(record["pixels"])
    except (ValueError, KeyError, TypeError) as error:
        raise Damaged(f"{shown(str(place))}: cannot be read ({error}); train again into another folder") from error


def kept_weights(folder: Path) -> Path:
    """The file with the weights of a run's best epoch, which is what was written.

    While a better network takes the place of another, its record comes first and vouches for both.

    Raises:
        NotFound: there is none.
        Damaged: it is not what was written.
    """
    file, place = folder / WEIGHTS, folder / NETWORK
    try:
        record = json.loads(place.read_bytes())
    except ValueError as error:
        raise Damaged(f"{shown(str(place))}: cannot be read ({error}); train again into another folder") from error
    if not file.is_file():
        raise NotFound(f"{shown(str(file))}: is gone; the command that trained it makes it again where it can")
    if "sha256" in record and file_digest(file) not in {record["sha256"], record.get("replaces")}:
        raise Damaged(
            f"{shown(str(file))}: is not what was written; the command that trained it makes it again where it can"
        )
    return file


def file_digest(file: Path) -> str:
    """SHA-256 of its bytes, in hex."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _folder(request: EncoderRequest) -> Path:
    refuse_arguments(request.name, "a run")
    return Path(request.rest)


def _load_tuned(
    request: EncoderRequest, plan: EncoderPlan, names: tuple[str, ...], pixels: PixelSpec, file: Path
) -> TorchEncoder:
    network, head, notes = read_tuned(plan, pixels, file)
    device = find_device(request.device)
    if names and not plan.columns:
        scores = head.to(device).eval().requires_grad_(requires_grad=False)

        def logits(module: Any, batch: Any) -> Any:
            return scores(network.features(module, batch))

        network = replace(network, logits=logits, class_names=names)
    recipe = Recipe(
        architecture=plan.architecture,
        weights=digest(network.module.state_dict()),
        layer="features" if plan.architecture.startswith("boda:") else "pooled",
        pooling="model",
        pixels=request.of(pixels),
        arguments={**plan.arguments, "adapter": ADAPTER},
        name=request.name,
        licence=plan.licence,
    )
    return TorchEncoder(network, recipe, device, notes=notes)


def _in_eval_mode(network: Network) -> Network:
    network.module.eval()
    return network


def _network(module: Any, plan: NetworkPlan, names: tuple[str, ...]) -> Network:
    if not plan.is_autoencoder:
        return Network(
            module,
            lambda network, batch: network.pool(network.forward_maps(batch)),
            (lambda network, batch: network(batch)) if names else None,
            names,
            dense=(lambda network, batch: network.forward_dense(batch)) if names else None,
        )

    def seen(batch: Any) -> Any:
        return batch if plan.channels == 3 else batch.mean(dim=1, keepdim=True)

    return Network(
        module,
        lambda network, batch: network.encode(seen(batch)),
        (lambda network, batch: network.classifier(network.encode(seen(batch)))) if names else None,
        names,
    )
