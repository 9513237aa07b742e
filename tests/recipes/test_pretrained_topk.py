"""What pretrained networks see, on a few images."""

import pyarrow.parquet as pq

import pretrained_topk


def test_networks_name_photographs_and_count_test_images(boda_data, tmp_path):
    """Two networks name what the files are called; of forty test images most are right."""
    table = pq.read_table(boda_data / "cifar10_test" / "test.parquet").slice(0, 40)
    pq.write_table(table, tmp_path / "test.parquet")
    receipt = pretrained_topk.run(boda_data, topk=3, test=tmp_path / "test.parquet")
    for encoder in pretrained_topk.CLASSIFIERS:
        (place,) = [i for i, line in enumerate(receipt.splitlines()) if "zebra" in line and line.endswith(encoder)]
        ranks = receipt.splitlines()[place + 2 : place + 5]
        assert ranks[0].startswith("1. zebra ")
        percents = [float(line.split()[-2]) for line in ranks]
        assert percents == sorted(percents, reverse=True)
        assert all(line.endswith(" %") for line in ranks)
    rows = [line.split("|")[1:-1] for line in receipt.splitlines() if line.startswith("| resnet")]
    assert [row[0].strip() for row in rows] == ["resnet20", "resnet32", "resnet44", "resnet56"]
    assert all(int(row[1].split()[0]) >= 34 for row in rows)
    assert [row[4].strip() for row in rows] == ["91.25", "92.49", "92.83", "93.03"]


def test_what_cannot_be_read_says_why(boda_data, tmp_path):
    """In the place of its classes."""
    (tmp_path / "no.jpg").write_bytes(b"no picture")
    said = pretrained_topk.named(boda_data, [tmp_path / "no.jpg"], topk=2)
    assert said.count("cannot be used: ") == 2
