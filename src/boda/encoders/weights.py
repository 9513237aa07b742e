"""Weights from a file into a model: read without running anything, matched by name, never half-loaded in silence."""

import hashlib
import logging
import pickle
import struct
import warnings
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from boda.errors import NotFound, Refused

if TYPE_CHECKING:
    import torch

State: TypeAlias = dict[str, Any]
"""A model's tensors by name."""

_log = logging.getLogger(__name__)
_PICKLED = {".pt", ".pth", ".th", ".bin", ".ckpt", ".tar"}
_INNER = (
    "state_dict_ema", "model_ema", "ema_state_dict", "state_dict", "model_state_dict", "model", "net", "network",
    "encoder", "backbone", "weights", "params",
)  # fmt: skip
"""Names under which training scripts keep the tensors; averaged weights first, as timm does."""
_PREFIXES = ("module.", "_orig_mod.", "model.", "net.", "network.", "encoder.", "backbone.")
"""What DataParallel, torch.compile and wrapper classes put before every name."""
_NOT_COUNTED = "num_batches_tracked"
"""A counter of training steps in batch norms: no number depends on it, and older files lack it."""
_UNREADABLE = (
    pickle.UnpicklingError, EOFError, RuntimeError, OSError, ValueError, KeyError, IndexError, AttributeError,
    TypeError, AssertionError, ImportError, MemoryError, OverflowError, struct.error, zipfile.BadZipFile,
)  # fmt: skip
"""Whatever torch's restricted unpickler answers to bytes that are not weights."""
_CONVERT = (
    "If you trust the file, convert it once: safetensors.torch.save_file(torch.load(FILE, weights_only=False)"
    "['state_dict'], 'FILE.safetensors')"
)


@dataclass(frozen=True, slots=True)
class Loaded:
    """How weights went into a model."""

    missing: frozenset[str]
    """The optional names that were missing."""
    note: str
    """What the user should hear about it; "" where names matched."""


def read_weights(path: Path) -> State:
    """The tensors in a file: safetensors, or a torch file read with `weights_only=True`. Runs nothing in it.

    Wrappings that training scripts leave (`state_dict`, `model`, ...) are taken off.

    Raises:
        NotFound: no such file.
        Refused: it is not a file of tensors, or only a full pickle could read it.
    """
    if not path.is_file():
        raise NotFound(f"weights {path}: no such file")
    suffix = path.suffix.lower()
    if suffix == ".safetensors":
        return _read_safetensors(path)
    if suffix in _PICKLED:
        return _unwrap(read_torch(path), path)
    known = ", ".join([".safetensors", *sorted(_PICKLED)])
    raise Refused(f"weights {path}: {suffix or 'a file without ending'} is not read; give one of {known}")


def load_into(
    model: "torch.nn.Module",
    state: State,
    *,
    where: str,
    optional: Iterable[str] = (),
    convert: Callable[[State, Any], Any] | None = None,
) -> Loaded:
    """Fill a model with these tensors: by name, by name after `convert`, or by order where that is beyond doubt.

    By order means: as many tensors, each of the same shape and the same last part of its name ("weight",
    "running_mean") as the model's at that place. The answer says so.

    Args:
        model: changed in place.
        state: the tensors.
        where: what to call their origin in errors and in the log.
        optional: names of the model's tensors that may be missing (its classifier).
        convert: the architecture's own translation of foreign names, if it has one.

    Raises:
        Refused: they do not fit; names what is missing and what is unexpected.
    """
    target = {name: tensor for name, tensor in model.state_dict().items() if not name.endswith(_NOT_COUNTED)}
    given = {name: tensor for name, tensor in state.items() if not name.endswith(_NOT_COUNTED)}
    optional = frozenset(optional)
    plain = _without_prefixes(given, target)
    fitted, note = _by_name(plain, target, optional), ""
    if fitted is None and convert is not None:
        fitted = _by_name(_converted(convert, plain, model), target, optional)
    if fitted is None and (fitted := _by_order(given, target)) is not None:
        note = f"{where}: other names; its {len(fitted)} tensors were taken in order, their shapes match one for one"
        _log.info("%s", note)
    if fitted is None:
        raise Refused(f"{where}: {_difference(plain, target, optional)}")
    model.load_state_dict(fitted, strict=False)
    return Loaded(optional - fitted.keys(), note)


