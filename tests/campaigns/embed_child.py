"""A run that says when it begins and ends each commit, for those who want to kill it at a bad moment.

python embed_child.py SOURCE WORKSPACE SECONDS_A_BATCH
"""

import sys

import boda
from boda.workspace.records import Block
from boda.workspace.writer import Writer
from hashing import HashEncoder

commit = Writer.commit
committed = 0


def spoken_commit(self: Writer, block: Block) -> None:
    """Commit, and say so before and after."""
    global committed
    print("begin", flush=True)
    commit(self, block)
    committed += len(block.reads)
    print(f"end {committed}", flush=True)


if __name__ == "__main__":
    Writer.commit = spoken_commit  # type: ignore[method-assign]
    source, workspace, slow = sys.argv[1:]
    boda.embed(source, encoders=HashEncoder(float(slow)), to=workspace, precision="fp32", block_seconds=0.0, workers=1)
    print("done", flush=True)
