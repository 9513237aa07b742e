"""`resnet:NAME`: boda's own ResNets (`boda.models`), with weights from a file, or torchvision's published ones.

`resnet:resnet50` and the like are torchvision's networks of their first training (`IMAGENET1K_V1`), with its pixels;
`resnet:resnet20` and the like see 32 x 32. Two arguments ride on the name: `resnet:resnet20?shortcut=B`, and
`resnet:resnet56?residual=false` for the plain network.
"""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from boda.encoders import torch_cache
from boda.encoders.description import FETCHED, Description
from boda.encoders.network import Network
from boda.encoders.request import EncoderRequest, find_device
from boda.encoders.timm_models import class_names, import_timm
from boda.encoders.torch_encoder import ADAPTER, TorchEncoder, last_map
from boda.encoders.weights import Loaded, digest, load_into, read_weights
from boda.errors import MissingExtra, Refused, UnknownEncoder
from boda.models.architectures import ARCHITECTURES, CIFAR, Architecture, Shortcut
from boda.models.checkpoints import classes_in, our_names
from boda.pixels.spec import PixelSpec
from boda.recipe import Recipe
from boda.torchvision_door import open_door

if TYPE_CHECKING:
    from torch import Tensor

    from boda.models.resnet import ResNet

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_PIXELS: Final = {
    224: PixelSpec(resize=256, crop=(224, 224), filter="bilinear", mean=_MEAN, std=_STD),
    32: PixelSpec(resize=32, crop=(32, 32), filter="bilinear", mean=_MEAN, std=_STD),
}
"""By the side of the images a form was made for. The published weights for CIFAR have ImageNet's mean and std too."""
_CIFAR_CLASSES: Final = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
_TRAINING = "IMAGENET1K_V1"
_LICENCE = "bsd-3-clause"
_GIVE = "give --weights FILE, such as {}-*.th of github.com/akamaster/pytorch_resnet_cifar10"
_CLASSIFIER: Final = frozenset({"fc.weight", "fc.bias"})
_ARGUMENTS: Final = {"residual": bool, "shortcut": str}


def load(request: EncoderRequest) -> TorchEncoder:
    """`resnet:NAME`.

    Raises:
        UnknownEncoder: no ResNet has this name.
        MissingExtra: torch is not installed.
        NotOffline: its weights are not here and cannot be fetched.
        Refused: nobody published weights for it, or the file's do not fit.
    """
    architecture, options = _asked(request)
    path = request.weights or _published(request)
    network, loaded = load_resnet(architecture, path, **options)
    recipe = Recipe(
        architecture=f"resnet:{request.rest}",
        weights=digest({name: tensor for name, tensor in network.state_dict().items() if name not in _CLASSIFIER}),
        layer="pooled",
        pooling="model",
        pixels=request.of(_PIXELS[architecture.form.side]),
        arguments={**options, "adapter": ADAPTER},
        name=request.name,
        licence="" if request.weights else _LICENCE,
    )
    notes = (loaded.note,) if loaded.note else ()
    return TorchEncoder(_network(network, named=not loaded.missing), recipe, find_device(request.device), notes=notes)


def describe(request: EncoderRequest) -> Description:
    """`resnet:NAME`, without its weights.

    Raises:
        UnknownEncoder, MissingExtra: as `load`.
        Refused: an argument is none of its.
    """
    architecture, options = _asked(request)
    from boda.models.resnet import ResNet

    of_cifar = architecture.form is CIFAR
    here = request.weights or (not of_cifar and torch_cache.cached(_address(request)))
    return Description(
        request.of(_PIXELS[architecture.form.side]),
        "" if of_cifar else _LICENCE,
        "" if here else _GIVE.format(request.rest) if of_cifar else FETCHED,
        lambda: _network(ResNet(architecture, **options).eval(), named=False),
    )


