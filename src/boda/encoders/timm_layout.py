"""A network of timm as files in timm's own layout on the hub: `config.json`, `model.safetensors`.

`timm.create_model("hf-hub:OWNER/NAME", pretrained=True)` loads what these files are put under, and so does boda by
`hf-hub:OWNER/NAME`, as the same recipe. A classifier of one's own may take the place of the network's: then timm gives
its scores. The files are read back by timm before anybody gets them, and must compute what the encoder computes.
"""

import copy
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from boda.arrays import Features, Pixels
from boda.encoders.normalising import normalisation, normalised
from boda.encoders.timm_models import import_timm, pixel_spec
from boda.encoders.torch_encoder import TorchEncoder
from boda.errors import Refused
from boda.pixels.spec import PixelSpec

FILES = ("config.json", "model.safetensors", "preprocessor_config.json")
_TIMM = "timm:"
_NOT_ARGUMENTS = ("adapter", "backend")
_CARRIED = ("first_conv", "classifier", "fixed_input_size")
_RESAMPLE = ("nearest", "lanczos", "bilinear", "bicubic", "box", "hamming")
"""In the order of Pillow's numbers."""
_TOLERANCE = 1e-4


@dataclass(frozen=True, eq=False)
class Scores:
    """What stands behind a network's own features: `features @ weights + offset`."""

    weights: npt.NDArray[np.float64]
    """(d, k)."""
    offset: npt.NDArray[np.float64]
    """(k,)."""
    names: tuple[str, ...]
    """One a score."""


@dataclass(frozen=True, eq=False)
class TimmLayout:
    """Files in timm's layout, and the network that timm makes of them."""

    files: Mapping[str, bytes]
    network: Any
    pixels: PixelSpec

    def __call__(self, pixels: Pixels) -> Features:
        """(n, h, w, 3) uint8 to what timm gives: (n, k) scores, or (n, d) features where there are no scores."""
        import torch

        with torch.inference_mode():
            answer: Features = self.network(normalised(pixels, *normalisation(self.pixels))).numpy()
        return answer


def timm_layout(encoder: TorchEncoder, scores: Scores | None = None) -> TimmLayout:
    """The files of an encoder's network.

    Args:
        encoder: of any layer; the network is written with its own pooling.
        scores: in place of its classifier; None: it is written without one.

    Raises:
        Refused: it is no network of timm, its pixels or scores cannot be said in timm's layout, or timm makes
            something else of the files.
    """
    import torch
    from safetensors.torch import save

    recipe = encoder.recipe
    if not recipe.architecture.startswith(_TIMM) or recipe.pixels is None:
        raise Refused(f"encoder {recipe.name!r} is no network of timm")
    timm = import_timm(f"the encoder {recipe.name!r}")
    model: Any = copy.deepcopy(encoder._running._original)
    model.reset_classifier(0 if scores is None else len(scores.offset))
    if scores is not None:
        classifier: Any = model.get_classifier()
        if not isinstance(classifier, torch.nn.Linear) or classifier.weight.shape != scores.weights.T.shape:
            raise Refused(f"encoder {recipe.name!r}: its classifier is not one linear layer behind its features")
        classifier.weight.data = torch.from_numpy(scores.weights.T.astype(np.float32))
        classifier.bias.data = torch.from_numpy(scores.offset.astype(np.float32))
    state = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in model.state_dict().items()}
    files = {
        "config.json": _json(_config(timm, encoder, model, scores)),
        "model.safetensors": save(state, {"format": "pt"}),
        "preprocessor_config.json": _json(_processor(recipe.pixels)),
    }
    return _read_back(timm, encoder, TimmLayout(files, None, recipe.pixels), scores)


def _config(timm: Any, encoder: TorchEncoder, model: Any, scores: Scores | None) -> dict[str, Any]:
    recipe, known = encoder.recipe, model.pretrained_cfg
    assert recipe.pixels is not None
    classes = 0 if scores is None else len(scores.offset)
    pretrained = {name: known[name] for name in _CARRIED if known.get(name) is not None}
    pretrained |= {"num_classes": classes, **_data(recipe.pixels, encoder)}
    stated = pixel_spec(timm.data.resolve_data_config(pretrained_cfg=pretrained), recipe.architecture)
    if stated != replace(recipe.pixels, decoder=stated.decoder, range=None, stretch=None):
        raise Refused(f"encoder {recipe.name!r}: timm's layout cannot say how its images are prepared")
    if recipe.licence:
        pretrained["license"] = recipe.licence
    arguments = {name: value for name, value in recipe.arguments.items() if name not in _NOT_ARGUMENTS}
    return {
        "architecture": recipe.architecture.removeprefix(_TIMM),
        "num_classes": classes,
        "num_features": model.num_features,
        **({"label_names": list(scores.names)} if scores is not None else {}),
        **({"model_args": arguments} if arguments else {}),
        "pretrained_cfg": pretrained,
    }


def _data(spec: PixelSpec, encoder: TorchEncoder) -> dict[str, Any]:
    """Pixels in timm's words: the share of the resized image that the crop keeps is rounded down to whole pixels."""
    height, width = spec.shape
    if spec.resize is None:
        raise Refused(f"encoder {encoder.recipe.name!r}: timm's layout cannot say that images are not resized")
    side = spec.resize if isinstance(spec.resize, int) else spec.resize[0]
    share = height / side if int(height / (height / side)) == side else height / (side + 0.5)
    return {
        "input_size": [3, height, width],
        "interpolation": spec.filter,
        "crop_pct": share,
        "crop_mode": "center" if isinstance(spec.resize, int) else "squash",
        "mean": list(spec.mean),
        "std": list(spec.std),
    }


def _processor(spec: PixelSpec) -> dict[str, Any]:
    """The same in the words of transformers' image processors."""
    height, width = spec.shape
    size = {"shortest_edge": spec.resize}
    if isinstance(spec.resize, tuple):
        size = {"height": spec.resize[0], "width": spec.resize[1]}
    return {
        "image_processor_type": "CLIPImageProcessor",
        "do_convert_rgb": True,
        "do_resize": True,
        "size": size,
        "resample": _RESAMPLE.index(spec.filter),
        "do_center_crop": True,
        "crop_size": {"height": height, "width": width},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": list(spec.mean),
        "image_std": list(spec.std),
    }


def _read_back(timm: Any, encoder: TorchEncoder, layout: TimmLayout, scores: Scores | None) -> TimmLayout:
    """What timm makes of the files, if it computes what the encoder computes."""
    own = encoder.take(None, "model").at("fp32")
    name = encoder.recipe.name
    with tempfile.TemporaryDirectory(prefix="boda-layout-") as folder:
        for file, data in layout.files.items():
            (Path(folder) / file).write_bytes(data)
        try:
            network = timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
        except (RuntimeError, TypeError, ValueError, KeyError, AttributeError, AssertionError) as error:
            why = str(error).partition("\n")[0] or type(error).__name__
            raise Refused(f"encoder {name!r}: timm cannot load it from its own layout: {why}") from error
    found = replace(layout, network=network)
    noise = np.random.default_rng(13).integers(0, 256, (3, *layout.pixels.shape, 3), dtype=np.uint8)
    expected = own(noise) if scores is None else own(noise) @ scores.weights + scores.offset
    said = found(noise)
    if said.shape != expected.shape or not np.abs(said - expected).max() <= _TOLERANCE * np.abs(expected).max():
        raise Refused(f"encoder {name!r}: timm computes something else from its own layout")
    return found


def _json(record: Mapping[str, Any]) -> bytes:
    return (json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()
