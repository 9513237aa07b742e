"""Weights that have only an address: in torch's cache on this machine, else fetched."""

from pathlib import Path

from boda.encoders import hub
from boda.errors import NotOffline


def cached(url: str) -> Path | None:
    """The file at this address, where this machine has it already; looks at no network."""
    path = _place(url)
    return path if path.is_file() else None


def fetched(url: str, encoder: str) -> Path:
    """The file at this address, fetched unless it is in the cache.

    It goes to a temporary file, is checked against the digest in its name, then renamed: torch does that.

    Args:
        url: of the file.
        encoder: that needs it, for the error.

    Raises:
        NotOffline: not here, and the server cannot be reached; says what would work now.
    """
    import torch

    if there := cached(url):
        return there
    path = _place(url)
    expected = torch.hub.HASH_REGEX.search(path.name)
    try:
        hub.reach(url)
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(path), expected.group(1) if expected else None, progress=False)
    except (OSError, RuntimeError, ValueError) as error:
        raise NotOffline(
            f"{encoder} needs {url}, which is not in {path.parent} and cannot be fetched "
            f"({hub.why_not(error)}); what works now: --weights FILE with these weights, or the encoder 'auto', "
            "which needs no hub"
        ) from error
    return path


def _place(url: str) -> Path:
    import torch

    return Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]
