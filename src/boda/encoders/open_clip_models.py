"""`open_clip:ARCH/TAG`: contrastive models of open_clip, images and text in one space (Radford et al., ICML 2021).

The features are the image tower's own output after its projection, not normalised: `boda search` compares angles, and
a head may normalise. ARCH and TAG are open_clip's; a file of weights (`--weights`) takes the place of the tag's.

OpenAI's weights, and some others, were trained with QuickGELU, x * sigmoid(1.702 x). With GELU they load and give
plausible, worse features, so ARCH must be the one that the weights were trained with: `ViT-B-32-quickgelu/openai`.
"""

import difflib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boda.encoders.description import FETCHED, Description
from boda.encoders.hub import Repository
from boda.encoders.names import refuse_arguments
from boda.encoders.request import EncoderRequest, find_device
from boda.encoders.text import TextSide, TorchTextEncoder
from boda.encoders.timm_models import network_of
from boda.encoders.torch_encoder import ADAPTER, Network
from boda.encoders.weights import State, digest, load_into, read_weights
from boda.errors import MissingExtra, Refused, UnknownEncoder
from boda.pixels.spec import Filter, PixelSpec
from boda.recipe import Recipe
from boda.torchvision_door import open_door

if TYPE_CHECKING:
    import torch

FAMILY = "open_clip:"
_QUICK = "-quickgelu"
_FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
"""What a weights file is called on the hub; safetensors first."""
_OF_OPENAI = ("input_resolution", "context_length", "vocab_size")
"""Numbers that OpenAI keeps among the tensors of its own files."""


def load(request: EncoderRequest) -> TorchTextEncoder:
    """`open_clip:ARCH/TAG`, or `open_clip:ARCH` with a file of weights.

    Raises:
        MissingExtra: torch or open_clip is not installed.
        UnknownEncoder: open_clip has no such architecture, or no such weights of it.
        NotOffline: its weights are not here and cannot be fetched.
        Refused: weights and architecture have different activations; the weights do not fit; its preprocessing cannot
            be stated as a `PixelSpec`.
    """
    refuse_arguments(request.name, "a model of open_clip")
    open_clip = _import_open_clip(request.name)
    asked = _Asked.of(open_clip, request)
    device = find_device(request.device)
    path, licence = asked.weights(request)
    state = read_weights(path)
    asked.check_origin(state, str(path))
    model = _build(asked, request.name)
    loaded = load_into(
        model, state, where=f"weights {path}", optional=("logit_scale", "logit_bias"), convert=_converted
    )
    visual, model.visual = model.visual, _nothing()
    recipe = Recipe(
        architecture=f"{FAMILY}{asked.architecture}",
        weights=digest(visual.state_dict()),
        layer="projection",
        pooling="model",
        pixels=request.of(_pixel_spec(asked, visual.image_size, request.name)),
        arguments={"adapter": ADAPTER, "normalised": False},
        name=request.name,
        licence=licence,
    )
    notes = (loaded.note,) if loaded.note else ()
    side = _text_side(open_clip, asked, model.to(device).eval(), device, request.name)
    return TorchTextEncoder(_network(visual), recipe, device, side, notes=notes)


def describe(request: EncoderRequest) -> Description:
    """`open_clip:ARCH/TAG`, without its weights.

    Raises: as `load`, but for the weights.
    """
    refuse_arguments(request.name, "a model of open_clip")
    asked = _Asked.of(_import_open_clip(request.name), request)
    visual = _build(asked, request.name).visual
    repository, files = asked.repository(request.name)
    found = repository.cached(*files)
    pixels = request.of(_pixel_spec(asked, visual.image_size, request.name))
    licence = repository.pinned(found).licence() if found else ""
    return Description(pixels, licence, "" if found else FETCHED, lambda: _network(visual.eval()))


