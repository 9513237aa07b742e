"""What a Grad-CAM map costs, in forward passes of the same batch.

    python benchmarks/explain.py
    python benchmarks/explain.py --networks auto resnet50 --batch 64 --rounds 7

All contestants of a network share one interleaved run: a forward pass without gradients, our maps at the last stage and
one stage lower, and Captum's at the same layers; the order moves on by one each round, and the ratio is the median over
rounds of times of the same round. Weights are random where there are none at hand (what is computed costs the same).
`away` is the largest difference from Captum's maps as a share of the largest value.
"""

import argparse
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import facts, noise_probe
from safetensors.torch import save_file

import boda
from boda.encoders.opened import OpenNetwork, opened
from boda.encoders.timm_models import import_timm
from boda.explanations.cams import grad_cam
from boda.explanations.score import Score
from boda.explanations.target_layer import Target, targets

MOST = (1.15, 1.3)
"""Forward passes that a batch of maps may cost: at the last stage, and one lower."""
NETWORKS = ("auto", "resnet18", "resnet50", "mobilenetv2_100")


def main() -> None:
    """Measure, then print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="+", default=NETWORKS, help="`auto`, or names of timm")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-captum", action="store_true")
    asked = parser.parse_args()
    print(facts())
    print("\n| network | layer | forward, s | ours, passes | at most | Captum, passes | away |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    probes = []
    for name in asked.networks:
        for line in measured(name, asked.batch, asked.rounds, captum=not asked.no_captum):
            print(line, flush=True)
        probes.append(noise_probe()["seconds"])
    print(f"\nnoise: {len(probes)} probes, from {min(probes):.3f} to {max(probes):.3f} s")


def network_of(name: str) -> OpenNetwork:
    """`auto` with its weights, a network of timm with random ones."""
    if name == "auto":
        return opened(boda.load_encoder(name))
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "weights.safetensors"
        made = import_timm("a benchmark").create_model(name)
        for part in made.modules():
            if isinstance(part, torch.nn.BatchNorm2d):
                part.weight.data.fill_(1)  # some begin at 0, and a branch times 0 moves nothing
        state = made.state_dict()
        save_file({key: one.contiguous() for key, one in state.items()}, place)
        return opened(boda.load_encoder(f"timm:{name}", weights=place))


def measured(name: str, batch: int, rounds: int, *, captum: bool) -> list[str]:
    """One row a layer."""
    network = network_of(name)
    score = Score("likeliest", "its likeliest class, logit", "logit", lambda logits: logits.amax(dim=1), "logits")
    pixels = np.random.default_rng(0).integers(0, 256, (batch, *network.shape, 3), dtype=np.uint8)
    images = network.door(pixels)
    network.module.to(memory_format=torch.channels_last)
    chosen = targets(network, score)[: len(MOST)]
    work: dict[str, Callable[[], Any]] = {"forward": lambda: _forward(network, images)}
    for target in chosen:
        work[f"ours {target.layer}"] = lambda target=target: (
            grad_cam(network, score, images, layer=target.layer, layout=target.layout).maps
        )
        if captum:
            work[f"captum {target.layer}"] = lambda target=target: _captum(network, score, target, images)
    answers = {who: do() for who, do in work.items()}
    taken: dict[str, list[float]] = {who: [] for who in work}
    order = list(work)
    for number in range(rounds):
        for who in order[number % len(order) :] + order[: number % len(order)]:
            began = time.perf_counter()
            work[who]()
            taken[who].append(time.perf_counter() - began)
    return [_row(name, target, most, taken, answers) for target, most in zip(chosen, MOST, strict=False)]


def _row(name: str, target: Target, most: float, taken: dict[str, list[float]], answers: dict[str, Any]) -> str:
    passes = _ratio(taken, f"ours {target.layer}")
    theirs, away = "", ""
    if f"captum {target.layer}" in taken:
        expected = answers[f"captum {target.layer}"]
        theirs = f"{_ratio(taken, f'captum {target.layer}'):.2f}"
        away = f"{np.abs(answers[f'ours {target.layer}'] - expected).max() / np.abs(expected).max():.0e}"
    forward = statistics.median(taken["forward"])
    said = "met" if passes <= most else "missed"
    return f"| {name} | {target.layer} | {forward:.2f} | {passes:.3f} | {most}, {said} | {theirs} | {away} |"


def _ratio(taken: dict[str, list[float]], who: str) -> float:
    return statistics.median(one / base for one, base in zip(taken[who], taken["forward"], strict=True))


def _forward(network: OpenNetwork, images: torch.Tensor) -> None:
    with torch.inference_mode():
        network.logits(images)


def _captum(network: OpenNetwork, score: Score, target: Target, images: torch.Tensor) -> Any:
    from captum.attr import LayerGradCam

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        method = LayerGradCam(score.through(network), network.module.get_submodule(target.layer))
        return method.attribute(images, relu_attributions=True).detach().numpy()[:, 0]


if __name__ == "__main__":
    main()
