"""Random lives of a workspace against a model made of dicts."""

import shutil
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from boda.workspace.doctor import examine
from boda.workspace.records import Block
from boda.workspace.workspace import create_workspace, open_workspace

KEYS = [*"abcdef", "g\nh", "i\udce9"]
TEXTS = ["red", "green", "blue", "bad"]


class Life(RuleBasedStateMachine):
    """A folder of texts in place of images: each run lists, verifies, computes, and may stop early."""

    kit = None

    @initialize()
    def create(self) -> None:
        """Start with an empty workspace and an empty folder."""
        self.folder = Path(tempfile.mkdtemp())
        self.workspace = create_workspace(self.folder / "a.boda")
        self.disk: dict[str, tuple[str, int]] = {}
        self.listed: list[str] = []
        self.clock = self.kit.old
        self.seen: dict[str, str] = {}
        self.finished = False
        self.heads: dict[str, dict[str, bytes]] = {}
        with self.workspace.write() as writer:
            writer.add_recipe(self.kit.recipe, self.kit.width)

    @rule(key=st.sampled_from(KEYS), text=st.sampled_from(TEXTS))
    def put(self, key: str, text: str) -> None:
        """A file is new, or changes; time goes on."""
        self.clock += 1
        self.disk[key] = (text, self.clock)

    @precondition(lambda self: self.disk)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        """A file vanishes."""
        del self.disk[data.draw(st.sampled_from(sorted(self.disk)))]

    @precondition(lambda self: self.disk)
    @rule(data=st.data())
    def touch(self, data: st.DataObject) -> None:
        """A file gets another time and keeps its bytes."""
        self.clock += 1
        key = data.draw(st.sampled_from(sorted(self.disk)))
        self.disk[key] = (self.disk[key][0], self.clock)

    @rule(blocks=st.integers(0, 4), merge=st.booleans(), turned=st.booleans(), recent=st.booleans())
    def run(self, *, blocks: int, merge: bool, turned: bool, recent: bool) -> None:
        """A run that is stopped after so many blocks."""
        kit = self.kit
        self.listed = sorted(self.disk, reverse=turned)
        self.seen = {key: text for key, (text, _) in self.disk.items()}
        now = self.clock + 1 if recent else kit.now
        with self.workspace.write() as writer:
            kit.list(writer, [kit.ref(key, mtime_ns=self.disk[key][1]) for key in self.listed], now_ns=now)
            for refs in writer.verify_pages([kit.recipe.id], 3):
                now_refs = [kit.ref(ref.key, mtime_ns=self.disk[ref.key][1]) for ref in refs]
                writer.confirm([kit.hashed(ref, self.disk[ref.key][0]) for ref in now_refs])
            self.finished = True
            for turn, page in enumerate(writer.compute_pages([kit.recipe.id], 2)):
                if turn == blocks:
                    self.finished = False
                    break
                writer.commit(self._block([todo.ref.key for todo in page]))
            if merge:
                writer.merge(kit.recipe.id)

    def _block(self, keys: list[str]) -> Block:
        refs = [self.kit.ref(key, mtime_ns=self.disk[key][1]) for key in keys]
        good = [ref for ref in refs if self.disk[ref.key][0] != "bad"]
        block = self.kit.block([self.kit.read(ref, self.disk[ref.key][0]) for ref in good])
        block.quarantined = [self.kit.bad(ref.key) for ref in refs if ref not in good]
        return block

    @rule()
    def retry(self) -> None:
        """Forget the reasons."""
        with self.workspace.write() as writer:
            if writer.retry():
                self.finished = False

    @rule(name=st.sampled_from("ab"), files=st.dictionaries(st.sampled_from("xyz"), st.binary(max_size=2), min_size=1))
    def put_result(self, name: str, files: dict[str, bytes]) -> None:
        """Keep a result, in place of an older one."""
        with self.workspace.write() as writer:
            writer.put_result("head", name, files, summary={"files": len(files)})
        self.heads[name] = files

    @precondition(lambda self: self.heads)
    @rule(data=st.data())
    def remove_result(self, data: st.DataObject) -> None:
        """Forget a result."""
        name = data.draw(st.sampled_from(sorted(self.heads)))
        with self.workspace.write() as writer:
            writer.remove_result("head", name)
        del self.heads[name]

    @rule()
    def merge(self) -> None:
        """Merge without a run."""
        with self.workspace.write() as writer:
            writer.merge(self.kit.recipe.id)

    @rule()
    def reopen(self) -> None:
        """Another process opens it."""
        self.workspace = open_workspace(self.workspace.path)

    @invariant()
    def is_as_the_model_says(self) -> None:
        """Keys in order, every row its image's, nobody twice, nobody lost once a run is through."""
        assert self.workspace.keys() == self.listed
        found = self.workspace.features(self.kit.recipe)
        assert [key for key in self.listed if key in set(found.keys)] == list(found.keys)
        texts = {self.kit.row(self.kit.content(text), self.kit.recipe).tobytes(): text for text in TEXTS[:-1]}
        for key, row in zip(found.keys, np.asarray(found.array), strict=True):
            assert texts[row.tobytes()] == self.seen[key]
        quarantined = {one.key for one in self.workspace.quarantined(self.kit.recipe.id)}
        assert not quarantined & set(found.keys)
        if self.finished:
            assert quarantined | set(found.keys) == set(self.listed)
        counts = self.workspace.counts([self.kit.recipe.id])
        assert (counts.listed, counts.embedded) == (len(self.listed), len(found))
        assert counts.quarantined == len(quarantined)
        assert {info.name: info.summary["files"] for info in self.workspace.results()} == {
            name: len(files) for name, files in self.heads.items()
        }
        assert {name: self.workspace.result("head", name) for name in self.heads} == self.heads

    def teardown(self) -> None:
        """At the end of each life everything is whole."""
        if hasattr(self, "folder"):
            assert [f for f in examine(self.workspace, deep=True) if f.severity == "damage"] == []
            shutil.rmtree(self.folder)


def test_random_lives_agree_with_the_model(kit):
    """List, change, vanish, touch, retry, merge, keep results, reopen, stop early: always as the model says."""
    from hypothesis.stateful import run_state_machine_as_test

    Life.kit = kit
    few = settings(
        max_examples=12, stateful_step_count=14, deadline=None, suppress_health_check=list(HealthCheck), database=None
    )
    run_state_machine_as_test(Life, settings=few)