def _network(visual: Any) -> Network:
    """An image tower: a transformer of open_clip's own has a class token before the places, a trunk of timm tells."""
    if (trunk := getattr(visual, "trunk", None)) is not None:
        return replace(network_of(trunk), module=visual, features=_features)
    class_token = getattr(visual, "class_embedding", None) is not None
    return Network(visual, _features, prefix_tokens=int(class_token), class_token=class_token)


@dataclass(frozen=True, slots=True)
class _Asked:
    """An architecture and the weights for it, known to go together."""

    architecture: str
    config: dict[str, Any]
    """Of open_clip: its towers."""
    published: dict[str, Any]
    """Of open_clip: where the weights of the tag are and how their images were prepared; {} without a tag."""

    @classmethod
    def of(cls, open_clip: Any, request: EncoderRequest) -> "_Asked":
        """What the name says.

        Raises:
            UnknownEncoder: there is no such architecture or tag.
            Refused: the tag's weights belong to the same architecture with the other activation; no weights are named.
        """
        architecture, _, tag = request.rest.partition("/")
        config = open_clip.get_model_config(architecture) if ":" not in architecture else None
        if config is None:
            raise UnknownEncoder(request.name, _near(architecture, open_clip.list_models()))
        tags = list(open_clip.list_pretrained_tags_by_model(architecture))
        if not tag:
            if request.weights is None:
                some = ", ".join(tags[:5]) or "none is published for it"
                raise Refused(
                    f"{request.name}: which weights? Write {FAMILY}{architecture}/TAG ({some}), or give --weights FILE"
                )
            return cls(architecture, config, {})
        published = dict(open_clip.get_pretrained_cfg(architecture, tag))
        if not published or bool(published.get("quick_gelu")) != bool(config.get("quick_gelu")):
            _refuse_wrong_activation(open_clip, architecture, tag, request.name)
        if not published:
            raise UnknownEncoder(request.name, [f"{FAMILY}{architecture}/{near}" for near in _near(tag, tags)])
        return cls(architecture, config, published)

    def weights(self, request: EncoderRequest) -> tuple[Path, str]:
        """The file of weights, fetched unless it is here, and what is known of its licence.

        Raises:
            NotOffline: it is not here and cannot be fetched.
            Refused: the tag's weights are not on the hub.
        """
        if request.weights is not None:
            return request.weights, ""
        repository, files = self.repository(request.name)
        path = repository.file(*files, encoder=request.name, weights=True)
        return path, repository.pinned(path).licence()

    def repository(self, encoder: str) -> tuple[Repository, tuple[str, ...]]:
        """Where the tag's weights are on the hub, and what their file may be called.

        Raises:
            Refused: they are not there.
        """
        name, _, file = str(self.published.get("hf_hub", "")).rpartition("/")
        if not name:
            raise Refused(f"{encoder}: these weights are not on the hub; fetch them and give --weights FILE")
        return Repository(name), (f"{Path(file).stem}.safetensors", file) if file else _FILES

    def check_origin(self, state: State, where: str) -> None:
        """Take OpenAI's own numbers out of the tensors; these tell whose they are.

        Raises:
            Refused: they are OpenAI's, and the architecture has no QuickGELU.
        """
        openai = [state.pop(name, None) is not None for name in _OF_OPENAI]
        if any(openai) and not self.config.get("quick_gelu"):
            raise Refused(
                f"{where} holds OpenAI's weights, which need QuickGELU: write "
                f"{FAMILY}{self.architecture}{_QUICK}/openai"
            )


def _refuse_wrong_activation(open_clip: Any, architecture: str, tag: str, name: str) -> None:
    """Raise where the other of ARCH and ARCH-quickgelu is what these weights were trained with."""
    bare = architecture.removesuffix(_QUICK)
    other = bare if architecture != bare else bare + _QUICK
    config, published = open_clip.get_model_config(other), open_clip.get_pretrained_cfg(other, tag)
    if config is None or not published:
        return
    trained = bool(published.get("quick_gelu"))
    if trained == bool(config.get("quick_gelu")):
        raise Refused(
            f"{name}: the weights {tag!r} were trained with {'QuickGELU' if trained else 'GELU'}, and {architecture} "
            f"has {'GELU' if trained else 'QuickGELU'}: write {FAMILY}{other}/{tag}"
        )


