"""Slips that hand-typed ResNets are published with: each, put into our own source, breaks a check that holds without."""

import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import boda.models
from resnet_checks import (
    Models,
    check_any_norm,
    check_basic,
    check_bottlenecks,
    check_dilation,
    check_he_initialisation,
    check_projections,
    check_zero_init,
)

SOURCE = Path(boda.models.__file__).parent
BREAKS = (AssertionError, AttributeError, NameError, NotImplementedError, RuntimeError, TypeError)


@dataclass(frozen=True)
class Slip:
    """A few characters that go wrong."""

    file: str
    was: str
    becomes: str
    check: object


def nested(text: str) -> str:
    """A method one step further to the right: a function inside `__init__`, which nobody calls."""
    return "".join(f"    {line}" if line.strip() else line for line in text.splitlines(keepends=True))


def method(file: str, begin: str, end: str) -> str:
    """The source from one line to another."""
    text = (SOURCE / file).read_text("utf-8")
    return text[text.index(begin) : text.index(end, text.index(begin))]


FORWARD = method("resnet.py", "    def forward(self, images", "    def forward_maps")

SLIPS = {
    "a convolution is named con2 and called conv2": Slip(
        "blocks.py", "self.conv2 = conv3x3(width", "self.con2 = conv3x3(width", check_bottlenecks
    ),
    "identity is misspelt, so that the shortcut is unbound": Slip(
        "blocks.py", "        identity = x\n", "        indentity = x\n", check_basic
    ),
    "identity is misspelt, so that the projection is computed and dropped": Slip(
        "blocks.py", "identity = self.downsample(x)", "indentity = self.downsample(x)", check_projections
    ),
    "norm_layer is asked for as _norm_layer": Slip(
        "resnet.py", "norm_layer=norm_layer,", "norm_layer=self._norm_layer,", check_bottlenecks
    ),
    "norm_layer is taken and not handed on": Slip(
        "resnet.py", "            norm_layer=norm_layer,\n", "", check_any_norm
    ),
    "if dilation in place of if dilate": Slip("resnet.py", "if dilate:", "if dilation:", check_dilation),
    "self.moduels": Slip("resnet.py", "network.modules()", "network.moduels()", check_he_initialisation),
    "a method is nested in __init__": Slip("resnet.py", FORWARD, nested(FORWARD), check_basic),
    "channels after a stage are not multiplied by the expansion": Slip(
        "resnet.py", "entering = planes * block.expansion", "entering = planes", check_bottlenecks
    ),
    "the first norm is used twice": Slip(
        "blocks.py", "self.bn2(self.conv2(out))", "self.bn1(self.conv2(out))", check_basic
    ),
    "the sum comes after the ReLU": Slip(
        "blocks.py",
        "            out = out + identity\n        answer: Tensor = self.relu3(out)",
        "            answer: Tensor = self.relu3(out) + identity",
        check_bottlenecks,
    ),
    "the wrong norm begins at zero": Slip("blocks.py", "return self.bn3", "return self.bn2", check_zero_init),
}


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of our package of models that can be imported under the name `slipped`."""
    folder = tmp_path / "slipped"
    shutil.copytree(SOURCE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in folder.glob("*.py"):
        file.write_text(file.read_text("utf-8").replace("boda.models", "slipped"), "utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield folder
    for name in [name for name in sys.modules if name == "slipped" or name.startswith("slipped.")]:
        del sys.modules[name]


@pytest.mark.parametrize("slip", SLIPS.values(), ids=SLIPS.keys())
def test_every_slip_breaks_a_check(copied: Path, slip: Slip):
    """The check holds for the real source, and fails for the same source with the slip in it."""
    slip.check(Models())
    file = copied / slip.file
    text = file.read_text("utf-8")
    assert slip.was in text
    file.write_text(text.replace(slip.was, slip.becomes), "utf-8")
    with pytest.raises(BREAKS):
        slip.check(Models("slipped"))


def test_the_copy_without_a_slip_holds(copied: Path):
    """It is the slip that breaks the check, not the copying."""
    check_basic(Models("slipped"))
    check_projections(Models("slipped"))


def test_there_are_the_nine_and_more():
    """The published nine are a part of these; none changes nothing."""
    assert len(SLIPS) >= 9
    assert all(slip.was != slip.becomes for slip in SLIPS.values())
