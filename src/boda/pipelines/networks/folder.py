"""A run's folder: what is trained, where it is, its curves, and the network of its best epoch.

- `run.json`: what is trained on what: network, preset, target, seed, digests
- `last.json`, `last-*.safetensors`: everything that is needed to go on
- `network.json`, `network.safetensors`: the network of the best epoch; with them the folder is an encoder
- `epoch-0003.safetensors`: the network after that epoch, of those that were to be kept; 0: as it began
- `history.csv`, `curves.png`: of every epoch
- `reconstructions.png`: of an autoencoder, images beside what it made of them
- `split.csv`: which images were learned from, and which chose the best epoch
- `seconds.json`, `comparison.json`: of fine-tuned networks how long it was trained, and against the frozen encoder
- `head/`, `fold-1/`, ...: of fine-tuned networks the head as of `boda.predict`, and the run of each fold
- `unreadable.csv`: images that could not be used, and why; only where there are some
"""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boda.encoders.trained import FORMAT, NETWORK, WEIGHTS
from boda.errors import Damaged, NotFound, Refused
from boda.keys import shown, to_text
from boda.models.plan import AnyPlan
from boda.pixels.spec import PixelSpec
from boda.unreadable import Unreadable
from boda.workspace.atomic import write_whole

if TYPE_CHECKING:
    from torch import Tensor

RUN, LAST, HISTORY, CURVES = "run.json", "last", "history.csv", "curves.png"
RECONSTRUCTIONS = "reconstructions.png"
SPLIT, UNREADABLE, SECONDS, COMPARISON = "split.csv", "unreadable.csv", "seconds.json", "comparison.json"


class RunFolder:
    """The folder of one run."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def begin(self, record: Mapping[str, Any]) -> None:
        """Say what is trained here, or find that it is the same.

        Args:
            record: plain JSON; whatever must not change while the run goes on.

        Raises:
            NotFound: the folder above is not there.
            Refused: another run is here, or things that are no run.
        """
        if not self.path.parent.is_dir():
            raise NotFound(f"{shown(str(self.path.parent))}: no such folder to write into; make it first")
        there = self.record()
        if there is None:
            if self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
                raise Refused(f"{shown(str(self.path))}: is there already and is no run; give another --to")
            self.path.mkdir(exist_ok=True)
            self._write(RUN, _text(record))
            return
        differs = [name for name in record if there.get(name) != json.loads(json.dumps(record[name]))]
        if differs:
            what = differs[0]
            raise Refused(
                f"{shown(str(self.path))}: a run with another {what} ({_short(there.get(what))} there, "
                f"{_short(record[what])} now); give another --to, or what it was begun with"
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
            found: dict[str, Any] = json.loads(place.read_bytes())
        except ValueError as error:
            raise Damaged(f"{shown(str(place))}: cannot be read ({error}); train into another folder") from error
        return found

    def keep_network(
        self,
        tensors: Mapping[str, "Tensor"],
        plan: AnyPlan,
        classes: Sequence[str],
        pixels: PixelSpec,
        scores: Mapping[str, float],
    ) -> None:
        """Keep the network of the best epoch so far.

        Args:
            tensors: its state dict.
            plan: from which it is built.
            classes: one an output; empty where it is no classifier.
            pixels: what it sees.
            scores: of that epoch.
        """
        self._write(WEIGHTS, _serialised(tensors))
        record = {
            "format": FORMAT,
            "network": plan.as_json(),
            "classes": list(classes),
            "pixels": pixels.as_json(),
            "scores": dict(scores),
        }
        self._write(NETWORK, _text(record))

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
    """The folder of a run and the weights that are meant: those of its best epoch, or the file of a kept one."""
    return (run.parent, run) if run.is_file() else (run, run / WEIGHTS)


def _serialised(tensors: Mapping[str, "Tensor"]) -> bytes:
    from safetensors.torch import save

    data: bytes = save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
    return data


def _text(record: Mapping[str, Any]) -> bytes:
    return json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False).encode()


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return shown(text if len(text) <= 60 else f"{text[:57]}...")
