"""`boda.train_network(keep_epochs=...)`: networks of chosen epochs stay, and change nothing of the run."""

import os
import signal

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import boda
from boda.errors import Refused
from boda.pipelines.networks import gathering
from boda.training import checkpoint
from decoding_here import decoded

HOW = {"net": "autoencoder?features=4&stages=4-4", "settings": {"epochs": 3, "batch": 8}, "workers": 1}


@pytest.fixture(autouse=True)
def here(monkeypatch):
    """Images are decoded in this process."""
    monkeypatch.setattr(gathering, "decoded", decoded)


@pytest.fixture(scope="module")
def greys(tmp_path_factory):
    """24 grey images of noise."""
    folder = tmp_path_factory.mktemp("greys") / "images"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for row in range(24):
        Image.fromarray(rng.integers(0, 255, (28, 28), np.uint8)).save(folder / f"{row:02}.png")
    return folder


def kept(run):
    """The epochs that are there."""
    return sorted(file.name for file in run.glob("epoch-*"))


def test_chosen_epochs_are_kept_and_the_run_is_the_same(greys, tmp_path):
    """0 is the network as it began; the last equals the last weights; best epoch and history are what they were."""
    plain = boda.train_network(greys, to=tmp_path / "plain", **HOW)
    found = boda.train_network(greys, to=tmp_path / "kept", keep_epochs=(0, 2, 3), **HOW)
    assert kept(tmp_path / "plain") == []
    assert kept(tmp_path / "kept") == ["epoch-0000.safetensors", "epoch-0002.safetensors", "epoch-0003.safetensors"]
    assert found.history == plain.history
    for name in ("network.safetensors", "history.csv"):
        assert (tmp_path / "kept" / name).read_bytes() == (tmp_path / "plain" / name).read_bytes()
    last = checkpoint.load(tmp_path / "kept", "last").tensors
    after = load_file(tmp_path / "kept" / "epoch-0003.safetensors")
    assert all(torch.equal(tensor, last[f"network/{name}"]) for name, tensor in after.items())
    before = load_file(tmp_path / "kept" / "epoch-0000.safetensors")
    assert not any(torch.equal(tensor, after[name]) for name, tensor in before.items())


def test_a_kept_epoch_is_an_encoder(greys, tmp_path):
    """With the file as weights; the epoch that was best gives what the run gives."""
    found = boda.train_network(greys, to=tmp_path / "run", keep_epochs=(0, 1, 2, 3), **HOW)
    pixels = np.random.default_rng(1).integers(0, 255, (3, 28, 28, 1), np.uint8).repeat(3, axis=3)
    said = {
        epoch: boda.load_encoder(found.encoder, weights=tmp_path / "run" / f"epoch-{epoch:04}.safetensors")(pixels)
        for epoch in range(4)
    }
    best = round(found.best["epoch"])
    np.testing.assert_array_equal(said[best], boda.load_encoder(found.encoder)(pixels))
    assert not np.allclose(said[0], said[3])


def test_averaged_weights_are_what_is_kept(greys, tmp_path):
    """Where a run tests an average of its weights, that average is the network of an epoch."""
    settings = HOW["settings"] | {"average": 0.9}
    boda.train_network(greys, to=tmp_path / "run", keep_epochs=(3,), **HOW | {"settings": settings})
    last = checkpoint.load(tmp_path / "run", "last").tensors
    after = load_file(tmp_path / "run" / "epoch-0003.safetensors")
    assert all(torch.equal(tensor, last[f"average/{name}"]) for name, tensor in after.items())
    assert not torch.equal(after["encoder.0.weight"], last["network/encoder.0.weight"])


def test_a_stopped_run_keeps_the_same_epochs(greys, tmp_path, monkeypatch):
    """Stopped after every second step, all files end with the bits of a run that was not."""
    boda.train_network(greys, to=tmp_path / "whole", keep_epochs=(0, 1, 3), **HOW)
    from boda.pipelines.networks import running

    steps = [0]

    def told(state, all_steps):
        steps[0] += 1
        if steps[0] % 2 == 0:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(running, "_told", lambda progress: told)
    stops = 0
    while True:
        try:
            boda.train_network(greys, to=tmp_path / "stopped", keep_epochs=(0, 1, 3), **HOW)
            break
        except KeyboardInterrupt:
            stops += 1
    assert stops >= 3
    assert kept(tmp_path / "stopped") == kept(tmp_path / "whole")
    for name in (*kept(tmp_path / "whole"), "network.safetensors", "history.csv"):
        assert (tmp_path / "stopped" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_kept_epoch_begins_another_run(greys, tmp_path):
    """Its file in place of the folder; the folder itself stands for the best epoch."""
    boda.train_network(greys, to=tmp_path / "run", keep_epochs=(1,), **HOW)
    first = tmp_path / "run" / "epoch-0001.safetensors"
    then = boda.train_network(greys, to=tmp_path / "then", init=first, keep_epochs=(0,), **HOW)
    assert (then.folder / "epoch-0000.safetensors").read_bytes() == first.read_bytes()
    with pytest.raises(Refused, match="another init"):
        boda.train_network(greys, to=tmp_path / "then", init=tmp_path / "run", keep_epochs=(0,), **HOW)


def test_epochs_that_cannot_be_kept_are_refused(greys, tmp_path):
    """Beyond the last one, or over already when somebody asks; asked for again they are simply there."""
    with pytest.raises(Refused, match=r"keep_epochs has 4, of epochs 0 .* to 3"):
        boda.train_network(greys, to=tmp_path / "run", keep_epochs=(4,), **HOW)
    assert not (tmp_path / "run").exists()
    boda.train_network(greys, to=tmp_path / "run", keep_epochs=(1,), **HOW)
    boda.train_network(greys, to=tmp_path / "run", keep_epochs=(1,), **HOW)
    with pytest.raises(Refused, match="epoch 2 is over and was not kept"):
        boda.train_network(greys, to=tmp_path / "run", keep_epochs=(1, 2), **HOW)
