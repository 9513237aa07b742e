"""The door to torchvision: it opens where the compiled operators do not load, and touches nothing where they do."""

import subprocess
import sys

DOOR = "from boda.torchvision_door import open_door, _kept_alive; "


def run(code: str) -> str:
    """What a fresh process prints."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True, timeout=120
    ).stdout.strip()


def test_torchvision_and_its_transforms_import_after_the_door():
    """Twice through the door is once; models, transforms and timm then work, without a warning."""
    code = (
        DOOR + "open_door(); open_door(); assert len(_kept_alive) <= 1; "
        "import torchvision.models, torchvision.transforms.v2, timm; "
        "print(timm.create_model('test_resnet').num_classes)"
    )
    assert run(code) == "1000"


def test_nothing_is_declared_where_the_operators_load():
    """With operators that load, the schemas stay theirs."""
    code = (
        "import boda.torchvision_door as door; door._operators_load = lambda folder: True; "
        "door.open_door(); print(door._kept_alive)"
    )
    assert run(code) == "[]"


def test_nothing_happens_once_torchvision_is_there():
    """An imported torchvision has its schemas from somewhere; the door stays shut."""
    code = "import sys, types; sys.modules['torchvision'] = types.ModuleType('torchvision'); " + DOOR
    assert run(code + "open_door(); print(_kept_alive, 'torch' in sys.modules)") == "[] False"


def test_nothing_is_imported_where_torchvision_is_not_installed():
    """A machine without torchvision pays nothing."""
    code = "import importlib.util, sys; importlib.util.find_spec = lambda name: None; " + DOOR
    assert run(code + "open_door(); print(_kept_alive, 'torch' in sys.modules)") == "[] False"
