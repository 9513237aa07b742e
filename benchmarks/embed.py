"""How fast boda embeds, against what people write instead and against what the machine could do at best.

    python benchmarks/embed.py --out embed.json
    python benchmarks/embed.py --models resnet18 --images photo,large --rounds 5
    python benchmarks/embed.py --images tiny --count 4000 --models resnet18 --rounds 1

All contestants of a row share one interleaved run: round after round each works once on the same files, in a process
of its own, in an order that moves on by one each round. Ratios and shares are medians over the rounds of what was
measured in the same round. The limit is measured in every round too: `limit.py` has its formula.

`images/s` count from before the first image is read until the last feature is stored; starting Python, importing and
loading the model are left out for everybody and are part of `process s`. For boda the start of its decoder processes,
its commits with fsync and the merge are inside. Files are in the page cache. Weights are random, as only speed is
measured, so whether bf16 passes its gate says nothing here about published weights; `--weights DIR` takes real ones.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from contestants import Job, as_json
from image_sets import SETS, ImageSet, write_set
from limit import limit
from machine import facts, noise_probe

from boda.cores import cores

MODELS = ("resnet18", "mobilenetv2_100", "tf_efficientnet_lite0", "vit_base_patch32_224")
DEFAULT_SETS = ("photo", "large", "tiny")
Against = Literal["limit", "loop", "loader"]
Run = Callable[[Job], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Target:
    """What a contestant of ours should reach."""

    against: Against
    at_least: float
    precision: str | None = None
    """As computed; None: any."""
    decode: str | None = None
    sets: tuple[str, ...] = tuple(SETS)
    models: tuple[str, ...] | None = None


_LARGE = ("large", "detailed")
TARGETS = (
    Target("limit", 0.95),
    Target("loop", 1.4, "fp32", "scaled"),
    Target("loader", 1.2, "fp32", "scaled"),
    Target("loop", 3.0, "bf16"),
    Target("loop", 1.7, "fp32", "exact", sets=_LARGE, models=("resnet18",)),
    Target("loop", 4.2, "fp32", "scaled", sets=_LARGE, models=("resnet18",)),
    Target("loop", 6.0, "bf16", "scaled", sets=_LARGE, models=("resnet18",)),
)
"""Where several fit, the highest counts."""


def target(against: Against, *, precision: str, decode: str, images: str, model: str) -> float | None:
    """The figure to reach, or None where none is set."""
    fitting = [
        t.at_least
        for t in TARGETS
        if t.against == against
        and t.precision in (None, precision)
        and t.decode in (None, decode)
        and images in t.sets
        and (t.models is None or model in t.models)
    ]
    return max(fitting, default=None)


@dataclass(frozen=True, slots=True)
class Row:
    """One contestant on one set with one model, over all rounds."""

    images: str
    model: str
    contestant: str
    rates: list[float]
    """Images per second, one a round."""
    process_seconds: float
    limit: float | None = None
    limit_share: float | None = None
    times: dict[Against, float] | None = None
    """How many times as fast as the loops."""
    targets: dict[Against, float] | None = None
    least_cosine: float | None = None
    """Of the first images' features with those of the notebook loop."""


def contestants(kind: ImageSet, precisions: Sequence[str], job: Job) -> dict[str, Job]:
    """Everybody who takes part, by name. `exact` decoding is another contestant only where it does something else."""
    jobs = {"loop": replace(job, who="loop"), "loader": replace(job, who="loader")}
    for precision in precisions:
        jobs[f"ours {precision}"] = replace(job, who="ours", precision=precision)
    if kind.scalable:
        jobs["ours fp32 exact"] = replace(job, who="ours", precision="fp32", decode="exact")
    fullest = next((p for p in ("bf16", "auto") if p in precisions), "fp32")
    jobs["limits"] = replace(job, who="limits", precision=fullest)
    return jobs


def in_fresh_process(job: Job) -> dict[str, Any]:
    """The job's answer, with `process_seconds`: all that the process took."""
    to = Path(job.to)
    (to / "job.json").write_text(as_json(job), encoding="utf-8")
    script = Path(__file__).with_name("contestants.py")
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, str(script), str(to / "job.json"), str(to / "answer.json")],
        capture_output=True,
        text=True,
        check=False,
        env=dict(os.environ, HF_HUB_OFFLINE="1"),
    )
    seconds = time.perf_counter() - began
    if done.returncode:
        raise RuntimeError(f"{job.who} {job.model} ended with {done.returncode}: {done.stderr[-2000:]}")
    return json.loads((to / "answer.json").read_text(encoding="utf-8")) | {"process_seconds": seconds}


