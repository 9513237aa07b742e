"""Weights: read without running anything, matched without guessing."""

import os
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from boda.encoders.weights import digest, load_into, read_weights
from boda.errors import NotFound, Refused


def net(width: int = 4) -> torch.nn.Sequential:
    torch.manual_seed(width)
    return torch.nn.Sequential(torch.nn.Conv2d(3, width, 3), torch.nn.BatchNorm2d(width), torch.nn.Linear(width, 2))


def same(state, other) -> bool:
    return state.keys() == other.keys() and all(torch.equal(state[name], other[name]) for name in state)


@pytest.mark.parametrize("ending", [".pt", ".pth", ".th", ".bin"])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda s: s,
        lambda s: {"state_dict": s, "epoch": 3},
        lambda s: {"model": s, "optimizer": {"state": {}}},
        lambda s: {"model_state_dict": s},
        lambda s: {"checkpoint": 1, "state_dict": {"model": s}},
        lambda s: {"state_dict": {f"module.{n}": t for n, t in s.items()}},
        lambda s: {f"_orig_mod.{n}": t for n, t in s.items()},
        lambda s: {"state_dict": {f"module._orig_mod.model.{n}": t for n, t in s.items()}},
    ],
)
def test_wrappings_of_training_scripts_are_taken_off(tmp_path: Path, ending: str, wrap):
    """Dictionaries around the tensors and prefixes before their names do not matter."""
    given, taken = net(), net(width=4)
    with torch.no_grad():
        given[0].weight.fill_(7)
    path = tmp_path / f"weights{ending}"
    torch.save(wrap(given.state_dict()), path)
    load_into(taken, read_weights(path), where="it")
    assert same(given.state_dict(), taken.state_dict())


def test_averaged_weights_come_first(tmp_path: Path):
    """A checkpoint with an average of its weights is used by its average, as timm does."""
    plain, averaged = net().state_dict(), {n: t + 1 for n, t in net().state_dict().items()}
    torch.save({"state_dict": plain, "state_dict_ema": averaged}, tmp_path / "w.pt")
    assert same(read_weights(tmp_path / "w.pt"), averaged)


def test_files_of_the_old_format_are_read(tmp_path: Path):
    """What torch wrote before 1.6 is no archive, and still plain tensors."""
    torch.save(net().state_dict(), tmp_path / "w.th", _use_new_zipfile_serialization=False)
    assert same(read_weights(tmp_path / "w.th"), net().state_dict())


class Bomb:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("ending", [".pt", ".pth", ".th", ".bin", ".safetensors"])
def test_a_malicious_pickle_is_refused_and_runs_nothing(tmp_path: Path, ending: str):
    """In torch's archive, in the old format, and bare; the error says how to convert."""
    mark = tmp_path / "ran"
    path = tmp_path / f"evil{ending}"
    for save in (
        lambda: torch.save({"state_dict": net().state_dict(), "x": Bomb(mark)}, path),
        lambda: torch.save(Bomb(mark), path, _use_new_zipfile_serialization=False),
        lambda: path.write_bytes(pickle.dumps(Bomb(mark))),
    ):
        save()
        with pytest.raises(Refused, match=r"safetensors") as refusal:
            read_weights(path)
        assert "\n" not in str(refusal.value)
        assert not mark.exists()


def test_a_pickled_module_is_refused(tmp_path: Path):
    """A whole model is code; only its tensors are weights."""
    torch.save(net(), tmp_path / "model.pt")
    with pytest.raises(Refused, match="never unpickles code"):
        read_weights(tmp_path / "model.pt")


def rubbish(path: Path) -> None:
    path.write_bytes(np.random.default_rng(0).bytes(5000))


def empty(path: Path) -> None:
    path.write_bytes(b"")


def cut(path: Path) -> None:
    whole = path.with_suffix(".whole")
    torch.save(net().state_dict(), whole) if path.suffix != ".safetensors" else save_file(net().state_dict(), whole)
    path.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])


def no_tensors(path: Path) -> None:
    if path.suffix == ".safetensors":
        path.write_bytes(struct.pack("<Q", 3) + b"{,}")
    else:
        torch.save({"epoch": 3, "names": ["a"]}, path)


def huge_header(path: Path) -> None:
    path.write_bytes(struct.pack("<Q", 1 << 60) + b"{}")


@pytest.mark.parametrize("ending", [".pt", ".safetensors"])
@pytest.mark.parametrize("write", [rubbish, empty, cut, no_tensors, huge_header])
def test_what_is_no_weights_file_is_refused_in_one_line(tmp_path: Path, ending: str, write):
    """Rubbish, nothing, half a file, no tensors, a header of an exabyte."""
    path = tmp_path / f"weights{ending}"
    write(path)
    with pytest.raises(Refused) as refusal:
        read_weights(path)
    assert str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_compressed_archive_is_refused_before_it_unpacks(tmp_path: Path):
    """A few hundred KB that unpack to 300 MB: torch never compresses, so nobody needs that."""
    path = tmp_path / "bomb.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("bomb/data.pkl", "w") as member:
        for _ in range(300):
            member.write(bytes(1 << 20))
    with pytest.raises(Refused, match="compressed"):
        read_weights(path)


