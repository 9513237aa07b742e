"""A run's folder: what is trained, where it is, its curves, and the network of its best epoch.

- `run.json`: what is trained on what: network, preset, target, seed, digests; and how to ask for it again
- `last.json`, `last-*.safetensors`: everything that is needed to go on, at the end of an epoch
- `within.json`, `within-*.safetensors`: the same, in the midst of the next epoch; gone when that is over
- `network.json`, `network.safetensors`: the network of the best epoch; with them the folder is an encoder
- `epoch-0003.safetensors`: the network after that epoch, of those that were to be kept; 0: as it began
- `history.csv`, `curves.png`: of every epoch
- `reconstructions.png`: of an autoencoder, images beside what it made of them
- `split.csv`: which images were learned from, and which chose the best epoch
- `seconds.json`, `comparison.json`: of fine-tuned networks how long it was trained, and against the frozen encoder
- `head/`: of a ResNet or a fine-tuned network, its head as of `boda.predict`
- `fold-1/`, ...: of fine-tuned networks the run of each fold
- `unreadable.csv`: images that could not be used, and why; only where there are some
"""

import csv
import hashlib
import io
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boda.encoders.trained import FORMAT, NETWORK, WEIGHTS, file_digest, kept_weights
from boda.errors import Damaged, NotFound, Refused
from boda.keys import shown, to_text
from boda.models.plan import AnyPlan
from boda.pixels.spec import PixelSpec
from boda.training.preset import Preset
from boda.unreadable import Unreadable
from boda.workspace.atomic import write_whole

if TYPE_CHECKING:
    from torch import Tensor

    from boda.training.checkpoint import Saved

RUN, LAST, WITHIN, HISTORY, CURVES = "run.json", "last", "within", "history.csv", "curves.png"
RECONSTRUCTIONS, HEAD_FOLDER = "reconstructions.png", "head"
_PRESET = json.loads(json.dumps({one.name: one.default for one in fields(Preset) if one.default is not MISSING}))
"""What every field of a preset is where nobody asks for it."""
SPLIT, UNREADABLE, SECONDS, COMPARISON = "split.csv", "unreadable.csv", "seconds.json", "comparison.json"


