"""`boda.train_network`: pixels become an encoder; a run goes on exactly where it was stopped."""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import boda
from boda.errors import Busy, Damaged, NotFound, Refused
from boda.pipelines.networks import gathering
from decoding_here import decoded

torch = pytest.importorskip("torch")

from boda.training import checkpoint  # noqa: E402
from boda.training.objective import Objective  # noqa: E402

TINY = {"epochs": 2, "batch": 8}


@pytest.fixture(autouse=True)
def here(monkeypatch):
    """Images are decoded in this process."""
    monkeypatch.setattr(gathering, "decoded", decoded)


@pytest.fixture(scope="module")
def squares(tmp_path_factory) -> Path:
    """A folder by class: 24 images with a bright upper half, 24 with a bright lower half; one that is no image."""
    folder = tmp_path_factory.mktemp("squares") / "images"
    rng = np.random.default_rng(0)
    for row in range(48):
        place = folder / ("over" if row % 2 else "under") / f"{row:02}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 90, (32, 32, 3))
        pixels[:16] += 120 * (row % 2)
        pixels[16:] += 120 * (1 - row % 2)
        Image.fromarray(pixels.astype(np.uint8)).save(place)
    (folder / "over" / "broken.png").write_bytes(b"no picture")
    return folder


def weights_of(run: Path) -> dict[str, torch.Tensor]:
    """The last weights of a run, and what its optimiser remembers."""
    saved = checkpoint.load(run, "last")
    assert saved is not None
    return {name: tensor for name, tensor in saved.tensors.items() if not name.startswith("generator/")}


def assert_same(one: Path, other: Path) -> None:
    """Both runs ended with the same bits."""
    first, second = weights_of(one), weights_of(other)
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name
    assert (one / "history.csv").read_bytes() == (other / "history.csv").read_bytes()
    assert (one / "network.safetensors").read_bytes() == (other / "network.safetensors").read_bytes()


def test_a_classifier_learns_and_is_an_encoder(squares, tmp_path):
    """A few epochs tell the halves apart; then `run:FOLDER` embeds, classifies and is the same when loaded again."""
    found = boda.train_network(
        squares, target="class", to=tmp_path / "run", settings={"epochs": 6, "batch": 8, "lr": 0.05, "average": 0.5}
    )
    assert found.classes == ("over", "under")
    assert (found.training + found.validation, found.unreadable) == (48, 1)
    assert "broken.png" in (tmp_path / "run" / "unreadable.csv").read_text()
    assert found.best["validation_error"] == 0
    assert (tmp_path / "run" / "curves.png").read_bytes().startswith(b"\x89PNG")
    encoder = boda.load_encoder(found.encoder)
    assert encoder.width == 64
    page = boda.predict(squares / "over" / "01.png", encoder=found.encoder).predictions[0]
    assert page.topk[0].name == "over"
    workspace = boda.embed(squares, encoders=[encoder], to=tmp_path / "w.boda")
    assert len(workspace.features().array) == 48


def test_few_images_are_learned_unasked(squares, tmp_path):
    """Small steps at a small rate, unless a batch, a rate or a preset is asked for; going on needs no word of it."""
    found = boda.train_network(squares, target="class", to=tmp_path / "run", settings={"epochs": 5})
    assert (found.preset.name, found.preset.batch, found.preset.lr) == ("cifar-fast", 8, 0.025)
    assert found.best["validation_error"] == 0
    assert boda.train_network(resume=tmp_path / "run").preset == found.preset
    once = {"epochs": 1, "precision": "fp32"}
    batch = boda.train_network(squares, target="class", to=tmp_path / "batch", settings=once | {"batch": 16})
    preset = boda.train_network(squares, target="class", to=tmp_path / "preset", settings=once, preset="cifar-fast")
    assert (batch.preset.lr, preset.preset.lr) == (0.4, 0.4)


