"""What a run keeps: always a good state, a network that is what was written, and enough to go on with nothing else."""

import json
import os
import shutil
import signal
import sys

import numpy as np
import pytest
from PIL import Image

import boda
from boda.errors import Damaged, MissingExtra, Refused
from boda.pipelines.networks import gathering
from boda.training.objective import Objective
from boda.training.preset import Preset
from decoding_here import decoded
from drawn_classes import write

torch = pytest.importorskip("torch")

from boda.pipelines.networks import running  # noqa: E402
from boda.training import checkpoint  # noqa: E402

NET = {"net": "autoencoder?features=4&stages=2-2-2", "size": 32}
TINY = NET | {"preset": Preset("tiny", epochs=3, batch=8, lr=0.02, augmentation="flip"), "workers": 1}


@pytest.fixture(autouse=True)
def here(monkeypatch):
    """Images are decoded in this process."""
    monkeypatch.setattr(gathering, "decoded", decoded)


@pytest.fixture
def place(tmp_path):
    """24 images of two classes."""
    return write(tmp_path / "images", 24, seed=0)


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """Images, and a run on them that has ended."""
    folder = tmp_path_factory.mktemp("ended")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(gathering, "decoded", decoded)
        boda.train_network(write(folder / "images", 24, seed=0), to=folder / "run", **TINY)
    return folder


def copied(ended, tmp_path):
    """The run as it ended, to be spoilt."""
    return shutil.copytree(ended / "run", tmp_path / "run")


def stopping(monkeypatch, after):
    """From now on a run is stopped after so many steps."""
    steps = [0]

    def told(state, all_steps):
        steps[0] += 1
        if steps[0] == after:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(running, "_told", lambda progress: told)


def all_finite(tensors):
    return all(torch.isfinite(one).all() for one in tensors.values() if one.is_floating_point())


@pytest.mark.parametrize("lr", [1e12, 1e25, 1e38])
def test_ruined_weights_take_the_place_of_nothing(place, tmp_path, lr):
    """Saved after every step, the state of the last whole epoch stays beside it, and both are finite."""
    ruinous = TINY | {"net": "resnet20", "target": "class", "settings": {"lr": lr, "curve": "constant"}}
    with pytest.raises(Refused, match=r"no finite number|the loss is|the validation"):
        boda.train_network(place, to=tmp_path / "run", save_every=-1.0, **ruinous)
    last = checkpoint.load(tmp_path / "run", "last")
    assert last.record["batch"] == 0
    for name in ("last", "within"):
        saved = checkpoint.load(tmp_path / "run", name)
        assert saved is None or all_finite(saved.tensors)


