"""`transformers:OWNER/NAME`: image models of the transformers library, from the hub or its cache.

Weights come from safetensors only, and no code of the repository runs. The features are the model's own, and the
recipe's layer says which:

- `projection`: the image side of a model of images and texts (CLIP, SigLIP), projected, not normalised;
- `pooler_output`: what the model itself calls pooled: ConvNeXt's and Swin's normalised mean, DINOv2's normalised class
  token, the tanh layer on ViT's class token;
- `last_hidden_state` with pooling `cls`: the class token, where the weights have no such tanh layer. The library would
  fill it with random numbers and go on.
"""

import contextlib
import hashlib
import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boda.encoders.hub import Repository
from boda.encoders.image_processor import read_processor
from boda.encoders.names import refuse_arguments
from boda.encoders.request import EncoderRequest, find_device
from boda.encoders.text import TextSide, TorchTextEncoder
from boda.encoders.torch_encoder import ADAPTER, Network, TorchEncoder, last_map
from boda.encoders.weights import State, digest, read_weights
from boda.errors import MissingExtra, Refused
from boda.recipe import Recipe
from boda.torchvision_door import open_door

if TYPE_CHECKING:
    import torch

_WEIGHTS, _INDEX = "model.safetensors", "model.safetensors.index.json"
_PROCESSORS = ("preprocessor_config.json", "processor_config.json")
_NO_NUMBERS = {
    "_commit_hash", "_name_or_path", "architectures", "dtype", "id2label", "label2id", "num_labels", "problem_type",
    "text_config", "text_config_dict", "torch_dtype", "transformers_version",
}  # fmt: skip
"""In a configuration: what no feature depends on."""
_OF_TEXT = ("text_model.", "text_projection.", "logit_scale", "logit_bias")


def load(request: EncoderRequest) -> TorchEncoder:
    """`transformers:OWNER/NAME` or `transformers:OWNER/NAME@revision`; a safetensors file may take its weights' place.

    Raises:
        MissingExtra: torch or transformers is not installed.
        NotOffline: one of its files is not here and cannot be fetched; says which.
        Refused: the library does not know such a model, the weights do not fill it, it gives no pooled features, or
            its preprocessing cannot be stated as a `PixelSpec`.
    """
    name = request.name
    refuse_arguments(name, "a model of transformers")
    _import_transformers(name)
    device = find_device(request.device)
    asked = Repository.named(request.rest, name)
    config_file = asked.file("config.json", encoder=name)
    repository = asked.pinned(config_file)
    pixels = request.of(read_processor(repository.file(*_PROCESSORS, encoder=name).parent, name))
    state = read_weights(request.weights) if request.weights else _published(repository, name)
    with _silent():
        model, missing = _build(config_file.parent, state, name)
    layer, pooling = _which(model, missing, name)
    recipe = Recipe(
        architecture=f"transformers:{type(model).__name__}",
        weights=digest({n: t for n, t in model.state_dict().items() if not n.startswith(_OF_TEXT)}),
        layer=layer,
        pooling=pooling,
        pixels=pixels,
        arguments={"adapter": ADAPTER, "config": _settings(config_file)}
        | ({"normalised": False} if layer == "projection" else {}),
        name=name,
        licence="" if request.weights else repository.licence(),
    )
    features = {"projection": _projected, "pooler_output": _pooled, "last_hidden_state": _class_token}[layer]
    first = _tokens_before_places(model)
    network = Network(model, features, prefix_tokens=first, class_token=first > 0)
    try:
        if layer == "projection" and model.config.model_type == "clip":
            side = _clip_text_side(repository, model, device, name)
            return TorchTextEncoder(network, recipe, device, side)
        return TorchEncoder(network, recipe, device)
    except (AttributeError, TypeError) as error:
        raise Refused(f"{name} gives no features for its own pixels ({_first_line(error)})") from error


def _import_transformers(name: str) -> Any:
    try:
        import torch  # noqa: F401

        open_door()
        import transformers
    except ImportError as error:
        raise MissingExtra(f"the encoder {name!r}", "transformers") from error
    return transformers


def _published(repository: Repository, name: str) -> State:
    """All tensors of the repository, whose weights may be in several files with an index."""
    first = repository.file(_WEIGHTS, _INDEX, encoder=name, weights=True)
    if first.name == _WEIGHTS:
        return read_weights(first)
    shards = sorted(set(json.loads(first.read_text(encoding="utf-8"))["weight_map"].values()))
    state: State = {}
    for shard in shards:
        state |= read_weights(repository.file(shard, encoder=name))
    return state


