"""What `boda.explain` refuses and leaves out, and that it says so: on noise, with networks of random weights."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import boda
from boda.encoders.base import Encoder
from boda.errors import NotFound, Refused
from boda.workspace.workspace import Workspace

pytest.importorskip("torch")


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


def test_images_are_looked_for_before_the_network_is_loaded(tmp_path, monkeypatch):
    """A misspelt name is told at once."""
    monkeypatch.setattr("boda.pipelines.explaining.subjects.loaded", lambda *_: pytest.fail("loaded"))
    with pytest.raises(NotFound, match=r"nothing\.boda"):
        boda.explain(tmp_path / "nothing.boda")