def run_rounds(jobs: dict[str, Job], rounds: int, work: Path, run: Run) -> dict[str, Any]:
    """Every contestant once a round, in turn; between rounds the noise of the machine."""
    done: list[dict[str, Any]] = []
    noise = [noise_probe()]
    cosines: dict[str, float] = {}
    for number in range(rounds):
        names = list(jobs)
        names = names[number % len(names) :] + names[: number % len(names)]
        answers, features = {}, {}
        for name in names:
            to = work / "out"
            to.mkdir()
            answers[name] = run(replace(jobs[name], to=str(to)))
            _tell(f"round {number + 1} {jobs[name].model} {name}: {_short(answers[name])}")
            if (to / "features.npy").exists():
                features[name] = np.load(to / "features.npy")
            shutil.rmtree(to)
        cosines = cosines or _least_cosines(features)
        done.append(answers)
        noise.append(noise_probe())
    return {"rounds": done, "noise": noise, "least_cosines": cosines}


def _least_cosines(features: dict[str, np.ndarray]) -> dict[str, float]:
    """Everybody computes the same: the least likeness of an image's features to those of the notebook loop."""
    unit = {name: rows / np.linalg.norm(rows, axis=1, keepdims=True) for name, rows in features.items()}
    return {name: float((rows * unit["loop"]).sum(axis=1).min()) for name, rows in unit.items()}


def summarise(images: str, model: str, jobs: dict[str, Job], measured: dict[str, Any]) -> list[Row]:
    """A row for each contestant."""
    return [_row(images, model, name, jobs[name], measured) for name in jobs if name != "limits"]


def _row(images: str, model: str, name: str, job: Job, measured: dict[str, Any]) -> Row:
    rounds = measured["rounds"]
    rates = [_rate(answers[name]) for answers in rounds]
    row = Row(
        images,
        model,
        name,
        rates,
        statistics.median(answers[name]["process_seconds"] for answers in rounds),
        least_cosine=measured["least_cosines"].get(name),
    )
    if job.who != "ours":
        return row
    precision = rounds[0][name]["precision"]
    limits = [_limit(answers["limits"], precision, job.decode) for answers in rounds]
    times: dict[Against, float] = {
        loop: statistics.median(rate / _rate(answers[loop]) for rate, answers in zip(rates, rounds, strict=True))
        for loop in ("loop", "loader")
    }
    against: tuple[Against, ...] = ("limit", "loop", "loader")
    found = {a: target(a, precision=precision, decode=job.decode, images=images, model=model) for a in against}
    return replace(
        row,
        contestant=name if precision == job.precision else f"{name} (took {precision})",
        limit=statistics.median(limits),
        limit_share=statistics.median(rate / most for rate, most in zip(rates, limits, strict=True)),
        times=times,
        targets={a: figure for a, figure in found.items() if figure is not None},
    )


def _rate(answer: dict[str, Any]) -> float:
    return float(answer["images"] / answer["seconds"])


def _limit(answer: dict[str, Any], precision: str, decode: str) -> float:
    return limit(answer["decode"][decode], max(answer["forward"][precision].values()), answer["cores"])


HEADER = (
    "| images | model | contestant | images/s (rounds) | limit | of the limit | times loop (a) | times loader (b) "
    "| process s | least cosine to (a) |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
)


def as_markdown(row: Row) -> str:
    """One line of the table; each figure that has a target says whether it is met."""
    times, targets = row.times or {}, row.targets or {}
    spread = f"{min(row.rates):.1f}-{max(row.rates):.1f}" if len(row.rates) > 1 else "one round"
    cells = [
        row.images,
        row.model,
        row.contestant,
        f"{statistics.median(row.rates):.1f} ({spread})",
        "" if row.limit is None else f"{row.limit:.1f}",
        _judged(row.limit_share, targets.get("limit")),
        _judged(times.get("loop"), targets.get("loop")),
        _judged(times.get("loader"), targets.get("loader")),
        f"{row.process_seconds:.1f}",
        "" if row.least_cosine is None else f"{row.least_cosine:.5f}",
    ]
    return f"| {' | '.join(cells)} |"