def test_the_kept_network_scores_as_the_history_says(squares, tmp_path):
    """The encoder of the run, asked about the validation rows, errs as often as the best epoch is said to."""
    found = boda.train_network(squares, target="class", to=tmp_path / "run", settings=TINY | {"lr": 0.02}, seed=3)
    listed = boda.train_network(squares, target="class", to=tmp_path / "run", settings=TINY | {"lr": 0.02}, seed=3)
    assert listed.history == found.history
    everything = boda.predict(squares, encoder=found.encoder, topk=1).predictions
    said = {one.key: one.topk[0].name for one in everything if one.topk}
    with (tmp_path / "run" / "split.csv").open(newline="") as file:
        held = [row["key"] for row in csv.DictReader(file) if row["part"] == "validation"]
    assert len(held) == found.validation
    wrong = np.mean([said[key] != key.partition("/")[0] for key in held])
    assert wrong == pytest.approx(found.best["validation_error"])


@pytest.mark.parametrize(
    "how",
    [
        {"net": "resnet20", "target": "class", "settings": TINY | {"augmentation": "cifar+mixup", "average": 0.9}},
        {
            "net": "autoencoder?features=8",
            "settings": TINY | {"augmentation": "flip"},
            "objective": Objective(noise=0.1),
        },
    ],
    ids=["classes", "images"],
)
def test_a_run_that_was_stopped_in_an_epoch_ends_with_the_same_bits(squares, tmp_path, how, monkeypatch):
    """Stopped after every third step, with dropout of noise, averages, mixing and momentum going on."""
    boda.train_network(squares, to=tmp_path / "whole", **how)
    from boda.pipelines.networks import running

    steps = [0]

    def stopping(progress):
        def told(state, all_steps):
            steps[0] += 1
            if steps[0] % 3 == 0:
                os.kill(os.getpid(), signal.SIGINT)

        return told

    monkeypatch.setattr(running, "_told", stopping)
    stops = 0
    while True:
        try:
            boda.train_network(squares, to=tmp_path / "stopped", **how)
            break
        except KeyboardInterrupt:
            stops += 1
    assert stops >= 3
    assert_same(tmp_path / "whole", tmp_path / "stopped")


_KILLED = """
import sys
import boda
boda.train_network(sys.argv[1], target="class", to=sys.argv[2], save_every=0.0,
                   settings={"epochs": 3, "batch": 8, "augmentation": "cifar", "average": 0.9})
"""


def _states(run):
    """When each state was written last."""
    found = (run / "last.json", run / "within.json")
    return [place.stat().st_mtime_ns for place in found if place.exists()]


@pytest.mark.slow
def test_a_run_that_is_killed_ends_with_the_same_bits(squares, tmp_path):
    """SIGKILL at five moments, some while a checkpoint is written; the last process ends what the first began."""

    def begin(to):
        return subprocess.Popen([sys.executable, "-c", _KILLED, str(squares), str(to)])

    assert begin(tmp_path / "whole").wait() == 0
    killed = 0
    rng = np.random.default_rng(0)
    for _ in range(5):
        process = begin(tmp_path / "killed")
        deadline = time.monotonic() + 60
        while not (tmp_path / "killed" / "last.json").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        before = _states(tmp_path / "killed")
        while process.poll() is None and _states(tmp_path / "killed") == before:
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.15))
        if process.poll() is not None:
            break
        process.kill()
        process.wait()
        killed += 1
    assert begin(tmp_path / "killed").wait() == 0
    assert killed >= 2
    assert_same(tmp_path / "whole", tmp_path / "killed")
    assert len(list((tmp_path / "killed").glob("last-*.safetensors"))) == 1
    assert not list((tmp_path / "killed").glob("within*"))


def test_another_run_is_not_written_over(squares, tmp_path):
    """Another seed, preset or data in the same folder are refused by name; a folder of other things too."""
    boda.train_network(squares, target="class", to=tmp_path / "run", settings=TINY | {"epochs": 1})
    for change, name in (
        ({"seed": 1}, "seed"),
        ({"settings": TINY | {"epochs": 3}}, "preset"),
        ({"net": "resnet32"}, "network"),
        ({"validation": 0.3}, "images"),
    ):
        asked = {"target": "class", "settings": TINY | {"epochs": 1}} | change
        with pytest.raises(Refused, match=f"another {name}|another (images|seed)"):
            boda.train_network(squares, to=tmp_path / "run", **asked)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years")
    with pytest.raises(Refused, match="is no run"):
        boda.train_network(squares, target="class", to=tmp_path / "mine", settings=TINY)
    with pytest.raises(Refused, match="no run to go on with"):
        boda.train_network(squares, target="class", resume=tmp_path / "none", settings=TINY)
    with pytest.raises(NotFound, match="no such folder"):
        boda.train_network(squares, target="class", to=tmp_path / "a" / "b", settings=TINY)


