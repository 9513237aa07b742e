"""What `boda.explain` refuses and leaves out, and that it says so: on noise, with networks of random weights."""

import itertools
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import boda
from boda.encoders.base import Encoder
from boda.errors import NotFound, Refused
from boda.pipelines.output_folder import Folder
from boda.workspace.atomic import write_whole
from boda.workspace.workspace import Workspace

pytest.importorskip("torch")

from boda.pipelines.explaining.writing import Written, write_explanations


@pytest.fixture(scope="module")
def weights_of(tmp_path_factory) -> Callable[[str], Path]:
    """A file of random weights for an architecture of timm, or a ResNet of ours."""
    import torch
    from safetensors.torch import save_file

    from boda.encoders.timm_models import import_timm
    from boda.models.plan import NetworkPlan, build

    folder = tmp_path_factory.mktemp("weights")

    def of(name: str) -> Path:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            family, _, bare = name.partition(":")
            made = import_timm("a test").create_model(bare) if family == "timm" else None
            module = made if made is not None else build(NetworkPlan(bare, (32, 32), 3, 10, {}))
        save_file({key: one.contiguous() for key, one in module.state_dict().items()}, folder / f"{bare}.safetensors")
        return folder / f"{bare}.safetensors"

    return of


@pytest.fixture(scope="module")
def little(weights_of) -> Encoder:
    """A ResNet of 20 layers for 32 pixels."""
    return boda.load_encoder("resnet:resnet20", weights=weights_of("resnet:resnet20"))


def write_noise(folder: Path, names: str, seed: int = 0) -> Path:
    """A picture of noise for each letter."""
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(seed)
    for name in names:
        Image.fromarray(rng.integers(0, 256, (40, 48, 3), np.uint8)).save(folder / f"{name}.png")
    return folder


def embedded(images: Path, encoder: Encoder) -> Workspace:
    """Beside the pictures."""
    return boda.embed(images, encoders=[encoder], to=images.parent / "noise.boda", executor="in-process", workers=1)


@pytest.fixture(scope="module")
def noise(little, tmp_path_factory) -> Workspace:
    """Six pictures with features of the little network."""
    return embedded(write_noise(tmp_path_factory.mktemp("noise") / "images", "abcdef"), little)


def test_a_refusal_leaves_no_folder_behind(little, tmp_path):
    """Neither beside the workspace nor where it was asked to go; a folder that was there stays."""
    noise = embedded(write_noise(tmp_path / "images", "ab"), little)
    for to in (None, tmp_path / "new"):
        with pytest.raises(Refused, match="attend"):
            boda.explain(noise, row="a.png", encoder=little, method="rollout", to=to)
    assert {one.name for one in tmp_path.iterdir()} == {"images", "noise.boda"}
    (tmp_path / "mine").mkdir()
    with pytest.raises(Refused, match="attend"):
        boda.compare_explanations(noise, row="a.png", encoder=little, methods=["rollout"], to=tmp_path / "mine")
    assert (tmp_path / "mine").is_dir()


def test_a_ranking_refuses_an_image_that_changed_too(little, tmp_path):
    """Its score is not that of the stored features; of others the record says how far they are off."""
    noise = embedded(write_noise(tmp_path / "images", "abcd"), little)
    asked = {"score": "like:a.png", "encoder": little, "methods": ["gradient"], "to": tmp_path / "out"}
    found = boda.compare_explanations(noise, row=["b.png", "c.png"], **asked)
    assert len(found.record["off_stored"]) == 2 and max(found.record["off_stored"]) < 1e-4
    Image.new("RGB", (40, 48), (200, 30, 30)).save(tmp_path / "images" / "c.png")
    with pytest.raises(Refused, match=r"c\.png: likeness to a\.png, computed again, .* embed again"):
        boda.compare_explanations(noise, row=["b.png", "c.png"], **asked)


def test_files_have_no_stored_scores_to_be_off(little, tmp_path):
    """So nothing is said of that."""
    images = write_noise(tmp_path / "images", "ab")
    found = boda.compare_explanations(
        images, answer="3", encoder=little, methods=["gradient"], limit=1, to=tmp_path / "out"
    )
    assert found.record["off_stored"] is None


def test_a_head_and_a_score_at_once_are_refused(noise, little, tmp_path):
    """Also where the head is given itself: none of the two is left out in silence."""
    rows = "\n".join(f"{key},{number}.5" for number, key in enumerate(noise.keys()))
    (tmp_path / "labels.csv").write_text(f"key,size\n{rows}\n")
    boda.label(noise, tmp_path / "labels.csv")
    head = boda.train(noise, "size", page=False, name="size", folds=2)
    with pytest.raises(Refused, match="says all: leave out head and class"):
        boda.explain(noise, head=head, score="like:a.png", encoder=little, to=tmp_path / "out")


