"""Where timm's published weights are: in the hub's cache on this machine, else on the hub."""

from pathlib import Path
from typing import Any

from boda.encoders import hub, torch_cache
from boda.errors import Refused

NAMES = ("model.safetensors", "pytorch_model.bin")
"""What a weights file is called on the hub; safetensors first."""


def published_weights(model_name: str, config: Any) -> Path:
    """The file of a timm model's published weights, fetched from the hub unless it is in its cache.

    Args:
        model_name: of timm, for errors.
        config: timm's `PretrainedCfg` of it.

    Raises:
        NotOffline: not here, and the hub cannot be reached; says what would work now.
        Refused: nobody published weights for it.
    """
    if config is None or not (config.hf_hub_id or config.url):
        raise Refused(f"timm:{model_name} has no published weights: give --weights FILE, or choose another model")
    if config.hf_hub_id:
        return _repository(config).file(*_names(config), encoder=f"timm:{model_name}", weights=True)
    return torch_cache.fetched(_url(config), f"timm:{model_name}")


def cached_weights(config: Any) -> Path | None:
    """The file, where this machine has it already; looks at no network."""
    if config.hf_hub_id:
        return _repository(config).cached(*_names(config))
    return torch_cache.cached(_url(config))


def _repository(config: Any) -> hub.Repository:
    name, _, revision = config.hf_hub_id.partition("@")
    return hub.Repository(name, revision or None)


def _names(config: Any) -> tuple[str, ...]:
    return (config.hf_hub_filename,) if config.hf_hub_filename else NAMES


def _url(config: Any) -> str:
    return str(config.url[0] if isinstance(config.url, tuple) else config.url)
