"""`timm:NAME`: any image model of timm, with its published weights or weights from a file, and its own preprocessing.

The features are the model's own, pooled, before its classifier (timm's `pre_logits`). Arguments of the model ride on
the name: `timm:mobilenetv2_100?pad_type=same`.
"""

import inspect
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boda.encoders.description import FETCHED, Description
from boda.encoders.request import EncoderRequest, find_device
from boda.encoders.timm_hub import cached_weights, published_weights
from boda.encoders.torch_encoder import ADAPTER, Network, TorchEncoder, last_map
from boda.encoders.weights import Loaded, State, digest, load_into, read_weights
from boda.errors import MissingExtra, Refused, UnknownEncoder
from boda.pixels.settings import resized
from boda.pixels.spec import Filter, PixelSpec
from boda.recipe import Recipe
from boda.torchvision_door import open_door

if TYPE_CHECKING:
    import torch

_SIZE = "img_size"
_ANY_SIZE = ("dynamic_img_size", "strict_img_size")
"""Arguments of models of one size by which they take others."""
_TIMMS_ANSWERS = (TypeError, ValueError, RuntimeError, AttributeError, KeyError, AssertionError, ImportError)
"""How timm answers to arguments that make no model."""


@dataclass(frozen=True, slots=True)
class Saved:
    """What came with weights: how their model is made, and what its images and classes are."""

    config: Any
    """timm's `PretrainedCfg`."""
    arguments: Mapping[str, Any]
    """Of the model; those on the name come before them."""


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
    model_name: str,
    request: EncoderRequest,
    *,
    published: Path | None = None,
    licence: str | None = None,
    saved: Saved | None = None,
) -> TorchEncoder:
    """The timm model `model_name` under the name that was asked for.

    Args:
        model_name: of timm.
        request: what was asked for; its weights file comes before everything.
        published: where the published weights are, if not on timm's hub.
        licence: of those weights, if not timm's.
        saved: what came with these weights; None: what timm knows of the model.

    Raises: as `load`.
    """
    timm = import_timm(f"the encoder {request.name!r}")
    known = find_config(timm, model_name, request)
    config = saved.config if saved else known
    device = find_device(request.device)
    pixels = asked_pixels(timm, config, request)
    path = request.weights or published or published_weights(model_name, config)
    model, loaded = _build(Sketch(timm, model_name, config, request, pixels, saved), read_weights(path), path)
    classifier = _classifier_names(model)
    recipe = Recipe(
        architecture=f"timm:{model_name.partition('.')[0]}",
        weights=digest({name: t for name, t in model.state_dict().items() if name not in classifier}),
        layer="pooled",
        pooling="model",
        pixels=pixels,
        arguments={**(saved.arguments if saved else {}), **request.arguments, "adapter": ADAPTER},
        name=request.name,
        licence="" if request.weights else licence or getattr(config, "license", None) or "",
    )
    network = network_of(model)
    if classifier and not loaded.missing:
        network = replace(network, logits=_logits, class_names=class_names(timm, model.num_classes, config))
    notes = (loaded.note,) if loaded.note and path != published else ()
    return TorchEncoder(network, recipe, device, notes=notes)


def describe(request: EncoderRequest) -> Description:
    """`timm:NAME`, without its weights.

    Raises:
        MissingExtra, UnknownEncoder: as `load`.
        Refused: its preprocessing cannot be stated, or an argument is none of its.
    """
    timm = import_timm(f"the encoder {request.name!r}")
    config = find_config(timm, request.rest, request)
    missing = "" if request.weights or cached_weights(config) else FETCHED
    return describe_timm(timm, request.rest, request, licence=config.license or "", missing=missing)


def describe_timm(
    timm: Any, model_name: str, request: EncoderRequest, *, licence: str, missing: str, saved: Saved | None = None
) -> Description:
    """The timm model `model_name` under the name that was asked for, without its weights.

    Raises: as `describe`.
    """
    known = find_config(timm, model_name, request)
    config = saved.config if saved else known
    sketch = Sketch(timm, model_name, config, request, asked_pixels(timm, config, request), saved)
    return Description(sketch.pixels, licence, missing, lambda: network_of(sketch.make().eval()))


def remade(architecture: str, arguments: Mapping[str, Any], size: tuple[int, int]) -> Network:
    """A model as the recipe of its features describes it, without a classifier and with random weights.

    Args:
        architecture: timm's name, without a tag.
        arguments: of the model, as the recipe has them.
        size: height and width of its images.

    Raises:
        MissingExtra: torch or timm is not installed.
        Refused: timm does not make it so.
    """
    timm = import_timm(f"the network {architecture!r}")
    config = timm.get_pretrained_cfg(architecture) if timm.is_model(architecture) else None
    given = {name: value for name, value in arguments.items() if name not in {"adapter", "backend"}}
    if getattr(config, "fixed_input_size", False) and given.keys().isdisjoint({_SIZE, *_ANY_SIZE}):
        given[_SIZE] = size
    try:
        return network_of(timm.create_model(architecture, num_classes=0, **given))
    except _TIMMS_ANSWERS as error:
        why = str(error).partition("\n")[0] or type(error).__name__
        raise Refused(f"timm cannot make {architecture!r} again: {why}") from error