class RunFolder:
    """The folder of one run."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def check(self) -> None:
        """Find out before anything is computed whether a run may be here.

        Raises:
            NotFound: the folder above is not there.
            Refused: things that are no run are here, or nothing can be written.
            Damaged: the record of the run that is here cannot be read.
        """
        if not self.path.parent.is_dir():
            raise NotFound(f"{shown(str(self.path.parent))}: no such folder to write into; make it first")
        there = self.path.exists()
        if there and self.record() is None and (not self.path.is_dir() or any(self.path.iterdir())):
            raise Refused(f"{shown(str(self.path))}: is there already and is no run; give another --to")
        place = self.path if there else self.path.parent
        if not os.access(place, os.W_OK | os.X_OK):
            raise Refused(f"{shown(str(place))}: nothing can be written here; give another --to")

    def begin(self, record: Mapping[str, Any], *, asked: Mapping[str, Any] | None = None) -> None:
        """Say what is trained here, or find that it is the same.

        A run of an older boda says less: what its record does not name is taken as it is now, and a preset's field
        that it does not name as nobody had asked for it.

        Args:
            record: plain JSON; whatever must not change while the run goes on.
            asked: plain JSON, with which the same can be asked for again.

        Raises:
            NotFound, Refused, Damaged: as `check`.
            Refused: another run is here.
        """
        self.check()
        there = self.record()
        if there is None:
            self.path.mkdir(exist_ok=True)
            self._write(RUN, _text(record if asked is None else {**record, "asked": asked}))
            return
        now = json.loads(json.dumps(record))
        if "preset" in there:
            there["preset"] = _PRESET | there["preset"]
        for what in now:
            if what in there and there[what] != now[what]:
                raise Refused(
                    f"{shown(str(self.path))}: a run with another {what} ({_difference(there[what], now[what])}); give "
                    "another --to, or what it was begun with"
                )

    def record(self) -> dict[str, Any] | None:
        """What is trained here; None where nothing is.

        Raises:
            Damaged: it cannot be read.
        """
        place = self.path / RUN
        if not place.is_file():
            return None
        try:
            found = json.loads(place.read_bytes())
        except ValueError as error:
            raise Damaged(f"{shown(str(place))}: cannot be read ({error}); train into another folder") from error
        if not isinstance(found, dict):
            raise Damaged(f"{shown(str(place))}: is no record of a run; train into another folder")
        return found

    @property
    def begun_with_weights(self) -> str | None:
        """The digest of the weights of another run that this one began with, once it holds a state of its own."""
        there = self.record()
        return there.get("init") if there is not None and (self.path / f"{LAST}.json").is_file() else None

    def stopped_at(self) -> "Saved | None":
        """The latest state that can be read back; None where there is none.

        One in the midst of an epoch that is damaged costs that part of the epoch and changes nothing. Where the network
        of the best epoch is gone it is passed over, since the state before may have it.

        Raises:
            Damaged: that of the end of an epoch is not what was written.
        """
        from boda.training import checkpoint

        last = checkpoint.load(self.path, LAST)
        if last is None or (last.record["history"] and not self.has_network):
            return last
        try:
            within = checkpoint.load(self.path, WITHIN)
        except Damaged:
            return last
        return within if within is not None and within.record["step"] > last.record["step"] else last

    def keep_state(self, tensors: Mapping[str, "Tensor"], record: Mapping[str, Any]) -> None:
        """Keep a state; the one of the last whole epoch stays beside one in the midst of an epoch."""
        from boda.training import checkpoint

        if record["batch"]:
            checkpoint.save(self.path, WITHIN, tensors, record)
        else:
            checkpoint.save(self.path, LAST, tensors, record)
            checkpoint.remove(self.path, WITHIN)

    def keep_network(
        self,
        tensors: Mapping[str, "Tensor"],
        plan: AnyPlan,
        classes: Sequence[str],
        pixels: PixelSpec,
        scores: Mapping[str, float],
        *,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        """Keep the network of the best epoch so far.

        Args:
            tensors: its state dict.
            plan: from which it is built.
            classes: one an output; empty where it is no classifier.
            pixels: what it sees.
            scores: of that epoch.
            facts: of the target, as plain JSON: what its outputs mean.
        """
        data, there = _serialised(tensors), self.path / WEIGHTS
        record = {
            "format": FORMAT,
            "network": plan.as_json(),
            "classes": list(classes),
            "pixels": pixels.as_json(),
            "scores": dict(scores),
            "target": dict(facts or {}),
            "sha256": hashlib.sha256(data).hexdigest(),
            "replaces": file_digest(there) if there.is_file() else None,
        }
        files = [(NETWORK, _text(record)), (WEIGHTS, data)]
        for name, content in files if (self.path / NETWORK).is_file() else reversed(files):
            self._write(name, content)

    @property
    def has_network(self) -> bool:
        """Whether the network of the best epoch is here as it was written."""
        try:
            return (self.path / NETWORK).is_file() and kept_weights(self.path).is_file()
        except (NotFound, Damaged, ValueError):
            return False

    def kept_scores(self) -> dict[str, float]:
        """Of the epoch whose network is kept."""
        found: dict[str, float] = json.loads((self.path / NETWORK).read_bytes())["scores"]
        return found

    def epoch_file(self, epoch: int) -> Path:
        """Where the network after an epoch is, if it was kept; epoch 0: as it began."""
        return self.path / f"epoch-{epoch:04}.safetensors"

    def keep_epoch(self, epoch: int, tensors: Mapping[str, "Tensor"]) -> None:
        """Keep the network after an epoch, whether it is the best or not."""
        self._write(self.epoch_file(epoch).name, _serialised(tensors))

    def keep_history(self, history: Sequence[Mapping[str, float]], picture: bytes) -> None:
        """Keep scores of every epoch as a table and as a picture."""
        text = io.StringIO(newline="")
        names = list(dict.fromkeys(name for row in history for name in row))
        writer = csv.DictWriter(text, names)
        writer.writeheader()
        writer.writerows(history)
        self._write(HISTORY, text.getvalue().encode())
        self._write(CURVES, picture)

    def keep_comparison(self, record: Mapping[str, Any]) -> None:
        """Keep what the network is worth beside another."""
        self._write(COMPARISON, _text(record))

    def add_seconds(self, seconds: float) -> None:
        """Count time that was spent on training; what a process took that was killed is not known."""
        self._write(SECONDS, _text({"seconds": round(self.seconds() + seconds, 2)}))

    def seconds(self) -> float:
        """That were spent on training, by all processes that ended by themselves."""
        place = self.path / SECONDS
        return float(json.loads(place.read_bytes())["seconds"]) if place.is_file() else 0.0

    def keep_unreadable(self, unreadable: Mapping[str, Unreadable]) -> None:
        """Keep a list of the images that could not be used."""
        if not unreadable:
            return
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        writer.writerow(("key", "stage", "code", "reason"))
        writer.writerows((to_text(key), one.stage, one.code, one.reason) for key, one in unreadable.items())
        self._write(UNREADABLE, text.getvalue().encode())

    def keep_split(self, names: Sequence[str], validation: Iterable[int], *, part: str = "validation") -> None:
        """Keep which images the run may learn from, so that nobody tests on these.

        Args:
            names: of all images.
            validation: places of those that choose the best epoch.
            part: what these are called.
        """
        held = {int(place) for place in validation}
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        writer.writerow(("key", "part"))
        writer.writerows((to_text(n), part if row in held else "training") for row, n in enumerate(names))
        self._write(SPLIT, text.getvalue().encode())

    def _write(self, name: str, data: bytes) -> None:
        write_whole(self.path / name, lambda file: file.write(data))


def weights_at(run: Path) -> tuple[Path, Path]:
    """The folder of a run and the weights that are meant: those of its best epoch, or the file of a kept one.

    Raises:
        NotFound, Damaged: as `boda.encoders.trained.kept_weights`.
    """
    if run.is_file():
        return run.parent, run
    return run, kept_weights(run) if (run / NETWORK).is_file() else run / WEIGHTS


def _serialised(tensors: Mapping[str, "Tensor"]) -> bytes:
    from safetensors.torch import save

    data: bytes = save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
    return data


def _text(record: Mapping[str, Any]) -> bytes:
    return json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False).encode()


def _difference(there: Any, now: Any) -> str:
    """What two records differ in: of those with fields these alone, of digests that they do."""
    if isinstance(there, dict) and isinstance(now, dict):
        names = [name for name in {**there, **now} if there.get(name) != now.get(name)]
        said = [f"{name} {_short(there.get(name))} there, {_short(now.get(name))} now" for name in names[:3]]
        return "; ".join(said) + ("; ..." if len(names) > 3 else "")
    return f"{_short(there)} there, {_short(now)} now"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return shown(text if len(text) <= 60 else f"{text[:57]}...")