def test_a_class_of_an_encoder_without_a_classifier_is_refused_as_that(tmp_path):
    """By name as by number: it is not the name that is wrong."""
    images = write_noise(tmp_path / "images", "a")
    for answer in ("cat", "3", None):
        with pytest.raises(Refused, match="has no classifier"):
            boda.explain(images, answer=answer, encoder="handmade:hog-colour", method="occlusion", to=tmp_path / "out")


def test_a_layer_is_for_those_methods_that_take_one(noise, little, tmp_path):
    """Of several; where none of them does, it is refused, as of one."""
    asked = {
        "row": "a.png",
        "answer": "3",
        "encoder": little,
        "layer": "layer2",
        "check": False,
        "to": tmp_path / "out",
    }
    found = boda.explain(noise, method=["grad-cam", "gradient"], **asked)
    assert [(one.method, one.layer) for one in found.explained] == [("grad-cam", "layer2"), ("gradient", "")]
    assert not [note for note in found.notes if note.startswith("no ")]
    with pytest.raises(Refused, match=r"gradient works at no single layer.*; smoothgrad works at no single layer"):
        boda.explain(noise, method=["gradient", "smoothgrad"], **asked)


def test_a_baseline_is_for_those_methods_that_take_one(noise, little, tmp_path):
    """In a ranking as well."""
    asked = {"row": ["a.png", "b.png"], "answer": "3", "encoder": little, "baseline": "black", "to": tmp_path / "out"}
    found = boda.compare_explanations(noise, methods=["deeplift", "gradient"], **asked)
    assert not found.compared.ranking.refused


def test_a_misspelt_image_to_be_like_is_answered_with_near_keys(noise, little, tmp_path):
    """It is no file either, so the answer is the workspace's."""
    with pytest.raises(NotFound, match=r"no image 'a\.pgn'. Near: a\.png"):
        boda.explain(noise, row="b.png", score="like:a.pgn", encoder=little, to=tmp_path / "out")


def test_a_page_says_whether_its_maps_were_checked(noise, little, tmp_path):
    """And does not speak of checks where there are none."""
    asked = {"row": "a.png", "answer": "3", "encoder": little, "method": "gradient"}
    checked = boda.explain(noise, **asked, to=tmp_path / "checked").page.read_text()
    unchecked = boda.explain(noise, **asked, check=False, to=tmp_path / "unchecked").page.read_text()
    assert "Beside each map stands" in checked and "were not checked" not in checked
    assert "Beside each map stands" not in unchecked and "These maps were not checked" in unchecked


def test_what_a_map_promises_to_add_up_to_is_said_without_checks_too(noise, little, tmp_path):
    """By how far it is off; once, where there are checks, which say it as well."""
    asked = {"row": "a.png", "answer": "3", "encoder": little, "method": "integrated-gradients"}
    for check in (True, False):
        page = boda.explain(noise, **asked, check=check, to=tmp_path / str(check)).page.read_text()
        assert page.count("the map adds up to what the score moved from its baseline") == 1


def test_another_layer_has_a_folder_of_its_own(noise, little):
    """So that two layers can be looked at side by side."""
    asked = {"row": "a.png", "answer": "3", "encoder": little, "check": False}
    pages = [boda.explain(noise, **asked, layer=layer).page for layer in ("layer2", "layer1")]
    assert pages[0] != pages[1] and all(one.exists() for one in pages)


def in_bf16(images: Path, encoder: Encoder) -> Workspace:
    """Features as machines store them that are fast at bf16."""
    return boda.embed(images, encoders=[encoder.at("bf16")], to=images.with_suffix(".boda"), executor="in-process")


def test_features_in_bf16_are_explained_where_that_is_fine_enough(little, tmp_path):
    """Of plain colours, whose features lie far apart, to 2e-2 of the spread; of noise, which is all alike, refused."""
    (tmp_path / "plain").mkdir()
    for number, colour in enumerate([(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0)]):
        Image.new("RGB", (40, 48), colour).save(tmp_path / "plain" / f"{number}.png")
    there = in_bf16(tmp_path / "plain", little)
    asked = {"answer": "3", "method": "gradient", "encoder": little, "check": False, "to": tmp_path / "out"}
    (found,) = boda.explain(there, row="0.png", **asked).explained
    assert 1e-4 < found.difference < 2e-2
    noise = in_bf16(write_noise(tmp_path / "noise", "abcdef"), little)
    with pytest.raises(Refused, match=r"or bf16 is too coarse .* embed again with --precision fp32"):
        boda.explain(noise, row="a.png", **asked)


