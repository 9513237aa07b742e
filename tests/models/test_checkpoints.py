"""Files of weights become networks, or are refused in one line."""

from collections import OrderedDict
from pathlib import Path

import pytest
import torch
import torchvision

from boda.encoders.resnets import load_resnet
from boda.errors import NotFound, Refused
from boda.models.architectures import ARCHITECTURES
from boda.models.checkpoints import classes_in, our_names
from boda.models.resnet import ResNet
from resnet_checks import images, shake


def save_as_akamaster(network: ResNet, place: Path) -> Path:
    """As github.com/akamaster/pytorch_resnet_cifar10 saves: DataParallel's prefix, `linear` for `fc`, a record beside."""
    names = OrderedDict(
        (f"module.{name.replace('fc.', 'linear.').replace('downsample', 'shortcut')}", tensor)
        for name, tensor in network.state_dict().items()
    )
    torch.save({"state_dict": names, "best_prec1": 91.7}, place)
    return place


def test_torchvisions_files_load_unchanged(tmp_path: Path):
    """A state dict that torchvision saved, with its own number of classes."""
    theirs = shake(torchvision.models.resnet18(num_classes=7)).eval()
    torch.save(theirs.state_dict(), tmp_path / "resnet18.pth")
    ours, loaded = load_resnet(ARCHITECTURES["resnet18"], tmp_path / "resnet18.pth")
    torch.testing.assert_close(ours.eval()(images()), theirs(images()))
    assert not loaded.missing
    assert loaded.note == ""


@pytest.mark.parametrize("shortcut", ["A", "B"])
def test_files_of_akamaster_load(tmp_path: Path, shortcut: str):
    """Prefix, `linear` and, with option B, `shortcut` are put under our names."""
    network = shake(ResNet(ARCHITECTURES["resnet20"], shortcut=shortcut)).eval()
    file = save_as_akamaster(network, tmp_path / "resnet20.th")
    read, loaded = load_resnet(ARCHITECTURES["resnet20"], file, shortcut=shortcut)
    assert torch.equal(read.eval()(images(2, 32)), network(images(2, 32)))
    assert not loaded.missing
    assert loaded.note == ""


def test_a_file_without_classifier_gives_features(tmp_path: Path):
    """The rest is there; what is missing is said."""
    state = {
        name: tensor for name, tensor in ResNet(ARCHITECTURES["resnet20"]).state_dict().items() if "fc" not in name
    }
    torch.save(state, tmp_path / "headless.pt")
    _, loaded = load_resnet(ARCHITECTURES["resnet20"], tmp_path / "headless.pt")
    assert loaded.missing == {"fc.weight", "fc.bias"}


def test_what_does_not_fit_is_refused_in_one_line(tmp_path: Path):
    """Missing and unexpected names, other shapes, no tensors, code in the file, no file."""
    file = save_as_akamaster(ResNet(ARCHITECTURES["resnet20"]), tmp_path / "resnet20.th")
    torch.save({"weights": torch.nn.Linear(2, 2)}, tmp_path / "code.th")
    (tmp_path / "text.th").write_text("no weights")
    wide = {
        name: tensor.repeat_interleave(2, 0) for name, tensor in torch.load(file)["state_dict"].items() if tensor.ndim
    }
    torch.save(wide, tmp_path / "wide.th")
    cases = [
        ("resnet32", file, None, "missing: layer1.3.conv1.weight"),
        ("resnet18", file, None, "does not fit"),
        ("resnet20", file, "B", "missing: layer2.0.downsample.0.weight"),
        ("resnet20", tmp_path / "wide.th", None, "of another shape"),
        ("resnet20", tmp_path / "code.th", None, "never unpickles code"),
        ("resnet20", tmp_path / "text.th", None, "not readable"),
    ]
    for name, place, shortcut, said in cases:
        with pytest.raises(Refused, match=said) as refusal:
            load_resnet(ARCHITECTURES[name], place, shortcut=shortcut)
        assert "\n" not in str(refusal.value)
        assert str(place) in str(refusal.value)
    with pytest.raises(NotFound, match="no such file"):
        load_resnet(ARCHITECTURES["resnet20"], tmp_path / "gone.th")


def test_classes_are_counted_by_the_classifier():
    """Under a prefix too; a name that only ends alike is another."""
    assert classes_in({"module.fc.weight": torch.zeros(7, 3)}) == 7
    assert classes_in({"sfc.weight": torch.zeros(7, 3)}) is None
    assert list(our_names({"module.linear.weight": torch.zeros(1)})) == ["module.fc.weight"]
