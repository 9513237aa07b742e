"""How fast boda trains, against what people write instead.

    python benchmarks/train.py DATA --out train.json
    python benchmarks/train.py DATA --networks resnet20 --rounds 5 --steps 100
    python benchmarks/train.py DATA --device cuda --limit --time-to-94 TRAIN

All contestants of a network share one interleaved run: round after round each trains once, from the same random
weights, for the same number of steps, in a process of its own, in an order that moves on by one each round. Ratios are
medians over the rounds of what was measured in the same round. Time is taken from the end of a few steps that warm up
to the end of the last step; what is read, decoded, augmented and logged in between is inside.

`textbook` is the loop of the tutorials and `reference` that of torchvision's references (`training_loops.py`), both
with a DataLoader of two workers, Pillow and torchvision's transforms, in fp32. `ours` is `boda.training.loop` with the
paper's preset at one rate, in fp32 and, where the processor is fast at it, under bf16 autocast. `limit` is the same
step on one batch without any data. ResNet-20 learns CIFAR-10's test images (only speed counts), which are in memory;
ResNet-18 learns photographs, which are files. `loss` is the training loss of the last quarter of the steps and `error`
that of images that were kept apart, both of the last round: after so few steps they say that everybody learns alike.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from machine import facts, noise_probe
from training_contestants import Job, as_json, time_to, unpacked

from boda.cores import cores
from boda.encoders.precision import bf16_is_fast

TARGETS = {("resnet20", "fp32"): 1.25, ("resnet18", "fp32"): 1.4, ("resnet20", "bf16"): 2.0, ("resnet18", "bf16"): 3.5}
"""Times the textbook loop, at least."""
_SIZES = {"resnet20": {"batch": 128, "steps": 60, "lr": 0.1}, "resnet18": {"batch": 32, "steps": 16, "lr": 0.0125}}
"""The rate of ResNet-18 is the paper's for a batch of 32."""
Run = Callable[[Job], dict[str, Any]]


def contestants(job: Job, precisions: Sequence[str], *, limit: bool) -> dict[str, Job]:
    """Everybody who takes part, by name."""
    jobs = {"textbook": replace(job, who="textbook"), "reference": replace(job, who="reference")}
    for precision in precisions:
        jobs[f"ours {precision}"] = replace(job, who="ours", precision=precision)
        if limit:
            jobs[f"limit {precision}"] = replace(job, who="limit", precision=precision)
    return jobs