def load_resnet(
    architecture: Architecture, path: Path, *, shortcut: Shortcut | None = None, residual: bool = True
) -> "tuple[ResNet, Loaded]":
    """A network with the weights of a file, on the CPU. How many classes it has follows the weights.

    Args:
        architecture: of the network.
        path: torchvision's, or a `.th` file of akamaster's, or what a training of your own wrote by these names;
            read without running anything in it. The classifier may be missing.
        shortcut: A, B or C; None: the form's.
        residual: False for the plain network.

    Raises:
        NotFound: no such file.
        Refused: it holds no tensors, or they do not fit; says which.
    """
    from boda.models.resnet import ResNet

    state = our_names(read_weights(path))
    network = ResNet(architecture, classes=classes_in(state), shortcut=shortcut, residual=residual)
    return network, load_into(network, state, where=f"weights {path}", optional=_CLASSIFIER)


def remade(name: str, arguments: Mapping[str, Any]) -> Network:
    """A ResNet as the recipe of its features describes it, without a classifier and with random weights."""
    from boda.models.resnet import ResNet

    given = {argument: arguments[argument] for argument in _ARGUMENTS if argument in arguments}
    return without_classifier(ResNet(ARCHITECTURES[name], **given))


def without_classifier(network: "ResNet") -> Network:
    """A ResNet that gives features only; changed in place."""
    from torch import nn

    network.fc = nn.Identity()  # type: ignore[assignment]
    return _network(network, named=False)


def near_resnets(name: str, most: int = 2) -> tuple[str, ...]:
    """Names like `resnet:NAME` that somebody who wrote `name` may have meant.

    >>> near_resnets("resnet:resnet81")[0]
    'resnet:resnet18'
    """
    close = difflib.get_close_matches(name.rpartition(":")[2], ARCHITECTURES, n=most, cutoff=0.7)
    return tuple(f"resnet:{known}" for known in close)


def _asked(request: EncoderRequest) -> tuple[Architecture, dict[str, Any]]:
    """Which network, and what was said of it on the name."""
    if request.rest not in ARCHITECTURES:
        raise UnknownEncoder(request.name, near_resnets(request.rest) or [f"resnet:{name}" for name in ARCHITECTURES])
    for name, value in request.arguments.items():
        if name not in _ARGUMENTS:
            known = ", ".join(_ARGUMENTS)
            raise Refused(f"encoder {request.name!r}: {request.rest} has no argument {name}; known: {known}")
        if not isinstance(value, _ARGUMENTS[name]):
            raise Refused(f"encoder {request.name!r}: write residual=true or false, shortcut=A, B or C")
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise MissingExtra(f"the encoder {request.name!r}", "torch") from error
    return ARCHITECTURES[request.rest], dict(request.arguments)


def _published(request: EncoderRequest) -> Path:
    """The file of torchvision's weights, fetched unless torch's cache has it."""
    if ARCHITECTURES[request.rest].form is CIFAR:
        raise Refused(f"encoder {request.name!r} has no weights to fetch: {_GIVE.format(request.rest)}")
    return torch_cache.fetched(_address(request), request.name)


def _address(request: EncoderRequest) -> str:
    """Where torchvision says that its weights are."""
    open_door()
    try:
        from torchvision.models import get_model_weights
    except ImportError as error:
        raise MissingExtra(f"the published weights of {request.name!r}", "torch") from error
    return str(get_model_weights(request.rest)[_TRAINING].url)


def _network(network: "ResNet", *, named: bool) -> Network:
    """A ResNet as boda uses it; with its classifier where its classes are to be named."""
    if not named:
        return Network(network, _pooled)
    names = _class_names(network.architecture, network.fc.out_features)
    return Network(network, _pooled, logits=_logits, class_names=names, dense=_dense)


def _class_names(architecture: Architecture, classes: int) -> tuple[str, ...]:
    """CIFAR-10's where a network for CIFAR has ten, timm's where its number is ImageNet's, else "class 0", ..."""
    if architecture.form is CIFAR:
        if classes == len(_CIFAR_CLASSES):
            return _CIFAR_CLASSES
        return tuple(f"class {index}" for index in range(classes))
    return class_names(import_timm("the names of ImageNet's classes"), classes)


def _pooled(network: "ResNet", batch: "Tensor") -> "Tensor":
    return network.pool(last_map(network.forward_maps(batch)))


def _logits(network: "ResNet", batch: "Tensor") -> "Tensor":
    return network(batch)  # type: ignore[no-any-return]


def _dense(network: "ResNet", batch: "Tensor") -> "Tensor":
    return network.forward_dense(batch)