def read_torch(path: Path, *, what: str = "weights", advice: str = _CONVERT) -> Any:
    """What torch saved in a file, read with `weights_only=True`: tensors, numbers and text, in lists and dictionaries.

    Args:
        path: of the file.
        what: it is, for the error.
        advice: how to make a file that is read, for the error.

    Raises:
        Refused: only a full pickle could read it, or it is damaged, or a compressed archive.
    """
    import torch

    _refuse_packed(path, what)
    try:
        with warnings.catch_warnings(action="ignore"):  # about formats it then refuses
            return torch.load(path, map_location="cpu", weights_only=True)
    except _UNREADABLE as error:
        raise Refused(
            f"{what} {path}: not readable as plain tensors ({_first_line(error)}); boda never unpickles code. {advice}"
        ) from error


def _refuse_packed(path: Path, what: str) -> None:
    """Torch stores its tensors unpacked; a compressed archive may unpack to anything."""
    if not zipfile.is_zipfile(path):
        return
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except _UNREADABLE as error:
        raise Refused(f"{what} {path}: a damaged archive ({_first_line(error)})") from error
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise Refused(f"{what} {path}: a compressed archive; torch writes its files uncompressed")


def digest(tensors: "Mapping[str, torch.Tensor]") -> str:
    """SHA-256, in hex, over names, types, shapes and values, in the order of the names."""
    import torch

    total = hashlib.sha256()
    for name in sorted(tensors):
        if name.endswith(_NOT_COUNTED):
            continue
        tensor = tensors[name].detach().cpu().contiguous()
        head = f"{name}\0{str(tensor.dtype).removeprefix('torch.')}\0{list(tensor.shape)}\0"
        total.update(head.encode())
        total.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()


def _read_safetensors(path: Path) -> State:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors: State = load_file(path)
    except (SafetensorError, *_UNREADABLE) as error:
        raise Refused(f"weights {path}: not a whole safetensors file ({_first_line(error)})") from error
    return tensors


def _unwrap(loaded: Any, path: Path) -> State:
    import torch

    while isinstance(loaded, Mapping):
        if inner := next((n for n in _INNER if isinstance(loaded.get(n), Mapping) and loaded[n]), None):
            loaded = loaded[inner]
            continue
        tensors = {str(name): value for name, value in loaded.items() if isinstance(value, torch.Tensor)}
        if tensors:
            return tensors
        break
    raise Refused(f"weights {path}: no tensors found in it by name (looked under {', '.join(_INNER)})")


def _without_prefixes(given: State, target: State) -> State:
    """Take off what wrapper classes put before every name, as long as the model itself has no such names."""
    while given and not given.keys() & target.keys():
        prefix = next((p for p in _PREFIXES if all(name.startswith(p) for name in given)), None)
        if prefix is None:
            break
        given = {name.removeprefix(prefix): tensor for name, tensor in given.items()}
    return given


def _by_name(given: State | None, target: State, optional: frozenset[str]) -> State | None:
    """None unless every tensor has its place and every place that must be filled its tensor."""
    if given is None or given.keys() - target.keys() or target.keys() - given.keys() - optional:
        return None
    return given if all(tensor.shape == target[name].shape for name, tensor in given.items()) else None


def _by_order(given: State, target: State) -> State | None:
    pairs = list(zip(given.items(), target.items(), strict=False))
    alike = len(given) == len(target) and all(
        tensor.shape == place.shape and name.rpartition(".")[2] == wanted.rpartition(".")[2]
        for (name, tensor), (wanted, place) in pairs
    )
    moved = any(name in target and name != wanted for (name, _), (wanted, _) in pairs)
    return {wanted: tensor for (_, tensor), (wanted, _) in pairs} if alike and not moved else None


def _converted(convert: Callable[[State, Any], Any], state: State, model: "torch.nn.Module") -> State | None:
    """What the architecture's own translation makes of foreign names; None where it does not know them either."""
    try:
        converted = convert(dict(state), model)
    except (KeyError, RuntimeError, AttributeError, ValueError, TypeError, IndexError, AssertionError) as error:
        _log.debug("names not translated: %s: %s", type(error).__name__, error)
        return None
    return {n: t for n, t in converted.items() if not n.endswith(_NOT_COUNTED)} if converted else None


def _difference(given: State, target: State, optional: frozenset[str]) -> str:
    shapes = [
        f"{name} {tuple(given[name].shape)} for {tuple(target[name].shape)}"
        for name in target
        if name in given and given[name].shape != target[name].shape
    ]
    parts = [
        ("missing", [name for name in target if name not in given and name not in optional]),
        ("unexpected", [name for name in given if name not in target]),
        ("of another shape", shapes),
    ]
    told = "; ".join(f"{len(names)} {what}: {_few(names)}" for what, names in parts if names)
    return f"does not fit the model ({told}); is it of another architecture?"


def _few(names: list[str], most: int = 3) -> str:
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")


def _first_line(error: BaseException) -> str:
    text = str(error).strip().partition("\n")[0][:160]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