def network_of(model: Any) -> Network:
    """A timm model as a network: its own features are what its head pools of its last map."""
    class_token = getattr(model, "cls_token", None) is not None
    prefix = max(int(getattr(model, "num_prefix_tokens", 0)), int(class_token))
    return Network(model, _pooled, prefix_tokens=prefix, class_token=class_token)


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


def find_config(timm: Any, model_name: str, request: EncoderRequest) -> Any:
    """The `PretrainedCfg` that timm has of a model.

    Raises:
        UnknownEncoder: timm has no such model.
    """
    if not model_name or not is_model(timm, model_name):
        raise UnknownEncoder(request.name, near_models(timm, model_name))
    return timm.get_pretrained_cfg(model_name)


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


def asked_pixels(timm: Any, config: Any, request: EncoderRequest) -> PixelSpec:
    """The model's own pixels with what was asked for in their place; `img_size` on the name is a size too.

    Args:
        timm: the module.
        config: timm's `PretrainedCfg` of the model.
        request: what was asked for.

    Raises:
        Refused: it prepares its images in a way that cannot be stated, or what was asked for makes no sense.
    """
    own = pixel_spec(timm.data.resolve_data_config(pretrained_cfg=config.to_dict()), config.architecture)
    side = request.arguments.get(_SIZE)
    if type(side) is int and side > 0:
        own = resized(own, (side, side))
    return request.of(own)


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


@dataclass(frozen=True, slots=True)
class Sketch:
    """A model of timm that is still to be made."""

    timm: Any
    name: str
    config: Any
    """timm's `PretrainedCfg` of it."""
    request: EncoderRequest
    pixels: PixelSpec
    saved: Saved | None = None

    def make(self, **also: Any) -> Any:
        """The model with random weights, for these pixels where it is made for one size.

        Raises:
            Refused: an argument on the name is none of this model's, or timm makes no model of it.
        """
        arguments: dict[str, Any] = dict(self.request.arguments)
        if arguments:
            known = _arguments_of(type(self.timm.create_model(self.name)))
            if unknown := [name for name in arguments if name not in known]:
                asked = f"encoder {self.request.name!r}: {self.name} has no argument {unknown[0]}"
                raise Refused(f"{asked}; known: {', '.join(known)}")
        if self.resized and arguments.keys().isdisjoint({_SIZE, *_ANY_SIZE}):
            also[_SIZE] = self.pixels.shape
        try:
            return self.timm.create_model(self.name, **{**self._came_along, **arguments, **also})
        except _TIMMS_ANSWERS as error:
            why = str(error).partition("\n")[0] or type(error).__name__
            raise Refused(f"encoder {self.request.name!r}: timm cannot make it so: {why}") from error

    @property
    def _came_along(self) -> dict[str, Any]:
        return {} if self.saved is None else {**self.saved.arguments, "pretrained_cfg": self.saved.config}

    @property
    def resized(self) -> bool:
        """Whether it is made for one size, and another was asked for."""
        return bool(self.config.fixed_input_size) and self.pixels.shape != tuple(self.config.input_size[1:])


def _arguments_of(kind: type) -> list[str]:
    """What a model can be told by name: not its classes, which follow the weights, nor its colours or its device."""
    parameters = (
        parameter
        for base in kind.__mro__
        if base.__module__.startswith("timm.")
        for parameter in inspect.signature(base.__init__).parameters.values()  # type: ignore[misc]
    )
    named = {one.name for one in parameters if one.kind in {one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY}}
    return sorted(named - {"self", "num_classes", "in_chans", "device", "dtype"})


def _build(sketch: Sketch, state: State, path: Path) -> tuple[Any, Loaded]:
    """The model with these weights. How many classes it has follows the weights."""
    model = sketch.make()
    classes = _classes_in(state, _classifier_names(model))
    if classes is not None and classes != model.num_classes:
        model = sketch.make(num_classes=classes)
    convert = getattr(sys.modules[type(model).__module__], "checkpoint_filter_fn", None)
    try:
        loaded = load_into(model, state, where=f"weights {path}", optional=_classifier_names(model), convert=convert)
    except Refused as refusal:
        if not sketch.resized:
            raise
        (h, w), (own_h, own_w) = sketch.pixels.shape, sketch.config.input_size[1:]
        raise Refused(
            f"encoder {sketch.request.name!r} cannot take {h} x {w} pixels: it is made for {own_h} x {own_w}, and its "
            f"weights do not fit another size; {refusal}"
        ) from refusal
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


def class_names(timm: Any, classes: int, config: Any = None) -> tuple[str, ...]:
    """What came with the weights, else timm's names where their number is ImageNet's, else "class 0", ..."""
    named = list(getattr(config, "label_names", None) or ())
    if len(named) == classes:
        told = getattr(config, "label_descriptions", None) or {}
        return tuple(str(told.get(name, name)) for name in named)
    subset = timm.data.infer_imagenet_subset({"num_classes": classes})
    if subset is None:
        return tuple(f"class {index}" for index in range(classes))
    return tuple(timm.data.ImageNetInfo(subset).label_descriptions())


def _pooled(model: Any, batch: "torch.Tensor") -> "torch.Tensor":
    return model.forward_head(last_map(model.forward_features(batch)), pre_logits=True)  # type: ignore[no-any-return]


def _logits(model: Any, batch: "torch.Tensor") -> "torch.Tensor":
    return model(batch)  # type: ignore[no-any-return]
