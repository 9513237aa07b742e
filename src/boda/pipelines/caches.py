"""Caches of published notebooks: many files that torch saved, each with names, features and scores of some images.

Such files are made batch by batch, and what went wrong in a batch shows in its file: an image that would not open is in
the names and not in the features, a batch of one has lost an axis, a batch of bad images is empty. So each file is held
to its own counts, and one whose counts differ is left out and reported; rows are never shifted to fit.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from boda.errors import MissingExtra, Refused
from boda.keys import from_text, shown, to_json

if TYPE_CHECKING:
    import torch

ENDINGS = (".pt", ".pth")
NAMES, FEATURES, SCORES = "image_names", "image_features", "scores"

_EXAMPLES = 3
_ADVICE = "Save it again with tensors, text and lists alone: arrays of NumPy as torch.from_numpy(ARRAY)"


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file of which no row was taken."""

    file: str
    why: str
    names: int | None = None
    """How many it has; None where that cannot be told."""
    features: int | None = None
    scores: int | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self) | {"file": to_json(self.file)}


@dataclass(frozen=True, eq=False)
class Cache:
    """What the files hold together; row i of each belongs to `names[i]`."""

    names: list[str]
    """(n,), as the files have them; each once."""
    vectors: npt.NDArray[np.float32]
    """(n, d)."""
    scores: npt.NDArray[np.float64] | None
    """(n, c), NaN where a file has none; None where no file has any."""
    files: int
    empty: int
    """Files without a row."""
    left_out: tuple[LeftOut, ...]


@dataclass(frozen=True, eq=False)
class _Shard:
    file: Path
    names: list[str]
    vectors: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float64] | None


def natural(file: Path) -> tuple[list[str | int], str]:
    """The place of a file among others as people count: shard_9999 before shard_10000.

    >>> sorted([Path("s_10000.pt"), Path("s_9999.pt")], key=natural)[0].name
    's_9999.pt'
    """
    parts = re.split(r"([0-9]+)", str(file))
    return [int(part) if place % 2 else part for place, part in enumerate(parts)], str(file)


def read_cache(files: Sequence[Path]) -> Cache:
    """Read the files of one cache, in natural order.

    Args:
        files: each a dictionary with `image_names`, `image_features` and maybe `scores`, saved by torch.

    Raises:
        Refused: no file has rows that can be taken, or an image is named twice; says by which files.
        MissingExtra: torch is not installed.
    """
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise MissingExtra(f"{shown(str(files[0]))}: a file that torch saved", "torch") from error
    shards: list[_Shard] = []
    left_out: list[LeftOut] = []
    empty = 0
    for file in sorted(files, key=natural):
        found = _read_shard(file)
        if isinstance(found, LeftOut):
            left_out.append(found)
        elif found.names:
            shards.append(found)
        else:
            empty += 1
    shards, misfits = _of_one_kind(shards)
    left_out = sorted([*left_out, *misfits], key=lambda one: natural(Path(one.file)))
    if not shards:
        why = "; ".join(f"{shown(one.file)}: {one.why}" for one in left_out[:_EXAMPLES]) or "no rows"
        raise Refused(f"nothing can be taken from {len(files):,} files: {why}")
    _refuse_repeated(shards)
    names = [name for shard in shards for name in shard.names]
    scores = _joined_scores(shards)
    return Cache(names, _joined_vectors(shards, len(names)), scores, len(files), empty, tuple(left_out))


def _read_shard(file: Path) -> _Shard | LeftOut:
    from boda.encoders.weights import read_torch

    try:
        loaded = read_torch(file, what="features", advice=_ADVICE)
    except Refused as error:
        return LeftOut(str(file), str(error).removeprefix(f"features {file}: "))
    if not isinstance(loaded, dict) or NAMES not in loaded or FEATURES not in loaded:
        has = (
            ", ".join(shown(str(key))[:40] for key in list(loaded)[:6]) if isinstance(loaded, dict) else "no dictionary"
        )
        return LeftOut(str(file), f"no {NAMES} and {FEATURES} in it; it has {has}")
    most = file.stat().st_size
    names = _names(loaded[NAMES])
    vectors = _rows(_tensor(loaded[FEATURES], most), one_row_axes=1)
    scores = _rows(_tensor(loaded[SCORES], most), one_row_axes=0) if SCORES in loaded else None
    counts = tuple(None if part is None else len(part) for part in (names, vectors, scores))
    if names is None or vectors is None or (scores is None and SCORES in loaded):
        what = NAMES if names is None else FEATURES if vectors is None else SCORES
        return LeftOut(str(file), f"its {what} are none that can be read", *counts)
    if len(vectors) != len(names) or (scores is not None and len(scores) != len(names)):
        told = f"{len(names):,} names, {len(vectors):,} features"
        return LeftOut(str(file), told + ("" if scores is None else f", {len(scores):,} scores"), *counts)
    return _Shard(file, names, vectors, scores)