def test_rows_that_are_named_meet_no_condition(noise, little, tmp_path):
    """A condition beside them is not left out in silence."""
    with pytest.raises(Refused, match="give rows, or where, not both"):
        boda.explain(noise, row="a.png", where="width == 48", encoder=little, to=tmp_path / "out")


def test_each_row_has_a_folder_of_its_own(little, tmp_path):
    """Where none is named, the second picture does not take the place of the first; named twice, it is one."""
    there = embedded(write_noise(tmp_path / "images", "ab"), little)
    found = [boda.explain(there, row=row, encoder=little, check=False) for row in ("a.png", "b.png", ["a.png"] * 2)]
    assert found[0].page != found[1].page
    assert all(one.page.is_file() for one in found)
    assert (len(found[2].explained), found[2].of) == (1, 1)


def test_what_is_asked_decides_the_folder(little, tmp_path):
    """How many images, which seed, condition, methods, which recipe of several: none writes over another."""
    there = embedded(write_noise(tmp_path / "images", "abcd"), little)
    asked = {"answer": "3", "encoder": little, "method": "gradient", "check": False, "limit": 2}
    others = ({}, {"limit": 3}, {"seed": 5}, {"where": "width == 48"}, {"method": ["gradient", "grad-cam"]})
    first = boda.explain(there, **asked).page
    before = first.read_bytes()
    pages = [boda.explain(there, **asked | other).page for other in others]
    boda.embed(tmp_path / "images", encoders=[little.take("layer2")], to=there.path, executor="in-process", workers=1)
    pages += [boda.explain(there, **asked, recipe=one).page for one in there.recipes()]
    pages.append(boda.explain(there, **asked).page)  # the latest recipe, which is another one than before
    assert first == pages[0] and first.read_bytes() == before
    assert len(set(pages)) == len(pages) - 1 and pages[-1] == pages[-2]
    assert all(one.is_file() for one in pages)


def test_other_files_and_other_networks_have_folders_of_their_own(little, weights_of, tmp_path, monkeypatch):
    """A second picture does not take the place of the first; nor does a second network, of the same name or not."""
    monkeypatch.chdir(tmp_path)
    images = write_noise(tmp_path / "images", "ab")
    asked = {"answer": "3", "method": "gradient", "check": False}
    network = {"encoder": "resnet:resnet32", "weights": weights_of("resnet:resnet32")}
    files = ("images/a.png", "images/b.png", images, ["images/a.png", "images/b.png"])
    pages = [boda.explain(one, encoder=little, **asked).page for one in files]
    pages += [boda.explain("images/a.png", **network, **asked).page]
    pages += [boda.explain("images/a.png", encoder=little, limit=1, **asked).page]
    assert len(set(pages)) == len(pages) and all(one.is_file() for one in pages)
    assert boda.explain("./images//a.png", encoder=little, **asked).page == pages[0]
    assert pages[0].parent.name.startswith("class_3_gradient_images_a.png")


def test_a_ranking_of_other_methods_or_images_has_a_folder_of_its_own(little, tmp_path):
    """As an explanation has."""
    there = embedded(write_noise(tmp_path / "images", "ab"), little)
    asked = {"answer": "3", "encoder": little, "limit": 1}
    methods = (["gradient"], ["gradient-times-input"])
    tables = [boda.compare_explanations(there, methods=one, **asked).table for one in methods]
    tables.append(boda.compare_explanations(there, methods=methods[0], **asked | {"seed": 1}).table)
    assert len(set(tables)) == 3 and all(one.is_file() for one in tables)


def test_a_plain_question_has_a_plain_name(little, tmp_path):
    """As the pages of the handbook show it; of a long one the beginning can be read."""
    names = ["chelsea", "coffee", "a rather long name of a picture that somebody took on a journey to the sea"]
    rng = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    for name in names:
        Image.fromarray(rng.integers(0, 256, (40, 48, 3), np.uint8)).save(tmp_path / "images" / f"{name}.png")
    there = embedded(tmp_path / "images", little)
    plain = boda.explain(there, row=["chelsea.png", "coffee.png"], encoder=little, check=False).page.parent
    assert plain.name == "class_grad-cam_chelsea.png_coffee.png-883bdb60"
    long = boda.explain(there, row=[f"{names[2]}.png", "coffee.png"], encoder=little, check=False).page.parent
    assert long.name.startswith("class_grad-cam_a_rather_long_name_of") and len(long.name) < 70


@pytest.fixture
def stopped_at(monkeypatch):
    """Stops the next run at so many files written from now on."""

    def at(count: float) -> None:
        written = iter(range(10_000))

        def write(path: Path, data: Callable[..., object]) -> None:
            if next(written) >= count:
                raise KeyboardInterrupt
            write_whole(path, data)

        monkeypatch.setattr("boda.pipelines.output_folder.write_whole", write)

    return at


