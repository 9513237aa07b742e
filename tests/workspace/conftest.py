"""A workspace to play with, and images that need no files: their content is the hash of a text."""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pytest

from boda.recipe import Recipe
from boda.sources.base import ImageRef, Unlistable
from boda.unreadable import Code, Stage, Unreadable
from boda.workspace.records import Block, Hashed, Quarantined, Read
from boda.workspace.workspace import Workspace, create_workspace
from boda.workspace.writer import Writer

WIDTH = 8
OLD = 1_000_000_000
NOW = 1_000_000_000_000


class Kit:
    """Short words for what tests do over and over."""

    now = NOW
    old = OLD
    width = WIDTH
    recipe = Recipe("test:hash", "", "pooled", "model", None, name="hash")
    other = Recipe("test:hash", "", "pooled", "model", None, arguments={"version": 2}, precision="bf16", name="half")

    def ref(self, key: str, *, size: int = 10, mtime_ns: int = OLD) -> ImageRef:
        """A listed image."""
        return ImageRef(key, key.encode("utf-8", "surrogateescape"), "", size, mtime_ns)

    def content(self, text: str) -> bytes:
        """The content of an image whose bytes are this text."""
        return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()

    def row(self, content: bytes, recipe: Recipe) -> np.ndarray:
        """The features of a content: they tell whose they are."""
        digest = hashlib.sha256(content + recipe.id.encode()).digest()
        return np.frombuffer(digest[: 2 * WIDTH], np.uint16).astype(np.float32).astype(recipe.dtype) / 7

    def rows(self, contents: Iterable[bytes], recipe: Recipe) -> np.ndarray:
        """Features of several contents."""
        found = [self.row(content, recipe) for content in contents]
        return np.array(found, recipe.dtype).reshape(len(found), WIDTH)

    def read(self, ref: ImageRef, text: str | None = None) -> Read:
        """An image as it was read."""
        content = self.content(ref.key if text is None else text)
        return Read(ref.key, content, ref.size, ref.mtime_ns, 30, 20, 1, "PNG")

    def hashed(self, ref: ImageRef, text: str) -> Hashed:
        """An image as it was hashed."""
        return Hashed(ref.key, self.content(text), ref.size, ref.mtime_ns)

    def block(self, reads: Iterable[Read], *recipes: Recipe) -> Block:
        """A block with features of all reads, for each recipe."""
        reads = list(reads)
        contents = [read.content for read in reads]
        given = {recipe.id: (contents, self.rows(contents, recipe)) for recipe in recipes or (self.recipe,)}
        return Block(reads=reads, features=given)

    def bad(self, key: str, recipe: Recipe | None = None, code: Code = Code.TRUNCATED) -> Quarantined:
        """An image that would not decode."""
        return Quarantined(key, (recipe or self.recipe).id, Unreadable(Stage.DECODE, code, "made for a test"))

    def unlistable(self, key: str) -> Unlistable:
        """A dangling link."""
        return Unlistable(key, key.encode(), Unreadable(Stage.LIST, Code.DANGLING, "made for a test"))

    def list(self, writer: Writer, refs: Iterable[ImageRef | Unlistable], now_ns: int = NOW) -> object:
        """List without columns."""
        return writer.list(refs, lambda: None, now_ns=now_ns)

    def fill(
        self, workspace: Workspace, keys: Iterable[str], *, per_block: int = 3, merge: bool = True
    ) -> Sequence[str]:
        """List keys and embed each, its content being its own name."""
        refs = [self.ref(key) for key in keys]
        with workspace.write() as writer:
            self.list(writer, refs)
            writer.add_recipe(self.recipe, WIDTH)
            run = writer.begin_run([self.recipe.id], {})
            for todo in writer.compute_pages([self.recipe.id], per_block):
                writer.commit(self.block([self.read(one.ref) for one in todo]))
            if merge:
                writer.merge(self.recipe.id)
            writer.end_run(run, "done", {})
        return [ref.key for ref in refs]

    def check_rows(self, workspace: Workspace, texts: dict[str, str] | None = None) -> None:
        """Every row belongs to its image."""
        found = workspace.features(self.recipe)
        texts = texts or {}
        expected = self.rows([self.content(texts.get(key, key)) for key in found.keys], self.recipe)
        np.testing.assert_array_equal(found.array, expected)


@pytest.fixture(scope="session")
def kit() -> Kit:
    """Short words for what tests do over and over."""
    return Kit()


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """An empty workspace."""
    return create_workspace(tmp_path / "photos.boda")
