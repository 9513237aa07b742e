"""`hf-hub:OWNER/NAME`, also `hf_hub:`: models of timm that anybody put on the hub, as timm itself loads them.

The repository says which architecture it is, how its images are prepared and what its classes are (`config.json`). Its
weights may be an encoder's alone, without a classifier; a classifier that is there is used for classes, not features.
"""

import re
from typing import Any

from boda.encoders.description import FETCHED, Description
from boda.encoders.hub import Repository
from boda.encoders.request import EncoderRequest
from boda.encoders.timm_hub import NAMES
from boda.encoders.timm_models import Saved, describe_timm, import_timm, load_timm
from boda.encoders.torch_encoder import TorchEncoder
from boda.errors import Refused

_FILE = re.compile(r"[A-Za-z0-9][\w.-]*", re.ASCII)
_CONFIG = "config.json"
_OF_LOADING = ("cache_dir", "checkpoint_path", "pretrained", "pretrained_cfg_overlay")
"""Arguments of timm's factory that name files or fetch them: a stranger's configuration has no say in that."""


def load(request: EncoderRequest) -> TorchEncoder:
    """`hf-hub:OWNER/NAME` or `hf-hub:OWNER/NAME@revision`; a weights file may take the place of the repository's.

    Raises:
        MissingExtra: torch or timm is not installed.
        NotOffline: its configuration or weights are not here and cannot be fetched.
        UnknownEncoder: its architecture is none that timm has.
        Refused: it is no model of timm, the weights do not fit, or its preprocessing cannot be stated as a `PixelSpec`.
    """
    timm = import_timm(f"the encoder {request.name!r}")
    repository = _repository(request)
    architecture, saved = _saved(timm, repository, request.name)
    published = None if request.weights else repository.file(*_files(saved), encoder=request.name, weights=True)
    licence = repository.licence() or saved.config.license or ""
    return load_timm(architecture, request, published=published, licence=licence, saved=saved)


def describe(request: EncoderRequest) -> Description:
    """`hf-hub:OWNER/NAME`, without its weights.

    Raises: as `load`, but for the weights.
    """
    timm = import_timm(f"the encoder {request.name!r}")
    repository = _repository(request)
    architecture, saved = _saved(timm, repository, request.name)
    missing = "" if repository.cached(*_files(saved)) else FETCHED
    licence = repository.licence() or saved.config.license or ""
    return describe_timm(timm, architecture, request, licence=licence, missing=missing, saved=saved)


def _repository(request: EncoderRequest) -> Repository:
    """The one that is asked for, at the commit of its configuration."""
    asked = Repository.named(request.rest, request.name)
    return asked.pinned(asked.file(_CONFIG, encoder=request.name))


def _files(saved: Saved) -> tuple[str, ...]:
    return (saved.config.hf_hub_filename,) if saved.config.hf_hub_filename else NAMES


def _saved(timm: Any, repository: Repository, name: str) -> tuple[str, Saved]:
    """What the repository's configuration says, read by timm itself from the cache."""
    try:
        told, architecture, arguments = timm.models.load_model_config_from_hf(
            f"{repository.name}@{repository.revision}"
        )
        known = timm.models.PretrainedCfg.__dataclass_fields__
        config = timm.models.PretrainedCfg(**{key: value for key, value in told.items() if key in known})
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Refused(
            f"{name}: its {_CONFIG} describes no model of timm ({type(error).__name__}: {error}); a model of "
            f"transformers is written transformers:{repository.name}"
        ) from error
    config.architecture = architecture
    if taboo := [one for one in _OF_LOADING if one in (arguments or {})]:
        raise Refused(f"{name}: its {_CONFIG} has the argument {taboo[0]}, which makes no model but loads one")
    file = config.hf_hub_filename
    if file and (not isinstance(file, str) or not _FILE.fullmatch(file)):
        raise Refused(f"{name}: its {_CONFIG} names {file!r}, which is no file of its repository")
    return str(architecture), Saved(config, dict(arguments or {}))
