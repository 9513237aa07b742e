"""The format as docs/format.md tells it: read here with sqlite3, numpy and pyarrow alone."""

import hashlib
import json
import sqlite3
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def folder(workspace, kit) -> Path:
    """A workspace on disk, with two recipes, copies, quarantine, labels and a result."""
    import pyarrow as pa

    refs = [kit.ref(key) for key in ("c", "a", "b", "copy of a", "bad")]
    columns = pa.table({"key": pa.array([b"a", b"c"], pa.binary()), "label": ["first", "third"]})
    with workspace.write() as writer:
        writer.list(refs, lambda: columns, now_ns=kit.now)
        writer.add_recipe(kit.recipe, kit.width)
        writer.add_recipe(kit.other, kit.width)
        reads = [*(kit.read(ref) for ref in refs[:3]), kit.read(refs[3], "a")]
        block = kit.block(reads, kit.recipe, kit.other)
        block.quarantined = [kit.bad("bad"), kit.bad("bad", kit.other)]
        writer.commit(block)
        writer.merge(kit.recipe.id)
        writer.put_result("head", "label", {"head.json": b"{}", "weights.safetensors": b"123"}, summary={"score": 0.5})
    return workspace.path


def test_features_are_read_without_boda(folder, kit):
    """Keys and rows of a recipe, in listing order, by the query that the document gives."""
    document = (ROOT / "docs" / "format.md").read_text()
    query = document.split("```sql\n")[1].split("```")[0]
    assert (folder / "FORMAT").read_text().splitlines()[:2] == ["boda workspace", "version 2"]
    connection = sqlite3.connect(f"file:{folder / 'boda.db'}?mode=ro", uri=True)
    for recipe in (kit.recipe, kit.other):
        found = connection.execute(query, (recipe.id,)).fetchall()
        assert [key for key, *_ in found] == [b"c", b"a", b"b", b"copy of a"]
        for key, file, row in found:
            array = np.load(folder / "features" / recipe.id / file, mmap_mode="r", allow_pickle=False)
            assert array.dtype == recipe.dtype
            text = key.decode().removeprefix("copy of ")
            np.testing.assert_array_equal(array[row], kit.row(hashlib.sha256(text.encode()).digest(), recipe))
    connection.close()


def test_labels_and_quarantine_are_read_without_boda(folder):
    """Columns are Parquet by key; reasons are rows of a table."""
    connection = sqlite3.connect(f"file:{folder / 'boda.db'}?mode=ro", uri=True)
    [(file, digest)] = connection.execute("SELECT file, sha256 FROM labels").fetchall()
    path = folder / "labels" / file
    assert hashlib.sha256(path.read_bytes()).digest() == digest
    assert pq.read_table(path).to_pydict() == {"key": [b"a", b"c"], "label": ["first", "third"]}
    bad = connection.execute(
        "SELECT i.key, q.stage, q.code FROM quarantine q JOIN image i ON i.id = q.image GROUP BY i.id"
    ).fetchall()
    assert bad == [(b"bad", "decode", "truncated")]
    connection.close()


def test_results_are_read_without_boda(folder):
    """Names and files of a result; the folder is called by what is in it."""
    connection = sqlite3.connect(f"file:{folder / 'boda.db'}?mode=ro", uri=True)
    [(kind, name, digest, text)] = connection.execute("SELECT kind, name, digest, files FROM result").fetchall()
    connection.close()
    assert (kind, name) == ("head", "label")
    lines = ""
    for file, record in sorted(json.loads(text).items()):
        data = (folder / "results" / kind / digest / file).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (record["bytes"], record["sha256"])
        lines += f"{record['sha256']}  {file}\n"
    assert hashlib.sha256(lines.encode()).hexdigest()[:32] == digest


def test_digests_are_computed_without_boda(folder):
    """File digests, file names, row digests and the seal follow from what the document says."""
    connection = sqlite3.connect(f"file:{folder / 'boda.db'}?mode=ro", uri=True)
    segments = connection.execute(
        "SELECT s.id, r.digest, s.file, s.sha256, s.contents FROM segment s JOIN recipe r ON r.id = s.recipe"
    ).fetchall()
    assert segments
    for number, recipe, file, digest, contents in segments:
        assert hashlib.sha256((folder / "features" / recipe / file).read_bytes()).digest() == digest
        rows = connection.execute(
            "SELECT c.sha256 FROM feature f JOIN content c ON c.id = f.content WHERE f.segment = ? ORDER BY f.row",
            (number,),
        )
        assert hashlib.sha256(b"".join(sha for (sha,) in rows)).digest() == contents
        assert file == hashlib.sha256(digest + contents).hexdigest()[:32] + ".npy"
    batches = connection.execute("SELECT tbl, chunk, sha256 FROM batch").fetchall()
    for table, chunk, digest in batches:
        columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        line = " || ',' || ".join(f"quote({name})" for name in columns)
        order = "content, recipe" if table == "feature" else "id"
        rows = connection.execute(f"SELECT {line} FROM {table} WHERE {columns[0]} / 1024 = {chunk} ORDER BY {order}")
        assert hashlib.sha256("".join(f"{row}\n" for (row,) in rows).encode()).digest() == digest
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    assert {table for table, *_ in batches} <= tables - {"batch", "seal"}
    lines = connection.execute(
        "SELECT quote(tbl) || ',' || quote(chunk) || ',' || quote(sha256) FROM batch ORDER BY tbl, chunk"
    )
    seal = hashlib.sha256("".join(f"{row}\n" for (row,) in lines).encode()).digest()
    assert connection.execute("SELECT sha256 FROM seal").fetchall() == [(seal,)]
    connection.close()


def test_document_names_every_table_and_column(folder):
    """The document does not fall behind the schema."""
    document = (ROOT / "docs" / "format.md").read_text()
    connection = sqlite3.connect(f"file:{folder / 'boda.db'}?mode=ro", uri=True)
    for (table,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall():
        for row in connection.execute(f"PRAGMA table_info({table})").fetchall():
            assert f"`{row[1]}`" in document, (table, row[1])
        assert f"**`{table}`**" in document
    connection.close()
