"""Doctor says whole, or names what is damaged; repair forgets just that."""

import pytest

import boda
from boda.errors import NotAWorkspace


def damage(workspace) -> None:
    segment = next(path for path in workspace.path.rglob("*.npy") if path.stat().st_size > 50_000)
    data = bytearray(segment.read_bytes())
    data[-100] ^= 1
    segment.chmod(0o644)
    segment.write_bytes(data)


def test_a_whole_workspace_is_whole(workspace):
    """Quick and deep."""
    for deep in (False, True):
        found = boda.doctor(workspace, deep=deep)
        assert found.whole
        assert found.as_json()["whole"] is True
        assert "whole" in found.lines()[-1]


def test_a_flipped_bit_is_found_by_the_deep_check_and_forgotten_by_repair(workspace):
    """Damage is named with the file; after repair these rows are work again."""
    damage(workspace)
    found = boda.doctor(workspace, deep=True)
    assert not found.whole
    assert any(".npy" in line for line in found.lines())
    repaired = boda.doctor(workspace, deep=True, repair=True)
    assert repaired.forgotten == 12
    assert repaired.whole


def test_what_is_no_workspace_is_named(tmp_path):
    """A folder of anything."""
    with pytest.raises(NotAWorkspace):
        boda.doctor(tmp_path)