def in_fresh_process(job: Job) -> dict[str, Any]:
    """The job's answer."""
    script = Path(__file__).with_name("training_contestants.py")
    with tempfile.TemporaryDirectory() as folder:
        asked, answer = Path(folder) / "job.json", Path(folder) / "answer.json"
        asked.write_text(as_json(job), encoding="utf-8")
        words = [sys.executable, str(script), str(asked), str(answer)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{job.who} {job.network} ended with {done.returncode}: {done.stderr[-2000:]}")
        found: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8"))
    return found


def run_rounds(jobs: dict[str, Job], rounds: int, run: Run) -> dict[str, Any]:
    """Every contestant once a round, in turn; between rounds the noise of the machine."""
    done: list[dict[str, Any]] = []
    noise = [noise_probe()]
    for number in range(rounds):
        names = list(jobs)
        names = names[number % len(names) :] + names[: number % len(names)]
        answers = {}
        for name in names:
            answers[name] = run(jobs[name])
            _tell(f"round {number + 1} {jobs[name].network} {name}: {_rate(answers[name]):.1f} images/s")
        done.append(answers)
        noise.append(noise_probe())
    return {"rounds": done, "noise": noise}


def rows_of(jobs: dict[str, Job], measured: dict[str, Any]) -> list[dict[str, Any]]:
    """A row for each contestant: its images/s of every round, and medians of ratios within rounds."""
    rounds, rows = measured["rounds"], []
    for name, job in jobs.items():
        answers = [one[name] for one in rounds]
        row = {
            "network": job.network,
            "contestant": name,
            "rates": [_rate(one) for one in answers],
            "times": {
                other: statistics.median(_rate(one[name]) / _rate(one[other]) for one in rounds)
                for other in ("textbook", "reference", f"limit {job.precision}")
                if other in jobs and other != name and job.who == "ours"
            },
            "loss": answers[-1]["loss"],
            "error": answers[-1]["test"].get("error"),
        }
        if job.who == "ours":
            row["target"] = TARGETS.get((job.network, job.precision))
            row["loader"] = statistics.median(one["loader"] for one in answers)
        rows.append(row)
    return rows


HEADER = (
    "| network | contestant | images/s (rounds) | times textbook | times reference | of the limit | loader images/s "
    "| loss | error |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
)


def as_markdown(row: dict[str, Any]) -> str:
    """One line of the table; a figure that has a target says whether it is met."""
    rates, times, target = row["rates"], row["times"], row.get("target")
    textbook = times.get("textbook")
    judged = "" if textbook is None else f"{textbook:.2f}"
    if textbook is not None and target is not None:
        judged += f", {'met' if textbook >= target else 'missed'} (>= {target:g})"
    share = next((value for name, value in times.items() if name.startswith("limit")), None)
    cells = [
        row["network"],
        row["contestant"],
        f"{statistics.median(rates):.1f} ({min(rates):.1f}-{max(rates):.1f})",
        judged,
        _figure(times.get("reference"), ".2f"),
        _figure(share, ".2f"),
        _figure(row.get("loader"), ",.0f"),
        _figure(row["loss"], ".3f"),
        _figure(row["error"], ".3f"),
    ]
    return f"| {' | '.join(cells)} |"


def _figure(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def _rate(answer: dict[str, Any]) -> float:
    return float(answer["images"] / answer["seconds"])


def noise_line(probes: Sequence[dict[str, float]]) -> str:
    """How steady the machine was, and how busy."""
    seconds = [probe["seconds"] for probe in probes]
    spread = (max(seconds) - min(seconds)) / statistics.median(seconds)
    load = max(probe["load"] for probe in probes)
    return f"noise: {len(seconds)} probes, from slowest to fastest {spread:.1%} of the median; load at most {load:.1f}"


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="the folder of data: cifar10_test/ and oasis_ratings/")
    parser.add_argument("--networks", type=_names, default=tuple(_SIZES), help=f"some of {', '.join(_SIZES)}")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, help="that are timed; by default 60 of ResNet-20, 16 of ResNet-18")
    parser.add_argument("--batch", type=int, help="by default 128 and 32")
    parser.add_argument("--warm", type=int, default=3, help="steps before these")
    parser.add_argument("--count", type=int, help="images to learn from at most")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--precision", type=_names, help="some of fp32, bf16; by default what the device is fast at")
    parser.add_argument("--limit", action="store_true", help="measure the networks alone too")
    parser.add_argument("--time-to-94", type=Path, metavar="TRAIN", help="of all 50,000 images in folders by class")
    parser.add_argument("--epochs", type=int, default=16, help="of the time to 94 %%")
    parser.add_argument("--seed", type=int, default=0, help="of the random weights")
    parser.add_argument("--out", type=Path, help="JSON file with every round, written after every network")
    chosen = parser.parse_args(arguments)
    if unknown := [name for name in chosen.networks if name not in _SIZES]:
        parser.error(f"unknown {unknown[0]!r}; choose from {', '.join(_SIZES)}")
    return chosen


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for name in text.split(",") if name)


def main(arguments: Sequence[str] | None = None, run: Run = in_fresh_process) -> None:
    """Measure, print the table, write the JSON."""
    chosen = options(arguments)
    precisions = chosen.precision or (("fp32", "bf16") if bf16_is_fast(chosen.device) else ("fp32",))
    about = facts() | {"command": ["benchmarks/train.py", *(arguments or sys.argv[1:])], "seed": chosen.seed}
    about |= {"device": chosen.device, "results": []}
    print(f"{about['date']}, {about['machine']['cpu']}, {cores()} cores, {chosen.device}, commit {about['commit']}\n")
    print(HEADER, flush=True)
    probes: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        files = unpacked(chosen.data, Path(folder)) if "resnet18" in chosen.networks else Path(folder)
        for network in chosen.networks:
            size = _SIZES[network]
            job = Job(
                who="ours",
                network=network,
                data=str(chosen.data),
                files=str(files),
                batch=chosen.batch or int(size["batch"]),
                steps=chosen.steps or int(size["steps"]),
                warm=chosen.warm,
                lr=size["lr"],
                device=chosen.device,
                seed=chosen.seed,
                count=chosen.count,
            )
            jobs = contestants(job, precisions, limit=chosen.limit)
            measured = run_rounds(jobs, chosen.rounds, run)
            rows = rows_of(jobs, measured)
            probes += measured["noise"]
            print("\n".join(map(as_markdown, rows)), flush=True)
            about["results"].append(measured | {"network": network, "steps": job.steps, "rows": rows})
            _keep(chosen.out, about)
    print(f"\n{noise_line(probes)}")
    if chosen.time_to_94 is not None:
        found = time_to(chosen.time_to_94, chosen.data, chosen.device, epochs=chosen.epochs, seed=chosen.seed)
        about["time_to_94"] = found
        _keep(chosen.out, about)
        reached = f"{found['seconds']:.1f} s" if found["seconds"] is not None else "never"
        print(
            f"94 % of CIFAR-10's test images: {reached}; {100 * (1 - found['error']):.2f} % after {found['epochs']} "
            f"epochs, {found['all_seconds']:.1f} s"
        )


def _keep(out: Path | None, about: dict[str, Any]) -> None:
    if out is not None:
        out.write_text(json.dumps(about, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
