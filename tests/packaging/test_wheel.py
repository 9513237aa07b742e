"""The wheel, as a user gets it: built once, and used without the source tree."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from hostile import picture

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_the_wheel_does_the_main_job(tmp_path: Path) -> None:
    """Built, unpacked elsewhere, it embeds a folder; it holds the types mark and no tests."""
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("boda-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        archive.extractall(tmp_path / "site")
    assert "boda/py.typed" in names
    assert not [name for name in names if name.startswith("tests")]
    photos = tmp_path / "photos"
    photos.mkdir()
    for i in range(5):
        (photos / f"{i}.png").write_bytes(picture(i))
    environment = dict(os.environ, PYTHONPATH=str(tmp_path / "site"))
    where = subprocess.run(
        [sys.executable, "-c", "import boda; print(boda.__file__)"],
        env=environment, cwd=tmp_path, check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert Path(where.stdout.strip()).is_relative_to(tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "boda", "embed", "photos", "-e", "handmade:hog-colour", "--json"],
        env=environment, cwd=tmp_path, check=True, capture_output=True, text=True,
    )  # fmt: skip
    report = json.loads(done.stdout)
    assert (report["listed"], report["embedded"]) == (5, 5)
    assert (tmp_path / "photos.boda" / "boda.db").is_file()