def _judged(figure: float | None, needed: float | None) -> str:
    if figure is None:
        return ""
    if needed is None:
        return f"{figure:.2f}"
    return f"{figure:.2f}, {'met' if figure >= needed else 'missed'} (>= {needed:g})"


def noise_line(probes: Sequence[dict[str, float]]) -> str:
    """How steady the machine was."""
    seconds = [probe["seconds"] for probe in probes]
    middle = statistics.median(seconds)
    spread = (max(seconds) - min(seconds)) / middle
    return f"noise: {len(seconds)} probes, median {middle:.3f} s, from slowest to fastest {spread:.1%} of it"


def _short(answer: dict[str, Any]) -> str:
    if "images" in answer:
        return f"{_rate(answer):.1f} images/s"
    return json.dumps({key: answer[key] for key in ("decode", "forward") if key in answer})


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def weights_for(model: str, given: Path | None, images: Path, work: Path, seed: int, run: Run) -> Path:
    """`MODEL.safetensors` of the given folder, else random weights."""
    if given is not None and (given / f"{model}.safetensors").is_file():
        return given / f"{model}.safetensors"
    path = work / f"{model}.safetensors"
    if not path.exists():
        to = work / "out"
        to.mkdir()
        run(Job("weights", model, str(path), str(images), str(to), seed=seed))
        shutil.rmtree(to)
    return path


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=_names, default=MODELS, help="of timm, with commas between")
    parser.add_argument("--images", type=_names, default=DEFAULT_SETS, help=f"some of {', '.join(SETS)}")
    parser.add_argument("--count", type=int, help="files a set; by default each set's own")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--precision", type=_names, default=("fp32", "auto"), help="some of fp32, auto, bf16")
    parser.add_argument("--seconds", type=float, default=5.0, help="for each rate behind the limit")
    parser.add_argument("--seed", type=int, default=0, help="of the files and the random weights")
    parser.add_argument("--weights", type=Path, help="folder with MODEL.safetensors; without one they are random")
    parser.add_argument("--where", type=Path, help="folder for temporary files; by default the system's")
    parser.add_argument("--out", type=Path, help="JSON file with every round, written after every row")
    chosen = parser.parse_args(arguments)
    for given, known in ((chosen.images, SETS), (chosen.precision, ("fp32", "auto", "bf16"))):
        if unknown := [name for name in given if name not in known]:
            parser.error(f"unknown {unknown[0]!r}; choose from {', '.join(known)}")
    return chosen


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


def main(arguments: Sequence[str] | None = None, run: Run = in_fresh_process) -> None:
    """Measure, print the table, write the JSON."""
    chosen = options(arguments)
    about = facts() | {"command": ["benchmarks/embed.py", *(arguments or sys.argv[1:])], "seed": chosen.seed}
    about |= {"targets": [asdict(t) for t in TARGETS], "results": []}
    print(
        f"{about['date']}, {about['machine']['cpu']}, {cores()} cores, commit {about['commit']}\n\n{HEADER}", flush=True
    )
    probes: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory(dir=chosen.where) as folder:
        work = Path(folder)
        for name in chosen.images:
            kind, files = SETS[name], work / name
            count = chosen.count or kind.count
            size = write_set(kind, count, files, seed=chosen.seed)
            _tell(f"{count} files of {kind.what}, {size / count / 1000:.1f} kB each")
            for model in chosen.models:
                weights = weights_for(model, chosen.weights, files, work, chosen.seed, run)
                job = Job("ours", model, str(weights), str(files), "", seconds=chosen.seconds, seed=chosen.seed)
                jobs = contestants(kind, chosen.precision, job)
                measured = run_rounds(jobs, chosen.rounds, work, run)
                rows = summarise(name, model, jobs, measured)
                probes += measured["noise"]
                print("\n".join(map(as_markdown, rows)), flush=True)
                random = weights.parent == work
                about["results"].append(
                    {"images": name, "model": model, "files": count, "bytes": size, "random_weights": random}
                    | measured
                    | {"rows": [asdict(row) for row in rows]}
                )
                if chosen.out is not None:
                    chosen.out.write_text(json.dumps(about, indent=1), encoding="utf-8")
            shutil.rmtree(files)
    print(f"\n{noise_line(probes)}")


if __name__ == "__main__":
    main()
