"""Checkpoints: everything a stopped run needs to go on to the bit, as safetensors and JSON, whole or not at all.

A state is two files. Tensors go into a file whose name says their digest; then the JSON that names it takes the place
of the older one in one step; then older tensors go. So a reader finds the old state or the new one, whenever the
machine stops.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from boda.errors import Damaged, NewerFormat
from boda.workspace.atomic import write_whole

FORMAT = 1


@dataclass(frozen=True)
class Saved:
    """A state that was read back."""

    tensors: Mapping[str, Tensor]
    record: Mapping[str, Any]


def save(folder: Path, name: str, tensors: Mapping[str, Tensor], record: Mapping[str, Any]) -> None:
    """Keep a state in place of the older one of this name.

    Args:
        folder: of the run.
        name: of the state, as `last`.
        tensors: by name; on any device.
        record: plain JSON.

    Raises:
        DiskTrouble: the disk is full or failing; the older state is as it was.
    """
    from safetensors.torch import save as serialised

    data = serialised({key: tensor.detach().cpu().contiguous() for key, tensor in tensors.items()})
    digest = hashlib.sha256(data).hexdigest()
    file = folder / f"{name}-{digest[:16]}.safetensors"
    write_whole(file, lambda out: out.write(data))
    text = json.dumps({"format": FORMAT, "tensors": file.name, "sha256": digest, **record}, indent=1, allow_nan=False)
    write_whole(folder / f"{name}.json", lambda out: out.write(text.encode()))
    for older in folder.glob(f"{name}-*.safetensors"):
        if older != file:
            older.unlink(missing_ok=True)


def remove(folder: Path, name: str) -> None:
    """Forget the state of this name, if there is one."""
    (folder / f"{name}.json").unlink(missing_ok=True)
    for tensors in folder.glob(f"{name}-*.safetensors"):
        tensors.unlink(missing_ok=True)


def load(folder: Path, name: str) -> Saved | None:
    """The state of this name; None where there is none.

    Raises:
        Damaged: what is there is not what was written.
        NewerFormat: a newer boda wrote it.
    """
    from safetensors.torch import load as parsed

    place = folder / f"{name}.json"
    if not place.is_file():
        return None
    try:
        record = json.loads(place.read_bytes())
        if record["format"] > FORMAT:
            raise NewerFormat(
                f"{place}: a checkpoint of format {record['format']}, this boda knows {FORMAT}; update boda"
            )
        data = (folder / record["tensors"]).read_bytes()
    except (ValueError, KeyError, TypeError, FileNotFoundError) as error:
        raise Damaged(f"{place}: this checkpoint cannot be read ({error}); train again into another folder") from error
    if hashlib.sha256(data).hexdigest() != record["sha256"]:
        raise Damaged(f"{folder / record['tensors']}: is not what was written; train again into another folder")
    return Saved(parsed(data), record)