def _near(name: str, names: list[str]) -> list[str]:
    return difflib.get_close_matches(name, names, n=4, cutoff=0.5)


def _import_open_clip(name: str) -> Any:
    try:
        import torch  # noqa: F401

        open_door()
        import open_clip
    except ImportError as error:
        raise MissingExtra(f"the encoder {name!r}", "open_clip") from error
    return open_clip


def _build(asked: _Asked, name: str) -> Any:
    """The model with random weights. Not by open_clip's own factory, which sets up logging for the whole program."""
    from open_clip.model import CLIP, CustomTextCLIP

    config = dict(asked.config)
    if "multimodal_cfg" in config or "hf_model_name" in config["text_cfg"]:
        raise Refused(f"{name}: its text side is a model of another library, which boda does not build; choose another")
    if "timm_model_name" in config["vision_cfg"]:
        config["vision_cfg"] = {**config["vision_cfg"], "timm_model_pretrained": False}
    kind = CustomTextCLIP if config.pop("custom_text", False) else CLIP
    return kind(**config)


def _converted(state: State, model: Any) -> State:
    """Weights of older versions and of other libraries, as open_clip itself takes them in."""
    from open_clip.convert import convert_state_dict
    from open_clip.model import convert_to_custom_text_state_dict, resize_pos_embed, resize_text_pos_embed

    state = dict(convert_state_dict(model, state))
    if "positional_embedding" in state and not hasattr(model, "positional_embedding"):
        state = dict(convert_to_custom_text_state_dict(state))
    for name in ("logit_scale", "logit_bias", "text.transformer.embeddings.position_ids"):
        state.pop(name, None)
    resize_pos_embed(state, model)
    resize_text_pos_embed(state, model)
    return state


def _pixel_spec(asked: _Asked, size: Any, name: str) -> PixelSpec:
    from open_clip.transform import PreprocessCfg, merge_preprocess_dict

    plan = merge_preprocess_dict(PreprocessCfg(), asked.published)
    height, width = (size, size) if isinstance(size, int) else size
    filters: dict[str, Filter] = {"bicubic": "bicubic", "random": "bicubic", "bilinear": "bilinear"}
    squashed = plan["resize_mode"] == "squash"
    if plan["resize_mode"] not in {"shortest", "squash"} or (not squashed and height != width):
        raise Refused(
            f"{name} prepares its images in a way boda cannot state yet (resize mode {plan['resize_mode']!r}, "
            f"{height} x {width}); choose another model"
        )
    return PixelSpec(
        resize=(height, width) if squashed else height,
        crop=(height, width),
        filter=filters[plan["interpolation"] or "bicubic"],
        mean=plan["mean"],
        std=plan["std"],
    )


def _text_side(open_clip: Any, asked: _Asked, model: Any, device: "torch.device", name: str) -> TextSide:
    """Reads with open_clip's own tokenizer, which its package carries; others are on the hub and refused."""
    text = asked.config["text_cfg"]
    tokenize = None
    if not text.get("hf_tokenizer_name"):
        tokenize = open_clip.SimpleTokenizer(
            context_length=text.get("context_length", 77), **text.get("tokenizer_kwargs", {})
        )

    def side(texts: Any) -> Any:
        if tokenize is None:
            raise Refused(
                f"{name} reads texts with {text['hf_tokenizer_name']}, which is another library's: its images can be "
                "searched by image, not by text"
            )
        return model.encode_text(tokenize(list(texts)).to(device))

    return side


def _features(visual: Any, batch: Any) -> Any:
    return visual(batch)


def _nothing() -> Any:
    import torch

    return torch.nn.Identity()