def test_a_damaged_state_within_an_epoch_costs_only_time(place, tmp_path, monkeypatch):
    """The run goes on from the end of the epoch before, and ends with the same bits."""
    boda.train_network(place, to=tmp_path / "whole", **TINY)
    stopping(monkeypatch, 5)
    with pytest.raises(KeyboardInterrupt):
        boda.train_network(place, to=tmp_path / "run", **TINY)
    (within,) = (tmp_path / "run").glob("within-*.safetensors")
    assert checkpoint.load(tmp_path / "run", "last").record["epoch"] == 1
    within.write_bytes(within.read_bytes()[:-1] + b"?")
    stopping(monkeypatch, -1)
    boda.train_network(place, to=tmp_path / "run", **TINY)
    for name in ("network.safetensors", "history.csv"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert not list((tmp_path / "run").glob("within*"))


def test_other_images_under_the_same_names_are_another_run(ended, tmp_path):
    """Names and labels are what they were, the pixels are not."""
    run = copied(ended, tmp_path)
    place = shutil.copytree(ended / "images", tmp_path / "images")
    assert boda.train_network(place, to=run, **TINY).training == 22
    first = next(place.rglob("*.png"))
    Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(first)
    with pytest.raises(Refused, match="another contents"):
        boda.train_network(place, to=run, **TINY)


def test_other_pairs_are_another_run(place, tmp_path):
    """A run that swapped labels does not go on without."""
    boda.train_network(place, target="class", flip_pairs=(), to=tmp_path / "run", **TINY)
    with pytest.raises(Refused, match="another pairs"):
        boda.train_network(place, target="class", flip_pairs=[("over", "under")], to=tmp_path / "run", **TINY)


def test_a_run_goes_on_by_its_folder_alone(place, tmp_path, monkeypatch):
    """Source, target and all options come from it; it ends with the same bits; nothing else may be given."""
    how = TINY | {
        "target": "class",
        "objective": Objective(noise=0.1),
        "validation": write(tmp_path / "other", 8, seed=3),
        "flip_pairs": (),
        "seed": 4,
        "keep_epochs": [1],
    }
    boda.train_network(place, to=tmp_path / "whole", **how)
    stopping(monkeypatch, 5)
    with pytest.raises(KeyboardInterrupt):
        boda.train_network(place, to=tmp_path / "run", **how)
    stopping(monkeypatch, -1)
    with pytest.raises(Refused, match="seed: --resume without a source takes it from the run"):
        boda.train_network(resume=tmp_path / "run", seed=5)
    monkeypatch.chdir(tmp_path / "other")
    found = boda.train_network(resume=tmp_path / "run", workers=1)
    assert (found.training, found.validation, found.target) == (24, 8, "class")
    for name in ("network.safetensors", "history.csv", "epoch-0001.safetensors"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_workspace_is_found_again(place, tmp_path):
    """Its labels too; a run of an older boda says that it does not know."""
    workspace = boda.embed(place, encoders="handmade:hog-colour", to=tmp_path / "w.boda", workers=1)
    first = boda.train_network(workspace, target="class", to=tmp_path / "run", **TINY)
    assert boda.train_network(resume=tmp_path / "run").history == first.history
    record = json.loads((tmp_path / "run" / "run.json").read_bytes())
    del record["asked"]
    (tmp_path / "run" / "run.json").write_text(json.dumps(record))
    with pytest.raises(Refused, match="does not say what it was begun with"):
        boda.train_network(resume=tmp_path / "run")


def test_a_run_needs_what_it_began_with_no_more(place, tmp_path):
    """How much was taken is said; the other run may be gone; another one is refused."""
    first = boda.train_network(place, to=tmp_path / "first", **TINY)
    then = boda.train_network(place, target="class", init=first.folder, to=tmp_path / "then", **TINY)
    assert then.taken == (16, 20)
    assert then.as_json()["taken"] == {"tensors": 16, "of": 20}
    shutil.rmtree(first.folder)
    again = boda.train_network(place, target="class", to=tmp_path / "then", **TINY)
    assert again.history == then.history


def test_an_encoder_that_is_not_whole_begins_nothing(place, tmp_path):
    """A layer more is no place to begin from."""
    first = boda.train_network(place, to=tmp_path / "first", **TINY)
    deeper = TINY | {"net": TINY["net"] + "&depth=2"}
    with pytest.raises(Refused, match=r"--init .*first: its encoder.6.weight is"):
        boda.train_network(place, init=first.folder, to=tmp_path / "then", **deeper)
    assert not (tmp_path / "then").exists()


def test_a_network_that_is_not_what_was_written_is_damaged(ended, tmp_path):
    """One flipped byte would be another encoder; the same command makes it again from the last state."""
    run = copied(ended, tmp_path)
    file = run / "network.safetensors"
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(Damaged, match=r"network.safetensors: is not what was written; the command"):
        boda.load_encoder(f"run:{run}")
    again = boda.train_network(ended / "images", to=run, **TINY)
    assert again.best == again.history[-1]
    assert file.read_bytes() == whole
    file.unlink()
    boda.train_network(ended / "images", to=run, **TINY)
    assert file.read_bytes() == whole


def test_a_network_that_nothing_else_has_is_said_to_be_gone(ended, tmp_path):
    """Where the best epoch is over, the last state is not it; where it was kept too, it is taken from there."""
    run = copied(ended, tmp_path)
    whole = (run / "network.safetensors").read_bytes()
    state = json.loads((run / "last.json").read_bytes())
    state["waited"] = 1
    state["history"][1]["validation_loss"] = state["best"] = 0.0
    (run / "last.json").write_text(json.dumps(state))
    (run / "network.safetensors").unlink()
    with pytest.raises(Damaged, match="and nothing else here has it"):
        boda.train_network(ended / "images", to=run, **TINY)
    (run / "epoch-0002.safetensors").write_bytes(whole)
    boda.train_network(ended / "images", to=run, **TINY)
    assert (run / "network.safetensors").read_bytes() == whole


def test_a_network_is_whole_whenever_its_writing_stops(ended, tmp_path, monkeypatch):
    """Stopped between record and weights, the folder is the encoder that it was."""
    from boda.pipelines.networks import folder as folders

    run = copied(ended, tmp_path)
    before = boda.load_encoder(f"run:{run}").recipe.weights
    tensors = {
        name: one + 1 for name, one in checkpoint.load(run, "last").tensors.items() if name.startswith("network/")
    }
    written = []

    def once(place, fill):
        if written:
            raise KeyboardInterrupt
        written.append(place.name)
        whole(place, fill)

    whole = folders.write_whole
    monkeypatch.setattr(folders, "write_whole", once)
    plan, classes, pixels = folders_read(run)
    network = {name.removeprefix("network/"): one for name, one in tensors.items()}
    with pytest.raises(KeyboardInterrupt):
        folders.RunFolder(run).keep_network(network, plan, classes, pixels, {"epoch": 9.0})
    assert written == ["network.json"]
    assert boda.load_encoder(f"run:{run}").recipe.weights == before
    written.clear()
    monkeypatch.setattr(folders, "write_whole", whole)
    folders.RunFolder(run).keep_network(network, plan, classes, pixels, {"epoch": 9.0})
    assert boda.load_encoder(f"run:{run}").recipe.weights != before


def folders_read(run):
    from boda.encoders.trained import read_network

    return read_network(run)


def test_a_stop_in_the_last_epochs_validation_is_heard(place, tmp_path, monkeypatch):
    """What was to come after the run does not come; the run itself is whole."""
    own = running.train

    def told(run, state, watch):
        ended = own(run, state, watch)
        os.kill(os.getpid(), signal.SIGINT)
        return ended

    monkeypatch.setattr(running, "train", told)
    with pytest.raises(KeyboardInterrupt):
        boda.train_network(place, to=tmp_path / "run", **TINY)
    monkeypatch.setattr(running, "train", own)
    assert len(boda.train_network(place, to=tmp_path / "run", **TINY).history) == 3


def test_colours_of_the_validation_images_are_not_lost(tmp_path):
    """One channel is enough only where both are grey."""
    rng = np.random.default_rng(0)
    for name, colours in (("grey", 1), ("colour", 3)):
        (tmp_path / name).mkdir()
        for row in range(8):
            pixels = rng.integers(0, 255, (32, 32, colours), np.uint8) * np.ones(3, np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{row}.png")
    both = boda.train_network(tmp_path / "grey", validation=tmp_path / "colour", to=tmp_path / "both", **TINY)
    alone = boda.train_network(tmp_path / "grey", to=tmp_path / "alone", **TINY)
    assert (both.plan.channels, alone.plan.channels) == (3, 1)


@pytest.mark.slow
def test_every_epoch_is_written_for_tensorboard_too(place, tmp_path):
    """Each score at the step of its epoch, as the history has it."""
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = boda.train_network(place, to=tmp_path / "run", tensorboard=True, **TINY)
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard")).Reload()
    said = {name: [(one.step, one.value) for one in events.Scalars(name)] for name in events.Tags()["scalars"]}
    assert said.keys() == found.history[0].keys()
    for name, points in said.items():
        assert points == [(row["step"], pytest.approx(row[name])) for row in found.history], name


def test_without_tensorboard_it_says_what_to_install(place, tmp_path, monkeypatch):
    """In one line."""
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(MissingExtra, match=r"boda\[training\]"):
        boda.train_network(place, to=tmp_path / "run", tensorboard=True, **TINY)
