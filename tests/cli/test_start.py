"""The command line starts light, and asks for torch only where torch is needed."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

HEAVY = ("torch", "sklearn", "skimage", "scipy", "pyarrow", "matplotlib", "numpy", "PIL", "rich", "fsspec", "timm")

ENDS = """
from boda.cli.main import cli
try:
    cli.main({0!r})
except SystemExit as end:
    assert end.code == {1}
"""


def python(code: str, *, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh process."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=cwd, timeout=120)


def loaded_after(code: str) -> set[str]:
    """Heavy libraries that are loaded after some code."""
    done = python(f"{code}\nimport sys\nprint('LOADED', *[m for m in {HEAVY!r} if m in sys.modules])")
    assert done.returncode == 0, done.stderr
    return set(done.stdout.rpartition("LOADED")[2].split())


def test_import_boda_is_light():
    """`import boda` loads none of the heavy libraries."""
    assert loaded_after("import boda; boda.__version__; dir(boda)") == set()


@pytest.mark.parametrize("arguments", [["--help"], ["embed", "--help"], ["train", "--help"], ["--version"]])
def test_help_is_light(arguments):
    """Neither is one loaded to print a page of help."""
    assert loaded_after(ENDS.format(arguments, 0)) == set()


def test_a_wrong_path_is_told_without_torch():
    """A command that fails early has not loaded what it would have needed late."""
    assert loaded_after(ENDS.format(["info", "nowhere"], 1)).isdisjoint(
        {"torch", "timm", "sklearn", "skimage", "matplotlib", "rich"}
    )


def test_the_public_names_are_these():
    """Each can be had, and none hides a package of the same name."""
    import boda

    assert set(boda.__all__) == {
        *("open", "embed", "search", "predict", "label", "info", "doctor", "export", "import_features", "demo"),
        *("train", "evaluate", "compare", "import_head", "export_head", "Head", "augment", "train_network", "finetune"),
        *("cluster", "map_points", "inspect", "explain", "compare_explanations", "look_inside", "why_similar"),
        *("quarantine", "export_quarantine", "retry_quarantined", "load_encoder", "list_encoders", "open_source"),
        *("Workspace", "FeatureSet", "Recipe", "PixelSpec", "Encoder", "Source", "ImageRef", "BodaError"),
    }
    for name in boda.__all__:
        assert callable(getattr(boda, name))
    packages = {path.parent.name for path in Path(boda.__file__).parent.glob("*/__init__.py")}
    assert packages.isdisjoint(boda.__all__)


def seconds(*arguments: str) -> float:
    """The least wall time of seven fresh processes."""
    found = []
    for _ in range(7):
        began = time.perf_counter()
        subprocess.run([sys.executable, *arguments], capture_output=True, check=True, timeout=60)
        found.append(time.perf_counter() - began)
    return min(found)


@pytest.mark.slow
def test_starting_takes_no_time():
    """`import boda` within 60 ms and `boda --help` within 150 ms of what Python itself takes; measured 10 and 53."""
    python_itself = seconds("-c", "pass")
    assert seconds("-c", "import boda") - python_itself < 0.060
    assert seconds("-m", "boda", "--help") - python_itself < 0.150


@pytest.mark.slow
def test_everything_but_torch_encoders_works_without_torch(workspace, photos, tmp_path):
    """Where torch cannot be imported all but torch encoders works, and these say what to install."""
    blocked = "import sys\nfor name in ('torch', 'torchvision', 'timm'):\n    sys.modules[name] = None\n"
    run = blocked + "from boda.cli.main import main\nsys.argv = ['boda', *{!r}]\nmain()\n"

    def boda(*arguments: str) -> subprocess.CompletedProcess[str]:
        return python(run.format(list(map(os.fspath, arguments))), cwd=tmp_path)

    opened = python(f"{blocked}import boda\nws = boda.open({str(workspace.path)!r})\nprint(ws.features().array.shape)")
    assert opened.stdout.strip() == "(13, 2020)", opened.stderr
    for arguments in (
        ("info", workspace.path),
        ("doctor", workspace.path, "--deep"),
        ("search", workspace.path, "--row", "red 1.png"),
        ("search", workspace.path, "--image", photos / "red 1.png"),
        ("export", workspace.path, "--to", "out.parquet"),
        ("quarantine", workspace.path, "list"),
        ("encoders",),
        ("embed", photos, "-e", "handmade:hog-colour", "--to", "again.boda"),
    ):
        done = boda(*arguments)
        assert done.returncode == 0, (arguments, done.stderr)
    for encoder in ("auto", "timm:resnet18"):
        done = boda("embed", photos, "-e", encoder, "--to", "other.boda")
        assert done.returncode == 1
        assert "pip install 'boda[torch]'" in done.stderr
        assert len(done.stderr.splitlines()) == 1
