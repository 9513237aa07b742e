"""Checkpoints: the old state or the new one, whenever the machine stops; what is damaged is said to be."""

import json
from pathlib import Path

import pytest
import torch

from boda.errors import Damaged, NewerFormat
from boda.training import checkpoint
from boda.training.checkpoint import load, save

OLD, NEW = ({"a/weight": torch.full((2, 3), value), "step": torch.tensor(int(value))} for value in (1.0, 2.0))


def files(folder: Path) -> list[str]:
    return sorted(file.stem.partition("-")[0] + file.suffix for file in folder.iterdir())


def test_what_was_saved_comes_back(tmp_path):
    """Every kind of tensor and the record; what never was is None."""
    tensors = {
        "half": torch.randn(3).bfloat16(),
        "bytes": torch.get_rng_state(),
        "none": torch.empty(0, 4),
        "number": torch.tensor(1.5, dtype=torch.float64),
        "turned": torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
    }
    assert load(tmp_path, "last") is None
    save(tmp_path, "last", tensors, {"step": 7, "history": [{"epoch": 1}]})
    found = load(tmp_path, "last")
    assert found.tensors.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert found.tensors[name].dtype == tensor.dtype
        assert torch.equal(found.tensors[name], tensor)
    assert (found.record["step"], found.record["history"]) == (7, [{"epoch": 1}])


def test_a_newer_state_takes_the_place_of_the_older(tmp_path):
    """And one file of tensors is there; a state of another name stays."""
    save(tmp_path, "last", OLD, {"step": 1})
    save(tmp_path, "first", OLD, {"step": 1})
    save(tmp_path, "last", NEW, {"step": 2})
    assert load(tmp_path, "last").record["step"] == 2
    assert load(tmp_path, "first").record["step"] == 1
    assert files(tmp_path) == ["first.json", "first.safetensors", "last.json", "last.safetensors"]
    save(tmp_path, "last", NEW, {"step": 3})
    assert torch.equal(load(tmp_path, "last").tensors["step"], NEW["step"])
    assert load(tmp_path, "last").record["step"] == 3


@pytest.mark.parametrize("stops_at", [0, 1, 2])
def test_a_machine_that_stops_leaves_the_old_state_or_the_new(tmp_path, monkeypatch, stops_at):
    """Before the tensors, between the two files, and before older tensors go; the next save leaves no rest."""
    save(tmp_path, "last", OLD, {"step": 1})
    whole, calls = checkpoint.write_whole, [0]

    def write_whole(place, write):
        if calls[0] == stops_at:
            raise KeyboardInterrupt
        calls[0] += 1
        return whole(place, write)

    def unlink(_self, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint, "write_whole", write_whole)
    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", unlink)
        with pytest.raises(KeyboardInterrupt):
            save(tmp_path, "last", NEW, {"step": 2})
    found, expected = load(tmp_path, "last"), (OLD, NEW)[stops_at == 2]
    assert found.record["step"] == (1, 2)[stops_at == 2]
    assert torch.equal(found.tensors["a/weight"], expected["a/weight"])
    monkeypatch.setattr(checkpoint, "write_whole", whole)
    save(tmp_path, "last", NEW, {"step": 3})
    assert files(tmp_path) == ["last.json", "last.safetensors"]


def test_damage_is_named(tmp_path):
    """A flipped byte, a lost file, a record that is none: the file and what to do."""
    save(tmp_path, "last", OLD, {})
    (tensors,) = tmp_path.glob("*.safetensors")
    good, record = tensors.read_bytes(), (tmp_path / "last.json").read_bytes()
    tensors.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    with pytest.raises(Damaged, match=f"{tensors.name}: is not what was written; train again"):
        load(tmp_path, "last")
    tensors.unlink()
    with pytest.raises(Damaged, match="cannot be read"):
        load(tmp_path, "last")
    tensors.write_bytes(good)
    for broken in (b"", record[:20], b"[]", b"{}", b"\xff\xfe"):
        (tmp_path / "last.json").write_bytes(broken)
        with pytest.raises(Damaged, match=r"last.json: this checkpoint cannot be read"):
            load(tmp_path, "last")


def test_a_newer_format_is_refused(tmp_path):
    """And not called damaged."""
    save(tmp_path, "last", OLD, {})
    record = json.loads((tmp_path / "last.json").read_bytes())
    (tmp_path / "last.json").write_text(json.dumps(record | {"format": checkpoint.FORMAT + 1}))
    with pytest.raises(NewerFormat, match="update boda"):
        load(tmp_path, "last")


def test_a_record_says_no_number_that_json_lacks(tmp_path):
    """The older state stays where it would."""
    save(tmp_path, "last", OLD, {"step": 1})
    with pytest.raises(ValueError, match="JSON"):
        save(tmp_path, "last", NEW, {"loss": float("nan")})
    assert load(tmp_path, "last").record["step"] == 1
