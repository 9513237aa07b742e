"""AVA.txt is read as it is, checked line by line, and cannot be changed afterwards."""

import gzip

import numpy as np
import pytest

from ava.table import LEVELS, AvaTable, read_table
from boda.errors import NotFound, Refused

LINES = "1 953619 0 1 5 17 38 36 15 6 5 1 1 22 1396\n2 953958 10 7 15 26 26 21 10 8 1 2 15 21 1396\n"


def test_a_line_is_number_id_ten_counts_two_tags_challenge(tmp_path):
    """The two first lines of AVA, plain and packed; the mean is weighted by the counts."""
    plain, packed = tmp_path / "AVA.txt", tmp_path / "AVA.txt.gz"
    plain.write_text(LINES)
    packed.write_bytes(gzip.compress(LINES.encode()))
    for table in (read_table(plain), read_table(packed)):
        assert table.ids.tolist() == [953619, 953958]
        assert table.counts[1].tolist() == [10, 7, 15, 26, 26, 21, 10, 8, 1, 2]
        assert table.tags.tolist() == [[1, 22], [15, 21]]
        assert table.challenges.tolist() == [1396, 1396]
        every = [np.repeat(np.arange(1, 11), row.astype(int)) for row in table.counts]
        np.testing.assert_allclose(table.means, [one.mean() for one in every], rtol=1e-15)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 5 0 0 0 0 0 0 0 0 0 0 0 0 0\n", r"line 1 \(image 5\) has no ratings"),
        (LINES + "3 953619 " + "1 " * 13 + "\n", r"line 3 \(image 953619\) has the id of an earlier line"),
        ("1 5 -1 3 0 0 0 0 0 0 0 0 0 0 0\n", "a count below 0"),
        ("1 5 1\n", "3 columns in 1 lines, AVA.txt has 15"),
        ("image_id,split\n53,train\n", "not 15 whole numbers a line"),
    ],
)
def test_what_is_no_line_of_ava_is_refused(tmp_path, text, message):
    """The line is named where there is one."""
    (tmp_path / "AVA.txt").write_text(text)
    with pytest.raises(Refused, match=message):
        read_table(tmp_path / "AVA.txt")


def test_a_missing_or_broken_file_is_one_line(tmp_path):
    """Said, and not raised through as it came."""
    with pytest.raises(NotFound, match="no such file"):
        read_table(tmp_path / "AVA.txt")
    (tmp_path / "AVA.txt.gz").write_bytes(gzip.compress(LINES.encode() * 100)[:-20])
    with pytest.raises(Refused, match="not 15 whole numbers"):
        read_table(tmp_path / "AVA.txt.gz")


def test_nobody_downstream_can_change_the_table(tmp_path):
    """The published code divided the scores of the caller's frame by ten; here writing is an error."""
    (tmp_path / "AVA.txt").write_text(LINES)
    table = read_table(tmp_path / "AVA.txt")
    for part in (table, table.take(np.array([1]))):
        for array in (part.ids, part.counts, part.tags, part.challenges, part.means):
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 1


def test_the_real_counts(boda_data):
    """194,294 images, 78 to 549 ratings each, mean of the mean ratings 5.384, as its description says."""
    table: AvaTable = read_table(boda_data / "aesthetics_labels" / "AVA_partial.txt.gz")
    raters = table.counts.sum(axis=1)
    assert (len(table), raters.min(), raters.max(), round(raters.mean())) == (194_294, 78, 549, 210)
    assert round(float(table.means.mean()), 3) == 5.384
    assert round(float((table.means > 5).mean()), 3) == 0.707
    assert len(LEVELS) == table.counts.shape[1]