def _names(value: Any) -> list[str] | None:
    """A list of text or whole numbers; one alone where a batch of one was saved so."""
    import torch

    if isinstance(value, torch.Tensor) and not value.is_floating_point() and value.ndim < 2:
        value = value.tolist()
    if isinstance(value, str | int):
        value = [value]
    if not isinstance(value, list | tuple) or not all(isinstance(name, str | int) for name in value):
        return None
    return [from_text(str(name)) for name in value]


def _tensor(value: Any, most: int) -> "torch.Tensor | None":
    """Numbers, also in lists; None where it is something else, or would unpack to more than its file can hold.

    Args:
        value: from a file that anybody may have made: a view or a list can name the same few bytes again and again.
        most: the size of that file, in bytes.
    """
    import torch

    if isinstance(value, torch.Tensor):
        value = value.detach() if _bytes(value) <= most else None
    elif isinstance(value, int | float):
        value = torch.tensor(value, dtype=torch.float64)
    elif isinstance(value, list | tuple):
        value = _stacked(value, most)
    if not isinstance(value, torch.Tensor) or value.layout != torch.strided or value.device.type != "cpu":
        return None
    return None if value.is_complex() or value.is_quantized else value


def _stacked(values: Sequence[Any], most: int) -> "torch.Tensor | None":
    """One row for each tensor, each list of numbers, or each number."""
    import torch

    try:
        if values and all(isinstance(value, torch.Tensor) for value in values):
            return torch.stack(list(values)) if sum(map(_bytes, values)) <= most else None
        rows = [value if isinstance(value, list | tuple) else [value] for value in values]
        if sum(map(len, rows)) > most or not all(isinstance(number, int | float) for row in rows for number in row):
            return None
        return torch.tensor(values, dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError, OverflowError):  # of several lengths, shapes or layouts
        return None


def _bytes(tensor: "torch.Tensor") -> int:
    return tensor.numel() * tensor.element_size()


def _rows(tensor: "torch.Tensor | None", *, one_row_axes: int) -> npt.NDArray[Any] | None:
    """(n, width): a row for each image, features in float32 and scores in float64.

    Args:
        tensor: (n, width), (n, 1, width), or a batch of one that lost its axis.
        one_row_axes: how many axes the row of one image has: 1 for features, 0 for scores.
    """
    import torch

    if tensor is None:
        return None
    if tensor.numel() == 0:
        return np.zeros((0, 0))
    if tensor.ndim == 3 and tensor.shape[1] == 1:
        tensor = tensor[:, 0]
    if tensor.ndim == one_row_axes:
        tensor = tensor[None]
    if tensor.ndim == 1 and one_row_axes == 0:
        tensor = tensor[:, None]
    kind = torch.float32 if one_row_axes else torch.float64
    return tensor.to(kind).numpy() if tensor.ndim == 2 else None


def _of_one_kind(shards: Sequence[_Shard]) -> tuple[list[_Shard], list[LeftOut]]:
    """The shards whose features, and scores, are as wide as most rows have them; and the others."""
    widths: Counter[int] = Counter()
    score_widths: Counter[int] = Counter()
    for shard in shards:
        widths[shard.vectors.shape[1]] += len(shard.names)
        if shard.scores is not None:
            score_widths[shard.scores.shape[1]] += len(shard.names)
    kept, others = [], []
    for shard in shards:
        why = _misfit("features", shard.vectors, widths) or _misfit("scores", shard.scores, score_widths)
        if why is None:
            kept.append(shard)
        else:
            counts = (len(shard.names), len(shard.vectors), None if shard.scores is None else len(shard.scores))
            others.append(LeftOut(str(shard.file), why, *counts))
    return kept, others


def _misfit(what: str, rows: npt.NDArray[Any] | None, widths: Counter[int]) -> str | None:
    if rows is None or rows.shape[1] == (usual := widths.most_common(1)[0][0]):
        return None
    return f"its {what} are {rows.shape[1]:,} wide, those of other files {usual:,}"


def _refuse_repeated(shards: Sequence[_Shard]) -> None:
    places: dict[str, list[str]] = {}
    for shard in shards:
        for name in shard.names:
            places.setdefault(name, []).append(shard.file.name)
    repeated = [(name, files) for name, files in places.items() if len(files) > 1]
    if repeated:
        examples = ", ".join(
            f"{shown(name)} ({', '.join(map(shown, files[:_EXAMPLES]))})" for name, files in repeated[:_EXAMPLES]
        )
        raise Refused(
            f"{len(repeated):,} images are named more than once, as {examples}; leave out what is there twice"
        )


def _joined_vectors(shards: list[_Shard], rows: int) -> npt.NDArray[np.float32]:
    """One array; shards are let go as they are copied, so that memory holds them about once."""
    joined = np.empty((rows, shards[0].vectors.shape[1]), np.float32)
    start = 0
    shards.reverse()
    while shards:
        vectors = shards.pop().vectors
        joined[start : start + len(vectors)] = vectors
        start += len(vectors)
    return joined


def _joined_scores(shards: Sequence[_Shard]) -> npt.NDArray[np.float64] | None:
    width = next((shard.scores.shape[1] for shard in shards if shard.scores is not None), None)
    if width is None:
        return None
    return np.concatenate(
        [np.full((len(shard.names), width), np.nan) if shard.scores is None else shard.scores for shard in shards]
    )
