"""`run:FOLDER`: a network that was trained here, as an encoder like any other."""

import json
from pathlib import Path
from typing import Any

from boda.encoders.network import Network
from boda.encoders.request import EncoderRequest, find_device
from boda.encoders.torch_encoder import ADAPTER, TorchEncoder
from boda.encoders.weights import digest, load_into, read_weights
from boda.errors import Damaged, NotFound, Refused
from boda.keys import shown
from boda.models.plan import NetworkPlan, build
from boda.pixels.spec import PixelSpec
from boda.recipe import Recipe

NETWORK, WEIGHTS = "network.json", "network.safetensors"
"""Files of a run's folder: what the network is, and the weights of its best epoch."""
FORMAT = 1


def load(request: EncoderRequest) -> TorchEncoder:
    """The network of a run with the weights of its best epoch, or with those of a file.

    Raises:
        NotFound: no such folder, or nothing was kept there yet.
        Damaged: what is there does not fit together.
        Refused: the weights do not fit.
    """
    folder = Path(request.rest)
    plan, names, pixels = read_network(folder)
    file = request.weights or folder / WEIGHTS
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


def read_network(folder: Path) -> tuple[NetworkPlan, tuple[str, ...], PixelSpec]:
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
        plan = NetworkPlan.from_json(record["network"])
        return plan, tuple(record["classes"]), PixelSpec.from_json(record["pixels"])
    except (ValueError, KeyError, TypeError) as error:
        raise Damaged(f"{shown(str(place))}: cannot be read ({error}); train again into another folder") from error


def _network(module: Any, plan: NetworkPlan, names: tuple[str, ...]) -> Network:
    if not plan.is_autoencoder:
        return Network(
            module,
            lambda network, batch: network.pool(network.forward_maps(batch)),
            (lambda network, batch: network(batch)) if names else None,
            names,
        )

    def seen(batch: Any) -> Any:
        return batch if plan.channels == 3 else batch.mean(dim=1, keepdim=True)

    return Network(
        module,
        lambda network, batch: network.encode(seen(batch)),
        (lambda network, batch: network.classifier(network.encode(seen(batch)))) if names else None,
        names,
    )
