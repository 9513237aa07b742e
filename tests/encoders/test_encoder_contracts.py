"""Every encoder boda brings keeps the contract."""

from pathlib import Path
from typing import ClassVar

import pytest

import boda
from boda.encoders.base import Encoder
from boda.testing import EncoderContract


class TestAuto(EncoderContract):
    name = "auto"


class TestHogColour(EncoderContract):
    name = "handmade:hog-colour"


class _FromFile(EncoderContract):
    model: ClassVar[str]
    _file: ClassVar[Path]

    def make(self) -> Encoder:
        return boda.load_encoder(self.model, weights=self._file)


class TestResNet(_FromFile):
    model = "timm:test_resnet"

    @pytest.fixture(autouse=True)
    def _weights(self, resnet_file: Path) -> None:
        type(self)._file = resnet_file


class TestVit(_FromFile):
    model = "timm:test_vit"

    @pytest.fixture(autouse=True)
    def _weights(self, vit_file: Path) -> None:
        type(self)._file = vit_file
