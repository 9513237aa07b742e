"""`boda.train_network`: what cannot be learned or meant is one line, and leaves no folder behind."""

import json
import os
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import boda
from boda.errors import BodaError, Damaged, NothingEmbedded, Refused
from boda.pipelines.networks import gathering
from boda.pipelines.networks.dividing import divided
from boda.training.objective import Objective
from boda.training.preset import Preset
from decoding_here import decoded
from drawn_classes import write

torch = pytest.importorskip("torch")

TINY = {
    "net": "autoencoder?features=4&stages=2-2-2",
    "size": 32,
    "preset": Preset("tiny", epochs=1, batch=8, lr=0.02),
    "workers": 1,
}


@pytest.fixture(autouse=True)
def here(monkeypatch):
    """Images are decoded in this process."""
    monkeypatch.setattr(gathering, "decoded", decoded)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """16 images of two classes."""
    return write(tmp_path_factory.mktemp("refused") / "images", 16, seed=0)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"net": "resnet20?residual=no"}, "resnet20 with residual=no: it can be true or false"),
        ({"net": "autoencodr"}, "no network named 'autoencodr'; one of autoencoder"),
        ({"net": "autoencodr", "target": None}, "no network named 'autoencodr'; one of autoencoder"),
        ({"net": "autoencoder?stages=a-b"}, "stages=a-b: it can be whole numbers"),
        ({"net": "resnet20", "objective": Objective(noise=0.1)}, "noise is of an autoencoder"),
        ({"net": "resnet20", "objective": Objective(masked=0.5)}, "masked is of an autoencoder"),
        ({"net": "resnet20", "objective": Objective(distance="l1")}, "distance is of an autoencoder"),
        ({"net": "resnet20", "objective": Objective(classes_weight=1)}, "classes_weight is of an autoencoder"),
        ({"target": None, "objective": Objective(classes_weight=1)}, "give a --target"),
        ({"objective": Objective(distance="l1")}, "learns the classes alone; give --classes-weight"),
        ({"seed": -1}, "seed=-1: a whole number from 0"),
        ({"size": 0}, "size=0: a side in pixels"),
        ({"channels": 2}, "channels=2: it can be 1 or 3"),
        ({"target_kind": "bogus"}, "target_kind='bogus': it can be number, class, ratings"),
        ({"settings": {"lr": "0.1"}}, "lr is '0.1'"),
        ({"settings": {"drops": "0.5"}}, "drops are '0.5'"),
        ({"keep_epochs": "1"}, "keep_epochs='1': numbers are wanted"),
        ({"keep_epochs": [0.5]}, r"keep_epochs=\[0.5\]: numbers are wanted"),
        ({"seed": 2**64}, r"seed=\d+: a whole number from 0 to 2\^64 - 1"),
        ({"validation": None}, "validation=None: it must be a share"),
        ({"settings": {"augmentation": "flop"}}, "no augmentation 'flop'"),
        ({"net": "resnet18", "size": 32, "settings": {"batch": 1}}, "a batch of 1 image.*another --batch"),
        ({"size": 256}, "over/01.png: its short side is 32 pixels.*--size 32"),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else "-".join(value),
)
def test_what_makes_no_sense_is_refused_before_a_folder_is_made(place, tmp_path, how, said):
    """So the corrected command finds nothing in its way."""
    with pytest.raises(BodaError, match=said):
        boda.train_network(place, to=tmp_path / "run", **TINY | {"target": "class"} | how)
    assert not (tmp_path / "run").exists()


def test_what_is_in_the_way_is_found_before_anything_is_decoded(place, tmp_path, monkeypatch):
    """No folder above, things of others, no run to begin with, a flip that nobody has spoken of, no such augmentation."""

    def never(*given, **more):
        raise AssertionError("decoded")

    monkeypatch.setattr(gathering, "decoded", never)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years")
    left = write(tmp_path / "left", 8, seed=0, classes=("left", "other"))
    flip = {"target": "class", "settings": {"augmentation": "flip"}}
    for source, how, said in (
        (place, {"to": tmp_path / "no" / "run"}, "no: no such folder to write into"),
        (place, {"to": tmp_path / "mine"}, "mine: is there already and is no run"),
        (place, {"init": tmp_path / "no"}, "no: no such folder"),
        (left, flip, "--no-swaps"),
        (place, {"settings": {"augmentation": "flop"}}, "no augmentation 'flop'"),
    ):
        with pytest.raises(BodaError, match=said):
            boda.train_network(source, **TINY | {"to": tmp_path / "run"} | how)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_to_is_named(place, tmp_path):
    """Before anything is decoded."""
    (tmp_path / "sealed").mkdir(mode=0o500)
    with pytest.raises(Refused, match="sealed: nothing can be written here; give another --to"):
        boda.train_network(place, to=tmp_path / "sealed" / "run", **TINY)


