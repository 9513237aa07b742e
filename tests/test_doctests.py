"""The examples in docstrings are true."""

import doctest
import importlib
import pkgutil

import pytest

import boda

MODULES = sorted(
    module.name for module in pkgutil.walk_packages(boda.__path__, "boda.") if module.name != "boda.__main__"
)


@pytest.mark.parametrize("name", MODULES)
def test_examples_hold(name):
    """Every `>>>` in this module gives what stands below it."""
    assert doctest.testmod(importlib.import_module(name)).failed == 0
