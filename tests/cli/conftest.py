"""A command in this process, and small workspaces with something to learn."""

import csv
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from boda.cli.main import cli
from boda.cli.show import Show
from boda.workspace.workspace import Workspace, open_workspace


def call(*arguments: str | Path) -> Result:
    """`boda ARGUMENTS` in this process."""
    result = CliRunner().invoke(cli, list(map(os.fspath, arguments)), obj=Show())
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.fixture
def run() -> Callable[..., Result]:
    """Run `boda ARGUMENTS` in this process."""
    return call


@pytest.fixture
def scored(tmp_path: Path) -> Workspace:
    """80 images in name only: y follows two features and the column `area`, `kind` follows a third feature."""
    from synthetic import synthetic_workspace

    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 6))
    area = rng.normal(size=80) * 1e4
    columns = {
        "y": (2 * x[:, 0] + x[:, 1] + area / 1e4).tolist(),
        "kind": np.where(x[:, 2] > 0, "merger", "smooth").tolist(),
        "area": area.tolist(),
        "who": [f"person {row // 4}" for row in range(80)],
    }
    return synthetic_workspace(tmp_path / "scored.boda", {"plain": x, "noise": rng.normal(size=(80, 4))}, columns)


@pytest.fixture(scope="session")
def album(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with photos/ and album.boda, which knows their colour and width, and has heads colour, redness, both."""
    from making import COLOURS, make_photos, make_workspace

    folder = tmp_path_factory.mktemp("album")
    photos = make_photos(folder / "photos", each=8)
    workspace = make_workspace(folder / "album.boda", photos)
    rng = np.random.default_rng(1)
    with (folder / "labels.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["key", "colour", "redness", "iso"])
        for path in sorted(photos.glob("*.png")):
            colour = path.name.partition(" ")[0]
            if colour in COLOURS:
                iso = rng.normal()
                table.writerow([path.name, colour, COLOURS[colour][0] / 10 + iso + 0.1 * rng.normal(), iso])
    assert call("label", workspace.path, "--from", folder / "labels.csv", "-q").exit_code == 0
    train = ("train", workspace.path, "--folds", "3", "--no-page", "-q")
    assert call(*train, "--target", "colour", "--to", folder / "colour").exit_code == 0
    assert call(*train, "--target", "redness").exit_code == 0
    both = call(*train, "--target", "redness", "--inputs", "handmade:hog-colour,iso", "--name", "both")
    assert both.exit_code == 0, both.output
    return folder


@pytest.fixture(scope="session")
def heads(album: Path) -> Workspace:
    """The workspace of the album."""
    return open_workspace(album / "album.boda")