def test_batches_that_cannot_be_shared_are_refused_at_once(place, tmp_path, monkeypatch):
    """Not after an epoch, whose last batch has too few rows for the processes."""
    from boda.pipelines.networks import running
    from boda.training.crew import Crew

    accelerator = SimpleNamespace(device=torch.device("cpu"))
    monkeypatch.setattr(running, "crew_here", lambda device: Crew(0, 3, accelerator))
    with pytest.raises(Refused, match="the last batch of an epoch has 2 rows for 3 processes: give another --batch"):
        boda.train_network(place, to=tmp_path / "run", **TINY | {"settings": {"batch": 4}})
    assert not (tmp_path / "run").exists()


def test_numbers_of_numpy_are_taken(place, tmp_path):
    """As arrays give them; a run goes on with them as with any other."""
    how = TINY | {"settings": {"lr": np.float32(0.5)}, "seed": np.int64(3), "keep_epochs": np.arange(2)}
    first = boda.train_network(place, to=tmp_path / "run", **how)
    again = boda.train_network(place, to=tmp_path / "run", **how | {"settings": {"lr": 0.5}, "seed": 3})
    assert again.history == first.history == boda.train_network(resume=tmp_path / "run").history


def test_several_sources_and_none_are_refused(place, tmp_path):
    """A list is not opened as if it were a path."""
    with pytest.raises(Refused, match="one source of images is wanted"):
        boda.train_network([place, place], target="class", to=tmp_path / "run", **TINY)
    with pytest.raises(Refused, match="no source of images: give one"):
        boda.train_network(target="class", to=tmp_path / "run", **TINY)
    (tmp_path / "bare").mkdir()
    with pytest.raises(NothingEmbedded, match=f"{tmp_path / 'bare'}: no images here"):
        boda.train_network(tmp_path / "bare", to=tmp_path / "run", **TINY)


def test_a_folder_whose_name_cannot_be_an_encoders_is_refused(place, tmp_path, monkeypatch):
    """`run:a?b=1` would read as an argument; and arguments of a run are none."""
    with pytest.raises(Refused, match="give one without"):
        boda.train_network(place, to=tmp_path / "a?b=1", **TINY)
    found = boda.train_network(place, to=tmp_path / "run", **TINY)
    with pytest.raises(Refused, match="a run takes no arguments; leave out x"):
        boda.load_encoder(f"{found.encoder}?x=1")


def test_a_run_is_called_as_its_source(place, tmp_path, monkeypatch):
    """All of a folder's name; nothing of `..` or of a leading dot."""
    monkeypatch.chdir(tmp_path)
    names = []
    for name in ("photos.v1", "photos.v2", ".hidden"):
        shutil.copytree(place, tmp_path / name)
        names.append(boda.train_network(name, **TINY).folder.name)
    monkeypatch.chdir(tmp_path / "photos.v1" / "over")
    names.append(boda.train_network("..", **TINY).folder.name)
    assert names == ["photos.v1-autoencoder", "photos.v2-autoencoder", "hidden-autoencoder", "photos.v1-autoencoder"]


def test_a_class_that_loses_its_images_is_named(place, tmp_path):
    """Files that are no images count for no class."""
    broken = shutil.copytree(place, tmp_path / "images")
    for file in list((broken / "over").iterdir())[1:]:
        file.write_bytes(b"no image")
    with pytest.raises(Refused, match=r"class 'over' has 1 image \(over/"):
        boda.train_network(broken, target="class", to=tmp_path / "run", **TINY)
    for file in (broken / "over").iterdir():
        file.write_bytes(b"no image")
    with pytest.raises(Refused, match="class 'over' has no image that can be decoded"):
        boda.train_network(broken, target="class", to=tmp_path / "run", **TINY)


def test_one_image_of_a_class_is_enough_where_others_choose(place, tmp_path):
    """It is learned from."""
    other = write(tmp_path / "other", 8, seed=5)
    thin = shutil.copytree(place, tmp_path / "thin")
    for file in sorted((thin / "over").iterdir())[1:]:
        file.unlink()
    found = boda.train_network(thin, target="class", validation=other, to=tmp_path / "run", **TINY)
    assert (found.training, found.validation) == (9, 8)


def test_validation_that_is_learned_from_is_refused_whatever_it_is_called(place, tmp_path):
    """A link, a copy, the table that lists the folder; a single copy is counted."""
    (tmp_path / "link").symlink_to(place)
    copy = shutil.copytree(place, tmp_path / "copy")
    table = tmp_path / "table.csv"
    files = sorted(place.rglob("*.png"))
    table.write_text("file,class\n" + "\n".join(f"{file},{file.parent.name}" for file in files))
    for other in (tmp_path / "link", copy, table):
        with pytest.raises(Refused, match=r"16 of its 16 images are learned from too, as .*over/01.png|these are the"):
            boda.train_network(place, target="class", validation=other, to=tmp_path / "run", **TINY)
    assert not (tmp_path / "run").exists()
    mostly = write(tmp_path / "mostly", 24, seed=9)
    shutil.copy(files[0], mostly / "over" / "copied.png")
    found = boda.train_network(place, target="class", validation=mostly, to=tmp_path / "run", **TINY)
    assert (found.shared, found.as_json()["shared"], found.validation) == (1, 1, 25)