def test_numpy_objects_and_other_endings_are_refused(tmp_path: Path):
    """Only safetensors and torch's own files are opened at all."""
    np.save(tmp_path / "w.npy", np.array([Bomb(tmp_path / "ran")], dtype=object), allow_pickle=True)
    with pytest.raises(Refused, match="safetensors"):
        read_weights(tmp_path / "w.npy")
    assert not (tmp_path / "ran").exists()


def test_a_missing_file_is_not_found(tmp_path: Path):
    """And the error names it."""
    with pytest.raises(NotFound, match=r"gone\.pt"):
        read_weights(tmp_path / "gone.pt")


def test_missing_and_unexpected_names_are_told():
    """The first few of each, and how many there are."""
    state = {n: t for n, t in net().state_dict().items() if not n.startswith("1.")} | {"extra.weight": torch.ones(1)}
    with pytest.raises(Refused, match=r"4 missing: 1\.weight, 1\.bias, 1\.running_mean, \.\.\.; 1 unexpected: extra"):
        load_into(net(), state, where="it")


def test_a_superset_is_another_architecture():
    """ResNet-34's names hold all of ResNet-18's, with the same shapes; filling in half of them would go unseen."""
    state = net().state_dict() | {"3.weight": torch.ones(2)}
    with pytest.raises(Refused, match="unexpected"):
        load_into(net(), state, where="it")


def test_other_shapes_are_told():
    """Both shapes of the first few."""
    with pytest.raises(Refused, match=r"0\.weight \(5, 3, 3, 3\) for \(4, 3, 3, 3\)"):
        load_into(net(4), net(5).state_dict(), where="it")


def test_a_refused_load_changes_nothing():
    """The model is as it was, not half filled."""
    model = net()
    before = {n: t.clone() for n, t in model.state_dict().items()}
    with pytest.raises(Refused):
        load_into(model, net(5).state_dict(), where="it")
    assert same(model.state_dict(), before)


def test_other_names_in_the_same_order_are_taken_and_told():
    """Same number, shapes and last parts, place by place: loaded, with a note."""
    state = {f"features.{i}.{n.rpartition('.')[2]}": t + 1 for i, (n, t) in enumerate(net().state_dict().items())}
    state = {n: t for n, t in state.items() if "num_batches" not in n}
    model = net()
    note = load_into(model, state, where="it").note
    assert "in order" in note
    assert "8 tensors" in note
    assert torch.equal(model[0].weight, net()[0].weight + 1)
    assert load_into(net(), net().state_dict(), where="it").note == ""


@pytest.mark.parametrize("change", ["shapes", "kinds", "count", "names moved"])
def test_order_is_not_trusted_where_anything_disagrees(change: str):
    """Another shape, another kind of tensor, another number, or known names in other places."""
    named = [(n, t) for n, t in net().state_dict().items() if "num_batches" not in n]
    state = {f"other.{i}.{n.rpartition('.')[2]}": t for i, (n, t) in enumerate(named)}
    names = list(state)
    if change == "shapes":
        state[names[0]] = torch.zeros(4, 3, 5, 5)
    elif change == "kinds":
        state = {n.replace("running_mean", "running_var2"): t for n, t in state.items()}
    elif change == "count":
        del state[names[-1]]
    else:
        moved = dict(named)
        moved["1.x.weight"] = moved.pop("1.weight")
        state = {("1.weight" if n == "1.running_var" else n): t for n, t in moved.items()}
    with pytest.raises(Refused):
        load_into(net(), state, where="it")


def test_counters_of_batch_norms_may_be_missing():
    """Older files lack them, and no number depends on them."""
    state = {n: t for n, t in net().state_dict().items() if "num_batches" not in n}
    load_into(net(), state, where="it")
    assert digest(state) == digest(net().state_dict())


def test_the_digest_changes_with_names_shapes_types_and_values():
    """And with nothing else: not with the order, the memory format, or the counters."""
    base = {"a": torch.arange(8.0).view(1, 2, 2, 2), "b": torch.ones(2)}
    changed = [
        {"A": base["a"], "b": base["b"]},
        {"a": base["a"].view(2, 2, 2), "b": base["b"]},
        {"a": base["a"].half(), "b": base["b"]},
        {"a": base["a"] + torch.tensor(1e-6), "b": base["b"]},
        {"a": base["a"]},
        {"a": base["b"], "b": base["a"]},
    ]
    digests = {digest(state) for state in changed}
    assert len(digests | {digest(base)}) == len(changed) + 1
    turned = {
        "b": base["b"],
        "a": base["a"].to(memory_format=torch.channels_last),
        "n.num_batches_tracked": torch.ones(1),
    }
    assert digest(turned) == digest(base)


def test_the_digest_reads_every_type():
    """bfloat16 has no NumPy twin, and is digested by its bytes all the same."""
    assert digest({"a": torch.ones(3, dtype=torch.bfloat16)}) != digest({"a": torch.ones(3, dtype=torch.float16)})
    assert len(digest({"a": torch.tensor(3)})) == 64
