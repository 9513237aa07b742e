"""Every encoder boda brings keeps the contract."""

from pathlib import Path
from typing import ClassVar

import pytest

import boda
from boda.encoders.base import Encoder
from boda.testing import EncoderContract


class TestAuto(EncoderContract):
    name = "auto"


class TestLayerOfAuto(EncoderContract):
    name = "auto?drop_rate=0"
    options: ClassVar = {"layer": "blocks.3", "pooling": "gem", "pixels": "size=160,mean=0.4/0.5/0.6"}


class TestHogColour(EncoderContract):
    name = "handmade:hog-colour"


class _FromFile(EncoderContract):
    model: ClassVar[str]
    _file: ClassVar[Path]

    def make(self) -> Encoder:
        return boda.load_encoder(self.model, weights=self._file, **self.options)


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


class TestFoldedLayer(TestResNet):
    """A convolution whose norm would be folded into it."""

    options: ClassVar = {"layer": "layer1.0.conv1"}


class TestLastMapOfResNet(TestResNet):
    options: ClassVar = {"pooling": "gem"}


class TestTokens(TestVit):
    options: ClassVar = {"layer": "blocks.2", "pooling": "mean"}


class TestClassToken(TestVit):
    options: ClassVar = {"layer": "blocks.2", "pooling": "cls"}