def test_a_stop_leaves_no_record_of_what_is_not_there(little, tmp_path, monkeypatch, stopped_at):
    """While other images are explained into a folder: at every write; at the end nothing is left of the old ones."""
    images = write_noise(tmp_path / "images", "ab")
    asked = {"answer": "3", "encoder": little, "method": ["grad-cam", "gradient"], "check": False}
    old = boda.explain(images / "a.png", **asked, to=tmp_path / "old").written.folder
    kept: list[tuple[Any, Any]] = []

    def write(folder: Folder, *given: Any, **settings: Any) -> Written:
        kept.append((given, settings))
        return write_explanations(folder, *given, **settings)

    monkeypatch.setattr("boda.pipelines.explain.write_explanations", write)
    new = boda.explain(images / "b.png", **asked, to=tmp_path / "new").written.folder
    ((given, settings),) = kept
    found = []
    for count in itertools.count():
        folder = shutil.copytree(old, tmp_path / f"stopped at {count}")
        stopped_at(count)
        try:
            write_explanations(Folder(folder, "explain", force=False), *given, **settings)
        except KeyboardInterrupt:
            found.append(who_speaks(folder, old, new))
            continue
        break
    assert who_speaks(folder, old, new) == "new" and contents(folder) == contents(new)
    assert found == sorted(found, key=["old", "nobody", "new"].index)
    assert found.count("old") >= 3 * 2, "drawing takes the time, and touches nothing that is there"
    assert found.count("nobody") <= 8
    stopped_at(float("inf"))
    for count in range(0, len(found), 4):
        folder = tmp_path / f"stopped at {count}"
        write_explanations(Folder(folder, "explain", force=False), *given, **settings)
        assert contents(folder) == contents(new)


def contents(folder: Path) -> dict[str, bytes]:
    """All files by their path in a folder, but for the list of what was written."""
    files = [one for one in folder.rglob("*") if one.is_file() and not one.name.startswith("made-by")]
    return {str(one.relative_to(folder)): one.read_bytes() for one in files}


def who_speaks(folder: Path, old: Path, new: Path) -> str:
    """Whose record is there, with everything that it speaks of as it was; "nobody" where there is none."""
    found = contents(folder)
    if "record.json" not in found:
        return "nobody"
    name, whole = (
        ("old", contents(old)) if found["record.json"] == contents(old)["record.json"] else ("new", contents(new))
    )
    assert found == found | whole
    spoken_of = [one["overlay"] for image in json.loads(found["record.json"])["images"] for one in image["maps"]]
    assert len(spoken_of) == 2 and set(spoken_of) <= whole.keys()
    return name


def test_a_ranking_that_is_stopped_leaves_no_older_one_beside_its_table(little, tmp_path, monkeypatch):
    """They would be of other images."""
    images = write_noise(tmp_path / "images", "ab")
    asked = {"answer": "3", "encoder": little, "methods": ["gradient"], "to": tmp_path / "out"}
    boda.compare_explanations(images / "a.png", **asked)

    def write(path: Path, data: Callable[..., object]) -> None:
        if path.name == "ranking.json":
            raise KeyboardInterrupt
        write_whole(path, data)

    monkeypatch.setattr("boda.pipelines.output_folder.write_whole", write)
    with pytest.raises(KeyboardInterrupt):
        boda.compare_explanations(images / "b.png", **asked)
    assert "b.png" in (tmp_path / "out" / "compared.csv").read_text()
    assert not (tmp_path / "out" / "ranking.json").exists()


@pytest.mark.parametrize("name", ["maps/grad-cam.npy", "overlays", "record.json"])
def test_what_is_in_the_way_is_found_before_anything_is_computed(little, tmp_path, monkeypatch, name):
    """And stays alone in its folder."""
    images, place = write_noise(tmp_path / "images", "a"), tmp_path / "out" / name
    place.parent.mkdir(parents=True)
    place.write_bytes(b"mine")
    monkeypatch.setattr("boda.pipelines.explain.scoring", lambda *_: pytest.fail("computed"))
    with pytest.raises(Refused, match=r"(give|or) another --to"):
        boda.explain(images, answer="3", encoder=little, method=["gradient", "grad-cam"], to=tmp_path / "out")
    assert contents(tmp_path / "out") == {name: b"mine"}


def test_images_are_looked_for_before_the_network_is_loaded(tmp_path, monkeypatch):
    """A misspelt name is told at once."""
    monkeypatch.setattr("boda.pipelines.explaining.subjects.loaded", lambda *_: pytest.fail("loaded"))
    with pytest.raises(NotFound, match=r"nothing\.boda"):
        boda.explain(tmp_path / "nothing.boda")
