"""Where torch cannot be imported, what needs none works, and what needs it says what to install."""

import subprocess
import sys

BLOCK = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "timm", "torchvision"}:
            raise ImportError(f"{name} is blocked")
sys.meta_path.insert(0, Blocked())
import boda, numpy as np
"""


def run(code: str) -> str:
    """What a fresh process without torch prints."""
    command = [sys.executable, "-W", "error", "-c", BLOCK + code]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.strip()


def test_the_handmade_encoder_works():
    """The whole way, from the name to features."""
    code = """
encoder = boda.load_encoder("handmade:hog-colour")
print(encoder(np.zeros((2, 128, 128, 3), np.uint8)).shape)
"""
    assert run(code) == "(2, 2020)"


def test_torch_encoders_say_what_to_install():
    """auto, timm's and our own, in one line each."""
    code = """
for name in ("auto", "timm:resnet18", "resnet:resnet18"):
    try:
        boda.load_encoder(name)
    except boda.BodaError as error:
        print(type(error).__name__, error)
"""
    for line, name in zip(run(code).splitlines(), ("auto", "timm:resnet18", "resnet:resnet18"), strict=True):
        assert line.startswith("MissingExtra")
        assert name in line
        assert "pip install 'boda[torch]'" in line


def test_bf16_and_near_names_do_without():
    """Nothing else trips over its absence."""
    code = """
from boda.encoders.precision import bf16_is_fast, choose_precision
from boda.pipelines.encoders import encoders
encoder = boda.load_encoder("handmade:hog-colour")
print(bf16_is_fast("cpu"), choose_precision(encoder, np.zeros((1, 128, 128, 3), np.uint8)) is encoder)
try:
    boda.load_encoder("autos")
except boda.BodaError as error:
    print(type(error).__name__)
print([one.name for one in encoders().encoders if one.here])
"""
    assert run(code).splitlines() == ["False True", "UnknownEncoder", "['handmade:hog-colour']"]
