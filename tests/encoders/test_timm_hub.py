"""Published weights: from the cache without a network, and a clear word where they are neither here nor to be had."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

import boda
from boda.encoders.timm_hub import cached_weights, published_weights
from boda.encoders.timm_models import import_timm
from boda.errors import NotOffline, Refused

timm = import_timm("a test")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty hub cache, offline."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path / "torch"))
    return tmp_path / "hub"


def put(hub: Path, repository: str, file: Path, name: str) -> Path:
    """Lay a file into a hub cache as the hub's library does."""
    folder = hub / f"models--{repository.replace('/', '--')}"
    place = folder / "snapshots" / ("0" * 40) / name
    place.parent.mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("0" * 40)
    shutil.copy(file, place)
    return place


def test_the_cache_is_used_offline(hub: Path, resnet_file: Path):
    """A model that was fetched once works without a network, and gives what its file gives."""
    config = timm.get_pretrained_cfg("test_resnet")
    assert cached_weights(config) is None
    place = put(hub, config.hf_hub_id, resnet_file, "model.safetensors")
    assert cached_weights(config) == place
    cached = boda.load_encoder("timm:test_resnet")
    assert cached.recipe == boda.load_encoder("timm:test_resnet", weights=resnet_file).recipe
    assert cached.recipe.licence == config.license


def test_not_here_and_offline_names_file_folder_and_what_works(hub: Path):
    """One line: the file, the cache folder, --weights, and auto. Random weights are never used instead."""
    with pytest.raises(NotOffline) as error:
        boda.load_encoder("timm:test_resnet")
    text = str(error.value)
    for part in ("timm/test_resnet.r160_in1k/model.safetensors", str(hub), "--weights FILE", "'auto'"):
        assert part in text
    assert "\n" not in text


def test_a_hub_out_of_reach_is_told_at_once(hub: Path, monkeypatch: pytest.MonkeyPatch):
    """Without offline mode too: one knock at a closed door, no minute of retries."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("boda.encoders.hub.getproxies", dict)
    with pytest.raises(NotOffline, match=r"cannot be fetched \(ConnectionRefusedError\)"):
        boda.load_encoder("timm:test_resnet")


def test_models_outside_the_hub_are_looked_for_in_torchs_cache(hub: Path, resnet_file: Path):
    """Some models have only a URL: the file lies in torch's cache, or the error names that folder."""
    config = SimpleNamespace(hf_hub_id=None, hf_hub_filename=None, url="http://localhost:9/weights-0123abcd.pth")
    with pytest.raises(NotOffline, match="checkpoints"):
        published_weights("it", config)
    folder = hub.parent / "torch" / "checkpoints"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(resnet_file, folder / "weights-0123abcd.pth")
    assert published_weights("it", config) == folder / "weights-0123abcd.pth"


def test_models_nobody_trained_are_refused():
    """Without published weights there is nothing to fetch."""
    with pytest.raises(Refused, match="no published weights"):
        published_weights("it", None)