@pytest.mark.parametrize("share", [0.5, 0.45, 0.4, 0.3, 0.25, 0.15, 0.1, 0.07, 0.01, np.float32(0.1)], ids=str)
def test_no_more_is_kept_apart_than_was_asked_for(share):
    """And hardly less."""
    learned, apart = divided(None, 2000, share=share, groups=None, seed=0)
    assert 0.93 * share <= len(apart) / 2000 <= share + 1e-6
    assert sorted([*learned, *apart]) == list(range(2000))


def test_images_without_a_label_are_counted(place, tmp_path):
    """In the result and in JSON; those of the validation source too."""
    files = sorted(place.rglob("*.png"))
    table = tmp_path / "table.csv"
    table.write_text(
        "file,what\n" + "\n".join(f"{f},{f.parent.name if row % 3 else ''}" for row, f in enumerate(files))
    )
    found = boda.train_network(table, target="what", to=tmp_path / "run", **TINY)
    assert found.left_out == {"no target": 6} == found.as_json()["left_out"]
    assert found.training + found.validation == 10


def test_small_images_are_counted_and_the_smallest_is_named(place, tmp_path):
    """They are enlarged, and show less than the network could see."""
    small = shutil.copytree(place, tmp_path / "images")
    Image.new("RGB", (20, 12)).save(small / "over" / "tiny.png")
    found = boda.train_network(small, to=tmp_path / "run", **TINY)
    assert found.small is not None
    assert found.small.as_json() == {"count": 1, "smallest": "over/tiny.png", "side": 12}
    Image.new("RGB", (20, 5)).save(small / "over" / "tiny.png")
    with pytest.raises(Refused, match=r"over/tiny.png: its short side is 5 pixels, too few for a network that sees 32"):
        boda.train_network(small, to=tmp_path / "other", **TINY)


def test_another_preset_is_told_by_what_differs(place, tmp_path):
    """Not by the beginning of both."""
    boda.train_network(place, to=tmp_path / "run", **TINY)
    with pytest.raises(Refused, match=r"another preset \(batch 8 there, 4 now; lr 0.02 there, 0.5 now\)"):
        boda.train_network(place, to=tmp_path / "run", settings={"lr": 0.5, "batch": 4}, **TINY)


def test_a_record_that_is_none_is_damaged(place, tmp_path):
    """In one line with its name."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text("[]")
    with pytest.raises(Damaged, match=r"run.json: is no record of a run"):
        boda.train_network(place, to=tmp_path / "run", **TINY)


def test_a_run_of_an_older_boda_goes_on(place, tmp_path):
    """Its record names no contents, no pairs, and no clip of the preset."""
    whole = boda.train_network(place, target="class", to=tmp_path / "run", **TINY)
    file = tmp_path / "run" / "run.json"
    record = json.loads(file.read_bytes())
    for name in ("contents", "pairs", "asked"):
        del record[name]
    del record["preset"]["clip"]
    file.write_text(json.dumps(record))
    again = boda.train_network(place, target="class", to=tmp_path / "run", **TINY)
    assert again.history == whole.history
    with pytest.raises(Refused, match=r"preset \(clip null there, 1.0 now"):
        boda.train_network(place, target="class", to=tmp_path / "run", settings={"clip": 1.0}, **TINY)


def test_classes_that_have_a_hand_are_not_flipped_unasked(tmp_path):
    """The column says so, though its classes are called S and Z."""
    lines = ["file,winding"]
    for row in range(12):
        Image.fromarray(np.full((32, 32, 3), 20 * row, np.uint8)).save(tmp_path / f"{row:02}.png")
        lines.append(f"{row:02}.png,{'SZ'[row % 2]}")
    (tmp_path / "table.csv").write_text("\n".join(lines))
    flip = TINY | {"target": "winding", "settings": {"augmentation": "flip"}}
    with pytest.raises(Refused, match=r"what 'winding' means \(winding\).*--no-swaps"):
        boda.train_network(tmp_path / "table.csv", to=tmp_path / "run", **flip)
    boda.train_network(tmp_path / "table.csv", to=tmp_path / "run", flip_pairs=[("S", "Z")], **flip)


def test_an_image_that_breaks_in_training_is_named(tmp_path, monkeypatch):
    """It was fine when all were looked at."""
    from boda.pipelines.networks.gathering import from_files, listing_of
    from boda.pixels.spec import PixelSpec
    from boda.sources.opening import open_source

    listing = listing_of(open_source(write(tmp_path / "images", 4, seed=0)))
    (images,), rows, _ = from_files(listing, (PixelSpec(32, (32, 32), "bilinear"),), workers=1)
    (tmp_path / "images" / "over" / "01.png").write_bytes(b"no image any more")
    with pytest.raises(BodaError, match=r"over/01.png: could be decoded when this began, and cannot any more"):
        images.each(rows)
