"""`boda explain`: what it says, and how it refuses."""

import numpy as np
import pytest
from PIL import Image

import boda
from spoken import one_line, one_object


@pytest.fixture
def noise(tmp_path):
    """Four small pictures with handmade features: nothing is loaded, and occlusion explains them."""
    images = tmp_path / "images"
    images.mkdir()
    rng = np.random.default_rng(0)
    for name in "abcd":
        Image.fromarray(rng.integers(0, 256, (64, 64, 3), np.uint8)).save(images / f"{name}.png")
    encoders = ["handmade:hog-colour"]
    return boda.embed(images, encoders=encoders, to=tmp_path / "noise.boda", executor="in-process", workers=1)


LIKE = ("--score", "like:a.png", "--method", "occlusion", "--at-once", "256")


def test_a_row_an_image_with_its_verdict(run, noise, tmp_path):
    """Score, value, method, how far it is from what is stored, and the page."""
    result = run("explain", noise.path, *LIKE, "--row", "b.png", "--no-check")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0].split("  ")[0] == "image"
    assert lines[1].startswith("b.png  likeness to a.png  0.")
    assert lines[-1].startswith(f"page: {tmp_path}/noise-explain/like_a.png_occlusion")


def test_json_is_one_object(run, noise):
    """The record that is written, with its checks."""
    found = one_object(run("explain", noise.path, *LIKE, "-n", "1", "--seed", "3", "--json"))
    assert found["images_to_choose_from"] == 4
    (image,) = found["images"]
    assert image["off_stored"] < 1e-4
    assert image["maps"][0]["checks"]["verdict"]


def test_methods_are_compared(run, noise):
    """Those that need gradients say why they cannot; one image is too few to say anything."""
    options = ("--compare", "--score", "like:a.png", "--method", "occlusion,gradient", "--row", "b.png")
    result = run("explain", noise.path, *options, "--at-once", "256")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "occlusion" in result.stdout.splitlines()[1]
    assert "too few images to tell a method from a blob in the middle" in result.stdout
    assert "standard deviations off what is stored" in result.stdout
    assert "gradient: encoder 'handmade:hog-colour'" in result.stdout


def test_methods_may_have_spaces_between_them(run, noise):
    """As people write lists."""
    options = ("--score", "like:a.png", "--method", "occlusion, gradient", "--row", "b.png", "--no-check")
    result = run("explain", noise.path, *options, "--at-once", "256")
    assert result.exit_code == 0
    assert "mind: no gradient: encoder 'handmade:hog-colour'" in result.stdout


def test_refusals_are_one_line(run, noise, tmp_path):
    """And wrong usage exits with 2."""
    assert "no network of torch" in one_line(run("explain", noise.path, "--score", "like:a.png"))
    assert "no score 'cats'" in one_line(run("explain", noise.path, "--score", "cats"))
    assert "has no classifier" in one_line(run("explain", noise.path, "--method", "occlusion"))
    assert "no method 'magic'" in one_line(run("explain", noise.path, "--method", "magic"))
    assert "leave out head and class" in one_line(run("explain", noise.path, *LIKE, "--class", "1"))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "explained.html").write_text("mine")
    assert "--force" in one_line(run("explain", noise.path, *LIKE, "--to", tmp_path / "out"))
    for wrong in (["-n", "0"], ["--opacity", "2"], ["--seed", "-1"], ["--at-once", "0"], ["--compare", "--no-check"]):
        assert run("explain", noise.path, *LIKE, *wrong).exit_code == 2
