"""`timm:NAME`: any image model of timm, with its published weights or weights from a file, and its own preprocessing.

The features are the model's own, pooled, before its classifier (timm's `pre_logits`).
"""

import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boda.encoders.request import EncoderRequest, find_device
from boda.encoders.timm_hub import published_weights
from boda.encoders.torch_encoder import ADAPTER, Network, TorchEncoder
from boda.encoders.weights import Loaded, State, digest, load_into, read_weights
from boda.errors import MissingExtra, Refused, UnknownEncoder
from boda.pixels.spec import Filter, PixelSpec
from boda.recipe import Recipe
from boda.torchvision_door import open_door

if TYPE_CHECKING:
    import torch


def load(request: EncoderRequest) -> TorchEncoder:
    """`timm:NAME`.

    Raises:
        MissingExtra: torch or timm is not installed.
        UnknownEncoder: timm has no such model.
        NotOffline: its weights are not here and cannot be fetched.
        Refused: the weights do not fit, or its preprocessing cannot be stated as a `PixelSpec`.
    """
    return load_timm(request.rest, request)


def load_timm(
    model_name: str, request: EncoderRequest, *, published: Path | None = None, licence: str | None = None
) -> TorchEncoder:
    """The timm model `model_name` under the name that was asked for.

    Args:
        model_name: of timm.
        request: what was asked for; its weights file comes before everything.
        published: where the published weights are, if not on timm's hub.
        licence: of those weights, if not timm's.

    Raises: as `load`.
    """
    timm = import_timm(f"the encoder {request.name!r}")
    if not model_name or not is_model(timm, model_name):
        raise UnknownEncoder(request.name, near_models(timm, model_name))
    device = find_device(request.device)
    config = timm.get_pretrained_cfg(model_name)
    path = request.weights or published or published_weights(model_name, config)
    model, loaded = _build(timm, model_name, read_weights(path), path)
    pixels = request.of(pixel_spec(timm.data.resolve_model_data_config(model), model_name))
    classifier = _classifier_names(model)
    recipe = Recipe(
        architecture=f"timm:{model_name.partition('.')[0]}",
        weights=digest({name: t for name, t in model.state_dict().items() if name not in classifier}),
        layer="pooled",
        pooling="model",
        pixels=pixels,
        arguments={"adapter": ADAPTER},
        name=request.name,
        licence="" if request.weights else licence or getattr(config, "license", None) or "",
    )
    network = Network(model, _pooled)
    if classifier and not loaded.missing:
        network = replace(network, logits=_logits, class_names=_class_names(timm, model.num_classes))
    notes = (loaded.note,) if loaded.note and path != published else ()
    return TorchEncoder(network, recipe, device, notes=notes)


def import_timm(what: str) -> Any:
    """The timm module.

    Raises:
        MissingExtra: torch or timm is not installed.
    """
    try:
        import torch  # noqa: F401

        open_door()
        import timm
        import timm.data
    except ImportError as error:
        raise MissingExtra(what, "torch") from error
    return timm


def is_model(timm: Any, name: str) -> bool:
    """Whether timm knows a model of this name, and the tag after its dot if there is one."""
    bare, _, tag = name.partition(".")
    return timm.is_model(bare) and (not tag or name in timm.list_pretrained(f"{bare}.*"))


def near_models(timm: Any, name: str, most: int = 5) -> tuple[str, ...]:
    """Names like `timm:NAME` that somebody who wrote `name` may have meant."""
    import difflib

    names = timm.list_models(pretrained=True)
    bare = [known.partition(".")[0] for known in names]
    close = difflib.get_close_matches(name.partition(".")[0], dict.fromkeys(bare), n=most, cutoff=0.7)
    return tuple(f"timm:{known}" for known in close)


def pixel_spec(data: dict[str, Any], model_name: str) -> PixelSpec:
    """The preprocessing that timm evaluates this model with.

    Args:
        data: of `timm.data.resolve_model_data_config`.
        model_name: for errors.

    Raises:
        Refused: it pads to a border or takes no RGB.
    """
    channels, height, width = data["input_size"]
    mode, fraction = data["crop_mode"], data["crop_pct"]
    scaled = math.floor(height / fraction), math.floor(width / fraction)
    if channels != 3 or mode not in {"center", "squash"} or (mode == "center" and height != width):
        raise Refused(
            f"timm:{model_name} prepares its images in a way boda cannot state yet "
            f"({channels} channels, {height} x {width}, crop mode {mode!r}); choose another model"
        )
    return PixelSpec(
        resize=scaled[0] if mode == "center" else scaled,
        crop=(height, width),
        filter=_filter(data["interpolation"]),
        mean=_rgb(data["mean"]),
        std=_rgb(data["std"]),
    )


def _filter(interpolation: str) -> Filter:
    filters: dict[str, Filter] = {
        "bicubic": "bicubic", "bilinear": "bilinear", "nearest": "nearest", "lanczos": "lanczos", "box": "box",
        "hamming": "hamming",
    }  # fmt: skip
    return filters[interpolation]


def _rgb(values: Any) -> tuple[float, float, float]:
    red, green, blue = (float(v) for v in values)
    return red, green, blue


def _build(timm: Any, name: str, state: State, path: Path) -> tuple[Any, Loaded]:
    """The model with these weights. How many classes it has follows the weights."""
    model = timm.create_model(name)
    classes = _classes_in(state, _classifier_names(model))
    if classes is not None and classes != model.num_classes:
        model = timm.create_model(name, num_classes=classes)
    convert = getattr(sys.modules[type(model).__module__], "checkpoint_filter_fn", None)
    loaded = load_into(model, state, where=f"weights {path}", optional=_classifier_names(model), convert=convert)
    return model, loaded


def _classifier_names(model: Any) -> frozenset[str]:
    """Names of the tensors that only the logits depend on."""
    heads = model.get_classifier()
    heads = heads if isinstance(heads, tuple | list) else (heads,)
    own = {
        id(tensor)
        for head in heads
        if hasattr(head, "state_dict")
        for tensor in head.state_dict(keep_vars=True).values()
    }
    return frozenset(name for name, tensor in model.state_dict(keep_vars=True).items() if id(tensor) in own)


def _classes_in(state: State, classifier: frozenset[str]) -> int | None:
    """How many classes the weights were trained for, by their classifier's own bias."""
    ends = tuple(f".{name}" for name in classifier if name.endswith("bias"))
    found = (
        {int(t.shape[0]) for name, t in state.items() if t.ndim == 1 and f".{name}".endswith(ends)} if ends else set()
    )
    return found.pop() if len(found) == 1 else None


def _class_names(timm: Any, classes: int) -> tuple[str, ...]:
    """Timm's names where the number of classes is ImageNet's (1,000 or a larger set's), else "class 0", ..."""
    subset = timm.data.infer_imagenet_subset({"num_classes": classes})
    if subset is None:
        return tuple(f"class {index}" for index in range(classes))
    return tuple(timm.data.ImageNetInfo(subset).label_descriptions())


def _pooled(model: Any, batch: "torch.Tensor") -> "torch.Tensor":
    return model.forward_head(model.forward_features(batch), pre_logits=True)  # type: ignore[no-any-return]


def _logits(model: Any, batch: "torch.Tensor") -> "torch.Tensor":
    return model(batch)  # type: ignore[no-any-return]
