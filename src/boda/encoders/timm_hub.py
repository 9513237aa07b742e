"""Where timm's published weights are: in the hub's cache on this machine, else on the hub."""

import os
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

from boda.errors import NotOffline, Refused

_NAMES = ("model.safetensors", "pytorch_model.bin")
"""What a weights file is called on the hub; safetensors first."""
_PATIENCE = 10.0
"""Seconds until the hub counts as out of reach."""


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
    return cached_weights(config) or _fetch(model_name, config)


def cached_weights(config: Any) -> Path | None:
    """The file, where this machine has it already; looks at no network."""
    if not config.hf_hub_id:
        path = _torch_cache() / _url(config).rpartition("/")[2]
        return path if path.is_file() else None
    from huggingface_hub import try_to_load_from_cache

    repository, revision = _repository(config)
    found = (try_to_load_from_cache(repository, name, revision=revision) for name in _names(config))
    return next((Path(path) for path in found if isinstance(path, str)), None)


def cache_folder(config: Any) -> Path:
    """Where the weights of this model are looked for."""
    if not config.hf_hub_id:
        return _torch_cache()
    from huggingface_hub.constants import HF_HUB_CACHE

    return Path(HF_HUB_CACHE)


def _fetch(model_name: str, config: Any) -> Path:
    from huggingface_hub import errors

    trouble = getattr(errors, "HTTPError", OSError)  # of its HTTP library, which some versions of the hub let through
    try:
        return _fetch_from_hub(config) if config.hf_hub_id else _fetch_from_url(_url(config))
    except (OSError, RuntimeError, ValueError, trouble) as error:
        raise NotOffline(_not_here(model_name, config, error)) from error


def _fetch_from_hub(config: Any) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    _knock()
    repository, revision = _repository(config)
    *first, last = _names(config)
    for name in first:
        try:
            return Path(hf_hub_download(repository, name, revision=revision))
        except LocalEntryNotFoundError:
            raise
        except EntryNotFoundError:
            continue
    return Path(hf_hub_download(repository, last, revision=revision))


def _knock() -> None:
    """See within seconds whether the hub answers: its own library would try for half a minute, and say so each time.

    Raises:
        OSError: it does not.
    """
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE or getproxies():
        return
    address = urlsplit(constants.ENDPOINT)
    port = address.port or (80 if address.scheme == "http" else 443)
    socket.create_connection((address.hostname or "", port), timeout=_PATIENCE).close()


def _fetch_from_url(url: str) -> Path:
    """To a temporary file, checked against the digest in its name, then renamed: torch does that."""
    import torch

    path = _torch_cache() / url.rpartition("/")[2]
    path.parent.mkdir(parents=True, exist_ok=True)
    expected = torch.hub.HASH_REGEX.search(path.name)
    torch.hub.download_url_to_file(url, str(path), expected.group(1) if expected else None, progress=False)
    return path


def _not_here(model_name: str, config: Any, error: BaseException) -> str:
    file = f"{config.hf_hub_id}/{_names(config)[0]}" if config.hf_hub_id else _url(config)
    why = "offline mode is on" if os.environ.get("HF_HUB_OFFLINE") else type(error).__name__
    return (
        f"timm:{model_name} needs {file}, which is not in {cache_folder(config)} and cannot be fetched ({why}); what "
        f"works now: --weights FILE with these weights, or the encoder 'auto', which needs no hub"
    )


def _repository(config: Any) -> tuple[str, str | None]:
    repository, _, revision = config.hf_hub_id.partition("@")
    return repository, revision or None


def _names(config: Any) -> tuple[str, ...]:
    return (config.hf_hub_filename,) if config.hf_hub_filename else _NAMES


def _url(config: Any) -> str:
    return str(config.url[0] if isinstance(config.url, tuple) else config.url)


def _torch_cache() -> Path:
    import torch

    return Path(torch.hub.get_dir()) / "checkpoints"