def _build(folder: Path, state: State, name: str) -> tuple[Any, set[str]]:
    """The model of a folder's configuration with these tensors, and the names of the pooler's that are missing.

    Raises:
        Refused: the library has no such model, or anything but the pooler would stay random.
    """
    import torch
    from transformers import MODEL_MAPPING, AutoConfig

    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        kind: Any = MODEL_MAPPING[type(config)]
    except (OSError, ValueError, KeyError) as error:
        raise Refused(f"{name}: transformers cannot build it without its own code ({_first_line(error)})") from error
    try:
        model, found = kind.from_pretrained(
            None, config=config, state_dict=state, output_loading_info=True, dtype=torch.float32
        )
    except (RuntimeError, ValueError, KeyError, TypeError) as error:
        raise Refused(f"{name}: its weights do not fit its configuration ({_first_line(error)})") from error
    lacking = {lacks for lacks in found["missing_keys"] if not lacks.startswith("pooler.")}
    wrong = sorted([*lacking, *map(str, found["mismatched_keys"]), *map(str, found["error_msgs"])])
    if wrong:
        raise Refused(f"{name}: {len(wrong)} of its tensors are missing or of another shape: {', '.join(wrong[:3])}")
    return model, set(found["missing_keys"])


def _which(model: Any, missing: set[str], name: str) -> tuple[str, str]:
    """(layer, pooling) of its features."""
    if hasattr(model, "get_image_features"):
        return "projection", "model"
    if missing:
        if getattr(getattr(model, "embeddings", None), "cls_token", None) is None:
            raise Refused(f"{name}: its weights have no pooler and it has no class token; choose another model")
        model.pooler = None
        return "last_hidden_state", "cls"
    return "pooler_output", "model"


def _tokens_before_places(model: Any) -> int:
    """How many tokens of a sequence stand for no place in the image: the class token and registers."""
    embeddings = getattr(getattr(model, "vision_model", model), "embeddings", None)
    if all(getattr(embeddings, name, None) is None for name in ("cls_token", "class_embedding")):
        return 0
    return 1 + int(getattr(model.config, "num_register_tokens", 0))


def _settings(config_file: Path) -> str:
    """Digest of what the configuration says beside the tensors: activation, epsilon, heads.

    Of the file and not of what this version of the library makes of it, which gains fields with every release.
    """
    record = json.loads(config_file.read_text(encoding="utf-8"))
    counted = {key: value for key, value in record.items() if key not in _NO_NUMBERS}
    return hashlib.sha256(json.dumps(counted, sort_keys=True).encode()).hexdigest()[:16]


def _projected(model: Any, batch: Any) -> Any:
    answer = model.get_image_features(pixel_values=batch, return_dict=True)
    last_map(answer.last_hidden_state)
    return answer.pooler_output


def _pooled(model: Any, batch: Any) -> Any:
    answer = model(pixel_values=batch, return_dict=True)
    last_map(answer.last_hidden_state)
    return answer.pooler_output.flatten(1)


def _class_token(model: Any, batch: Any) -> Any:
    return last_map(model(pixel_values=batch, return_dict=True).last_hidden_state)[:, 0]


def _clip_text_side(repository: Repository, model: Any, device: "torch.device", name: str) -> TextSide:
    """CLIP's text tower, read with the repository's own tokenizer, which is fetched when the first text comes."""
    tokenizers: list[Any] = []

    def side(texts: Any) -> Any:
        if not tokenizers:
            tokenizers.append(_tokenizer(repository, name))
        length = model.config.text_config.max_position_embeddings
        tokens = tokenizers[0](list(texts), padding=True, truncation=True, max_length=length, return_tensors="pt")
        answer = model.get_text_features(
            input_ids=tokens["input_ids"].to(device), attention_mask=tokens["attention_mask"].to(device)
        )
        return answer.pooler_output

    return side


def _tokenizer(repository: Repository, name: str) -> Any:
    from transformers import AutoTokenizer

    first = repository.file("tokenizer.json", "vocab.json", encoder=f"the text side of {name}")
    if first.name == "vocab.json":
        repository.file("merges.txt", encoder=f"the text side of {name}")
    for more in ("tokenizer_config.json", "special_tokens_map.json"):
        repository.optional(more)
    with _silent():
        return AutoTokenizer.from_pretrained(first.parent, local_files_only=True, trust_remote_code=False)


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """The library tells of what it loads on the terminal: here what matters is raised."""
    logging: Any = importlib.import_module("transformers.utils.logging")
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def _first_line(error: BaseException) -> str:
    text = " ".join(str(error).split())[:160]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