def test_two_processes_do_not_train_into_one_folder(squares, tmp_path):
    """The second is told who is there."""
    from boda.workspace.locking import held

    boda.train_network(squares, target="class", to=tmp_path / "run", settings=TINY | {"epochs": 1})
    with held(tmp_path / "run"), pytest.raises(Busy):
        boda.train_network(squares, target="class", to=tmp_path / "run", settings=TINY | {"epochs": 1})


def test_a_damaged_checkpoint_is_named(squares, tmp_path):
    """A flipped byte is found before anything is trained on."""
    boda.train_network(squares, target="class", to=tmp_path / "run", settings=TINY | {"epochs": 1})
    (tensors,) = (tmp_path / "run").glob("last-*.safetensors")
    data = bytearray(tensors.read_bytes())
    data[len(data) // 2] ^= 1
    tensors.write_bytes(data)
    with pytest.raises(Damaged, match="is not what was written"):
        boda.train_network(squares, target="class", to=tmp_path / "run", settings=TINY | {"epochs": 1})


def test_a_loss_that_is_no_number_names_step_batch_and_files(squares, tmp_path):
    """And the last good checkpoint stays."""
    with pytest.raises(Refused, match=r"the loss is \w+ at step \d+, batch \d+ of epoch \d+, of (over|under)/\d\d.png"):
        boda.train_network(
            squares, target="class", to=tmp_path / "run", settings=TINY | {"lr": 1e30, "curve": "constant"}
        )
    kept = weights_of(tmp_path / "run")
    assert all(torch.isfinite(tensor).all() for name, tensor in kept.items() if name.startswith("network/"))


def test_what_nobody_can_learn_is_one_line(squares, tmp_path):
    """A class with one image, no such column, too few images, a number for an autoencoder."""
    lonely = tmp_path / "lonely"
    for name in ("a/1", "a/2", "a/3", "b/4"):
        (lonely / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (32, 32), "red").save(lonely / f"{name}.png")
    with pytest.raises(Refused, match=r"class 'b' has 1 image \(b/4.png\)"):
        boda.train_network(lonely, target="class", to=tmp_path / "run", settings=TINY)
    with pytest.raises(NotFound, match="colour"):
        boda.train_network(squares, target="colour", to=tmp_path / "run", settings=TINY)
    with pytest.raises(Refused, match="learns a target"):
        boda.train_network(squares, to=tmp_path / "run", settings=TINY)
    with pytest.raises(Refused, match="no setting 'epoch'"):
        boda.train_network(squares, target="class", to=tmp_path / "run", settings={"epoch": 1})
    with pytest.raises(NotFound, match="no network named 'resnet21'"):
        boda.train_network(squares, net="resnet21", target="class", to=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_flips_that_swap_classes_swap_labels(tmp_path):
    """Images that differ only in their bright side cannot be learned with a flip unless the labels flip with them."""
    folder = tmp_path / "sides"
    rng = np.random.default_rng(1)
    for row in range(64):
        place = folder / ("left" if row % 2 else "right") / f"{row:02}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 60, (32, 32, 3))
        pixels[:, :16] += 150 * (row % 2)
        pixels[:, 16:] += 150 * (1 - row % 2)
        Image.fromarray(pixels.astype(np.uint8)).save(place)
    how = {
        "target": "class",
        "settings": {"epochs": 6, "batch": 8, "lr": 0.05, "augmentation": "flip", "average": None},
    }
    swapped = boda.train_network(folder, to=tmp_path / "swapped", **how)
    assert swapped.history[-1]["train_error"] < 0.1
    unswapped = boda.train_network(folder, to=tmp_path / "unswapped", flip_pairs=(), **how)
    assert unswapped.history[-1]["train_error"] > 0.25


def test_weights_of_another_run_begin_a_run(squares, tmp_path):
    """An autoencoder's encoder begins a classifier, and back; other networks are refused."""
    first = boda.train_network(squares, net="autoencoder?features=8", to=tmp_path / "images", settings=TINY)
    then = boda.train_network(
        squares, net="autoencoder?features=8", target="class", channels=3, init=first.folder, to=tmp_path / "classes",
        settings=TINY | {"lr": 1e-12},
    )  # fmt: skip
    from safetensors.torch import load_file

    images, classes = (load_file(one.folder / "network.safetensors") for one in (first, then))
    for name in images:
        assert torch.allclose(images[name], classes[name], atol=1e-6), name
    assert {name for name in classes if name not in images} == {
        f"classifier.{place}.{what}" for place in (0, 2) for what in ("weight", "bias")
    }
    with pytest.raises(Refused, match="is a autoencoder, and what is trained is a resnet20"):
        boda.train_network(squares, target="class", init=first.folder, to=tmp_path / "other", settings=TINY)


def test_numbers_and_ratings_are_learned(tmp_path):
    """A number is brightness; ratings are how bright people find it."""
    rng = np.random.default_rng(2)
    lines = ["file,bright,count_1,count_2"]
    for row in range(40):
        level = int(rng.integers(20, 235))
        Image.fromarray(np.full((32, 32, 3), level, np.uint8)).save(tmp_path / f"{row:02}.png")
        lines.append(f"{row:02}.png,{level / 255 + 0.001 * row},{255 - level},{level}")
    (tmp_path / "table.csv").write_text("\n".join(lines))
    for target, kind in (("bright", "number"), ("count_*", None)):
        found = boda.train_network(
            tmp_path / "table.csv", target=target, target_kind=kind, to=tmp_path / f"run-{kind}",
            settings={"epochs": 8, "batch": 8, "lr": 0.002, "augmentation": "none", "label_smoothing": 0.0,
                      "average": None, "precision": "fp32"},
        )  # fmt: skip
        losses = [row["train_loss"] for row in found.history]
        assert min(losses[1:]) < 0.85 * losses[0], losses


def test_large_images_are_decoded_anew(squares, tmp_path):
    """A network of the form for ImageNet reads files in every epoch; validation rows are the middle of each."""
    found = boda.train_network(
        squares, net="resnet18", size=32, target="class", to=tmp_path / "run",
        settings={"epochs": 1, "batch": 16, "lr": 0.01, "augmentation": "inception"},
    )  # fmt: skip
    assert found.preset.name == "imagenet-fast"
    assert np.isfinite(found.history[0]["validation_loss"])
    assert boda.load_encoder(found.encoder).width == 512


_TOGETHER = """
import sys
import boda
from boda.training.crew import crew_here
crew = crew_here("cpu")
if crew.leads:
    print("processes:", crew.size, flush=True)
for target in (None, "class"):
    boda.train_network(sys.argv[1], net="autoencoder?features=8", target=target, to=f"{sys.argv[2]}-{target}",
                       device="cpu", preset="autoencoder", validation=0.25, workers=1,
                       settings={"epochs": 2, "batch": 8, "optimiser": "sgd", "lr": 0.5 if target is None else 0.05})
"""


@pytest.mark.slow
def test_two_processes_go_where_one_goes(squares, tmp_path):
    """Each sees half of every batch; without norms their mean gradient is that of the batch. A decoder may rest.

    36 rows make batches of 8 and one of 4: what cannot be shared equally would be left out.
    """
    pytest.importorskip("accelerate")
    script = tmp_path / "script.py"
    script.write_text(_TOGETHER)
    launcher = ["-m", "torch.distributed.run", "--nproc_per_node", "2"]
    for name, how in (("alone", []), ("together", launcher)):
        words = [sys.executable, *how, str(script), str(squares), str(tmp_path / name)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        said = subprocess.run(words, check=True, env=environment, timeout=240, stdout=subprocess.PIPE, text=True).stdout
        assert said.split() == ["processes:", "2" if how else "1"]
    for target in (None, "class"):
        one, two = (weights_of(tmp_path / f"{name}-{target}") for name in ("alone", "together"))
        for name, tensor in one.items():
            assert torch.allclose(tensor, two[name], atol=1e-4), name
        lines = [
            (tmp_path / f"{name}-{target}" / "history.csv").read_text().splitlines() for name in ("alone", "together")
        ]
        assert lines[0][0] == lines[1][0]
        for first, second in zip(*(rows[1:] for rows in lines), strict=True):
            np.testing.assert_allclose(*(np.array(line.split(","), float) for line in (first, second)), rtol=1e-2)
