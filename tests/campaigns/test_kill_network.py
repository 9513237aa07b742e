"""A killed run of a real network ends with the very bits of a run that was left alone."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import boda
from boda.pipelines.run.computing import BATCH_ON_CPU
from hostile import picture

CHILD = """
import sys
import boda
from boda.workspace.writer import Writer
commit = Writer.commit
def spoken(self, block):
    commit(self, block)
    print("committed", flush=True)
Writer.commit = spoken
boda.embed(sys.argv[1], to=sys.argv[2], block_seconds=0.0)
"""


@pytest.mark.slow
def test_a_killed_network_ends_with_the_same_bits(tmp_path: Path) -> None:
    """Also when files were fresh at the first listing, bad files lie between, and the last batch is short."""
    folder = tmp_path / "images"
    folder.mkdir()
    for i in range(150):
        data = picture(i)
        (folder / f"{i:03d}.png").write_bytes(data[:40] if i % 41 == 3 else data)
    undisturbed = boda.embed(folder, to=tmp_path / "whole.boda").features()
    killed = tmp_path / "killed.boda"
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path))
    for commits in (2, 1):
        arguments = [sys.executable, "-c", CHILD, str(folder), str(killed)]
        run = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env=environment)
        assert run.stdout is not None
        for _ in range(commits):
            assert run.stdout.readline() == "committed\n"
        run.kill()
        run.wait()
        run.stdout.close()
    there = boda.open(killed).counts([undisturbed.recipe.id])
    assert 3 * BATCH_ON_CPU <= there.embedded + there.quarantined < 150
    resumed = boda.embed(folder, to=killed)
    assert resumed.report["skipped"] == there.embedded
    features = resumed.features()
    assert features.recipe == undisturbed.recipe
    assert list(features.keys) == list(undisturbed.keys)
    np.testing.assert_array_equal(features.array, undisturbed.array)
