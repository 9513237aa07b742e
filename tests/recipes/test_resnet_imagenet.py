"""The recipe of ImageNet, tiny: parts of four photographs; and how errors are counted."""

import pytest

import resnet_imagenet
from boda.errors import NotFound
from boda.pipelines.predict import Prediction, Ranked
from boda.unreadable import Code, Stage, Unreadable


def test_a_smoke_run_trains_and_tests_in_three_ways(boda_data, tmp_path):
    """From the folder it makes to the receipt; the second call trains nothing and says the same."""
    folder = resnet_imagenet.little_imagenet(boda_data, tmp_path / "little", classes=3)
    assert len(list(folder.glob("train/*/*.JPEG"))) == 12
    assert len(list(folder.glob("val/*/*.JPEG"))) == 3
    how = {**resnet_imagenet._SMOKE, "size": 32, "settings": {"epochs": 1, "batch": 8, "lr": 0.05}}
    first, again = (resnet_imagenet.run(folder, tmp_path, device="cpu", tell=lambda _: None, **how) for _ in range(2))
    assert "9 images in 1 steps; best epoch 1 of 1" in first
    rows = [line.split("|")[1:] for line in first.splitlines() if line.startswith(("| centre", "| 10", "| scales"))]
    assert [row[0].strip() for row in rows] == ["centre crop", "10 crops", "scales"]
    assert [row[1].strip() for row in rows] == ["3"] * 3
    assert rows[1][3].strip() == "27.88"
    assert first.splitlines()[:6] == again.splitlines()[:6]


def test_errors_are_counted_by_the_folder_of_each_image():
    """First, among five, not at all; what cannot be read is left out."""

    def page(key: str, *names: str) -> Prediction:
        return Prediction(key, tuple(Ranked(0, name, 1.0) for name in names))

    pages = [
        page("cat/1.jpg", "cat", "dog", "cow", "hen", "owl", "ant"),
        page("dog/2.jpg", "cat", "dog", "cow", "hen", "owl"),
        page("owl/3.jpg", "cat", "dog", "cow", "hen", "owl"),
        page("bee/4.jpg", "cat", "dog", "cow", "hen", "owl"),
        Prediction("cat/5.jpg", (), Unreadable(Stage.DECODE, Code.TRUNCATED, "cut off")),
    ]
    assert resnet_imagenet.errors_of(pages) == (75.0, 25.0, 4)
    with pytest.raises(NotFound, match="none of the validation images"):
        resnet_imagenet.errors_of(pages[-1:])


def test_another_layout_is_refused(tmp_path):
    """Before anything is written."""
    (tmp_path / "train").mkdir()
    with pytest.raises(NotFound, match="val: no such folder; ImageNet's layout"):
        resnet_imagenet.run(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()
