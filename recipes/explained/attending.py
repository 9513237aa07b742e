"""Attending: what the maps of a vision transformer add up to. Its weights are drawn, so pictures mean nothing here."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

import boda
from boda.encoders.base import Encoder
from boda.encoders.timm_models import import_timm
from boda.explanations.attention import attentions
from boda.explanations.channels import class_score
from boda.pipelines.explaining.subjects import of_files
from runs.receipt import write

METHODS = ("attention-heads", "attention", "rollout", "relevance")


@dataclass(frozen=True, slots=True)
class Sums:
    """What the maps of one method add up to over places, with what goes to tokens of no place where that is known."""

    method: str
    shape: tuple[int, ...]
    """Of all maps."""
    least: float
    most: float
    of: str
    """What was added up."""


def drawn_vit(model: str, to: Path, seed: int) -> Encoder:
    """A transformer of timm that has learned nothing, by the seed of its weights."""
    import torch
    from safetensors.torch import save

    timm = import_timm("a vision transformer")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        state = timm.create_model(model).state_dict()
    file = to / f"{model}-{seed}.safetensors"
    write(file, save(state))
    return boda.load_encoder(f"timm:{model}", weights=file, precision="fp32")


def attended(encoder: Encoder, images: Path, to: Path, *, count: int, seed: int) -> list[Sums]:
    """Explain images by attention, and add up.

    Args:
        encoder: a vision transformer.
        images: as of `boda.explain`.
        to: folder of the gallery.
        count: images.
        seed: that draws them.
    """
    found = boda.explain(images, encoder=encoder, method=METHODS, limit=count, seed=seed, check=False, to=to)
    maps = {method: np.stack([one.maps for one in found.explained if one.method == method]) for method in METHODS}
    subjects = of_files(
        [images], None, limit=count, rng=np.random.default_rng(seed), encoder=encoder, weights=None, device="auto"
    )
    network = subjects.network
    layers = attentions(network, class_score(network, 0), network.door(subjects.pixels))
    whole = np.stack([one.maps.sum(axis=(2, 3)) + one.elsewhere for one in layers])
    last, spread = layers[-1], maps["attention"].sum(axis=(1, 2)) + layers[-1].elsewhere.mean(axis=1)
    heads = np.abs(maps["attention-heads"] - last.maps).max()
    shape = (len(layers), *last.maps.shape)
    return [
        _sums("attention, every layer and head", shape, whole, "a row, class token and all"),
        _sums("attention-heads", maps["attention-heads"].shape, heads, "largest difference from the last layer's rows"),
        _sums("attention", maps["attention"].shape, spread, "a row, class token and all"),
        *(_sums(one, maps[one].shape, maps[one].sum(axis=(1, 2)), "places alone") for one in ("rollout", "relevance")),
    ]


def _sums(method: str, shape: tuple[int, ...], values: npt.NDArray[np.floating], of: str) -> Sums:
    return Sums(method, shape, float(np.min(values)), float(np.max(values)), of)
