"""Cores: who asks for one thread within another waits for nobody."""

import threading

import pytest
from threadpoolctl import threadpool_limits

from boda import cores


@pytest.mark.parametrize("outer", ["one_thread", "side_by_side"])
def test_one_thread_inside_another_waits_for_nobody(outer):
    """A bootstrap inside a problem that is solved beside others ends, on a machine of any number of cores."""
    done = []

    def inner(_: object = None) -> None:
        with cores.one_thread():
            done.append(True)

    def work() -> None:
        with threadpool_limits(2, user_api="blas"):
            if outer == "one_thread":
                with cores.one_thread():
                    inner()
            else:
                cores.side_by_side(inner, [1, 2])

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(timeout=20)
    assert not thread.is_alive(), "it waits for itself"
    assert done
