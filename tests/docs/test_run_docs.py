"""The reader of the pages: what it runs, what it compares and what it lets pass."""

import pytest
import run_docs

PAGE = """# A page

    $ printf 'one\\ntwo\\n'
    one
    two

```python
# here.py
NUMBER = 7
```

    $ cat here.py | \\
    > head -n 1
    # here.py

```python
>>> import here
>>> here.NUMBER
7
>>> {}["missing"]
Traceback (most recent call last):
    ...
KeyError: 'missing'
```

```text
    $ this is not run
```
"""


@pytest.fixture
def reader(tmp_path):
    """Someone in an empty folder."""
    reader = run_docs.Reader(tmp_path)
    yield reader
    reader.close()


def test_a_true_page_stays_as_it_is(reader):
    """Commands, files, examples and errors are run in order; nothing else is."""
    assert run_docs.run(PAGE, reader) == (PAGE, [])


def test_what_is_not_true_is_reported_and_put_right(reader):
    """Each place gets one report, and the text what is true, wherever earlier places grew or shrank."""
    wrong = PAGE.replace("    one\n", "").replace(">>> here.NUMBER\n7", ">>> here.NUMBER\n8\n9")
    text, reports = run_docs.run(wrong, reader)
    assert text == PAGE
    assert len(reports) == 2
    assert "the page says\n  8\n  9\nit is\n  7" in reports[1]


def test_an_output_that_is_missing_is_put_in(reader):
    """A command without output gets it."""
    assert run_docs.run("    $ echo here\n\nText\n", reader)[0] == "    $ echo here\n    here\n\nText\n"


def test_a_failure_without_a_word_shows_its_status(reader):
    """A command that fails must say so as boda does, and one that says so must fail."""
    assert run_docs.run("    $ false\n", reader)[0] == "    $ false\n    [status 1]\n"
    assert run_docs.run("    $ echo 'boda: no'\n", reader)[0].endswith("    boda: no\n    [status 0]\n")
    assert run_docs.run("    $ echo 'boda: no'; exit 1\n    boda: no\n", reader)[1] == []
    assert run_docs.run("    $ kill -9 $$\n    Killed\n", reader)[1] == []


def test_the_folder_is_shown_as_home(reader):
    """No path of this machine gets into a page."""
    assert run_docs.run("    $ pwd\n", reader)[0] == f"    $ pwd\n    {run_docs.HOME}\n"


@pytest.mark.parametrize(
    ("page", "got"),
    [
        (
            "11.3 images/s (17 % of the limit), bottleneck: forward, 8 s",
            "950.0 images/s, bottleneck: decode, 1 min 2 s",
        ),
        ("photos.boda: 20 images of /home/you/photos, 202.0 kB", "photos.boda: 20 images of /home/you/photos, 1.1 MB"),
        ("1  a.png    0.9404", "1  a.png  0.9401"),
        ("13 passed in 2.51s", "13 passed in 11.02s"),
        ('{"seconds": 3.1, "listed": 20}', '{"seconds": 14, "listed": 20}'),
        ("auto  c47c479a998216a3  fp32", "auto  615f4868b239b38e  bf16"),
        ("demo.parquet: 9 rows of auto (c47c479a998216a3)", "demo.parquet: 9 rows of auto (615f4868b239b38e)"),
    ],
)
def test_what_depends_on_the_machine_may_differ(page, got):
    """Times, rates, sizes, last digits, and ids where the precision is another or not known."""
    assert run_docs.agree([page], [got])


@pytest.mark.parametrize(
    ("page", "got"),
    [
        ("20 listed = 19 embedded + 1 quarantined", "20 listed = 20 embedded + 0 quarantined"),
        ("1  a.png    0.9404", "1  b.png    0.9404"),
        ("1  a.png    0.9404", "1  a.png    0.8404"),
        ("auto  c47c479a998216a3  fp32", "auto  615f4868b239b38e  fp32"),
        ("boda: a.png: nothing is there", "boda: a.png: nothing there"),
    ],
)
def test_all_else_must_be_the_same(page, got):
    """Counts, keys, words, and ids of the same precision."""
    assert not run_docs.agree([page], [got])


def test_three_dots_stand_for_any_lines():
    """At the beginning, in the middle and at the end; also for none."""
    assert run_docs.agree(["...", "b", "..."], ["a", "b"])
    assert run_docs.agree(["a", "..."], ["a", "b", "c"])
    assert not run_docs.agree(["...", "b"], ["a", "c"])
    assert not run_docs.agree(["a"], ["a", "b"])
