"""The beginning of a decoder process: tie its life to its parent's, then import what decoding needs.

Started as `python -m boda.decoding.worker PIPE_FD PARENT_PID`, so that nothing of the caller's program is imported
again. It has no catalogue and no stdout, and it ends with its parent, also while it is still starting: so this module
imports next to nothing.
"""

import contextlib
import ctypes
import json
import os
import signal
import sys
import threading
import time
from multiprocessing.connection import Connection

_PR_SET_PDEATHSIG = 1


def end_with_parent(parent: int) -> None:
    """Die when the parent dies, however that happens: the kernel's signal on Linux, a watchful thread elsewhere."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    else:
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    if os.getppid() != parent:
        os._exit(1)


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def main() -> None:
    """Tie, then serve."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent(int(sys.argv[2]))
    pipe = Connection(int(sys.argv[1]))
    with contextlib.suppress(EOFError, ConnectionResetError):
        sys.path[:] = json.loads(pipe.recv_bytes())
        from boda.decoding.serving import run

        run(pipe)


if __name__ == "__main__":
    main()
