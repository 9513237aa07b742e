"""Workspaces for the tests of commands."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


def load_making() -> ModuleType:
    """The module tests/making.py, which is no package's."""
    if "boda_tests_making" not in sys.modules:
        spec = importlib.util.spec_from_file_location("boda_tests_making", Path(__file__).parents[1] / "making.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
    return sys.modules["boda_tests_making"]


@pytest.fixture
def photos(tmp_path):
    """A folder of 12 small photographs, a copy and a broken file."""
    return load_making().make_photos(tmp_path / "photos")


@pytest.fixture
def workspace(tmp_path, photos):
    """Its workspace, with features of `handmade:hog-colour`."""
    return load_making().make_workspace(tmp_path / "photos.boda", photos)
