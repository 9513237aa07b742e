"""One measurement in a process of its own: `python benchmarks/contestants.py JOB ANSWER`, both JSON files.

Importing libraries and loading the model come first and are timed apart. The clock of a contestant runs from before
its first image is read until the last one is stored.
"""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from boda.cores import cores

Who = Literal["ours", "loop", "loader", "limits", "weights"]
_KEPT = 256
"""Rows of features that are kept to compare contestants by."""


@dataclass(frozen=True, slots=True)
class Job:
    """What one process is to measure."""

    who: Who
    model: str
    weights: str
    """A safetensors file of the whole model; `weights` makes it."""
    images: str
    """A flat folder."""
    to: str
    """An empty folder for what is stored; it holds `features.npy` (rows in the order of the files) afterwards."""
    precision: Literal["fp32", "bf16", "auto"] = "fp32"
    decode: Literal["scaled", "exact"] = "scaled"
    seconds: float = 5.0
    """For each rate behind the limit."""
    seed: int = 0


def do(job: Job) -> dict[str, Any]:
    """Do the job in this process."""
    work: dict[Who, Callable[[Job], dict[str, Any]]] = {
        "ours": ours, "loop": textbook, "loader": textbook, "limits": limits, "weights": make_weights,
    }  # fmt: skip
    return work[job.who](job)


def ours(job: Job) -> dict[str, Any]:
    """`boda.embed` into a new workspace.

    `seconds` begin with the flow of decoding and encoding (starting the decoder processes belongs to it) and end
    after the last commit and the merge, as boda reports them; `call_seconds` are those of the whole call, with
    importing torch, loading the model, the listing and, for `auto`, the choice of the precision.
    """
    import boda

    began = time.perf_counter()
    workspace = boda.embed(
        job.images,
        encoders=f"timm:{job.model}",
        weights=job.weights,
        to=Path(job.to) / "w.boda",
        precision=job.precision,
        decode=job.decode,
        device="cpu",
    )
    ended = time.perf_counter()
    report = workspace.report
    assert report is not None
    if report["embedded"] != report["listed"]:
        raise RuntimeError(f"embedded {report['embedded']} of {report['listed']}: {report['reasons']}")
    _keep(job, np.asarray(workspace.features().array[:_KEPT], np.float32))
    return {
        "images": report["embedded"],
        "seconds": report["embedded"] / report["images_per_s"],
        "call_seconds": ended - began,
        "precision": report["recipes"][0]["precision"],
        "limit_share_reported": report["limit_share"],
        "bottleneck": report["bottleneck"],
    }


def textbook(job: Job) -> dict[str, Any]:
    """Loop (a) or (b): `seconds` are the loop's own, `call_seconds` with importing torch and loading the model."""
    began = time.perf_counter()
    import textbook_loops

    loop = textbook_loops.notebook_loop if job.who == "loop" else textbook_loops.loader_loop
    model, transform = textbook_loops.load_model(job.model, Path(job.weights))
    files = sorted(Path(job.images).iterdir())
    loaded = time.perf_counter()
    loop(files, model, transform, Path(job.to))
    ended = time.perf_counter()
    features = textbook_loops.read_features(Path(job.to)).numpy()
    if len(features) != len(files):
        raise RuntimeError(f"{len(features)} rows for {len(files)} files")
    _keep(job, features[:_KEPT])
    return {"images": len(files), "seconds": ended - loaded, "call_seconds": ended - began}


def limits(job: Job) -> dict[str, Any]:
    """What decoding (per decoder) and forward (per precision) can do alone, in images per second.

    `job.precision` is the fullest wanted: `fp32` leaves bf16 out, `auto` takes it where the hardware is fast at it.
    """
    from limit import decode_rate, forward_rates

    import boda
    from boda.encoders.precision import bf16_is_fast
    from boda.pipelines.run.computing import BATCH_ON_CPU
    from boda.pixels.prepare import prepare

    files = [path.read_bytes() for path in sorted(Path(job.images).iterdir())[: _sample(job)]]
    encoder = boda.load_encoder(f"timm:{job.model}", weights=job.weights, precision="fp32", device="cpu")
    spec = encoder.recipe.pixels
    assert spec is not None
    decode = {
        decoder: decode_rate(files, replace(spec, decoder=decoder), seconds=job.seconds)
        for decoder in ("scaled", "exact")
    }
    some = [prepare(data, spec)[0] for data in files[:BATCH_ON_CPU]]
    batch = np.stack([some[i % len(some)] for i in range(BATCH_ON_CPU)])
    half = job.precision == "bf16" or (job.precision == "auto" and bf16_is_fast("cpu"))
    forward = {
        precision: forward_rates(encoder.at(precision), batch, cores(), seconds=job.seconds)
        for precision in (("fp32", "bf16") if half else ("fp32",))
    }
    return {"decode": decode, "forward": forward, "cores": cores()}


def make_weights(job: Job) -> dict[str, Any]:
    """Random weights of the whole model, to `job.weights`: only speed is measured.

    Batch norms take the statistics of real photographs, as untrained ones let numbers shrink from layer to layer
    until processors slow down for them.
    """
    import textbook_loops as loops
    import torch
    from PIL import Image
    from safetensors.torch import save_file

    torch.manual_seed(job.seed)
    model = loops.timm.create_model(job.model, pretrained=False)
    norms = [module for module in model.modules() if isinstance(module, torch.nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.momentum = None
        torch.nn.init.uniform_(norm.weight, 0.5, 1.0)
    transform = loops.timm.data.create_transform(**loops.timm.data.resolve_model_data_config(model))
    files = sorted(Path(job.images).iterdir())[:8]
    with torch.no_grad():
        model.train()(torch.stack([transform(Image.open(path).convert("RGB")) for path in files]))
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, job.weights)
    return {"parameters": sum(tensor.numel() for tensor in model.parameters())}


def _sample(job: Job) -> int:
    """Files to measure decoding on: as many as differ among large ones, and a batch of small ones."""
    return 12 if next(Path(job.images).iterdir()).stat().st_size > 500_000 else 32


def _keep(job: Job, features: np.ndarray) -> None:
    np.save(Path(job.to) / "features.npy", features)


def main() -> None:
    """Read the job, do it, write the answer."""
    job = Job(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    Path(sys.argv[2]).write_text(json.dumps(do(job)), encoding="utf-8")


def as_json(job: Job) -> str:
    """What `main` reads."""
    return json.dumps(asdict(job))


if __name__ == "__main__":
    main()
