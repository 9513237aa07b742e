"""Plain tar archives: members are read where they lie, and none is trusted."""

import gzip
import io
import os
import tarfile

import pytest

from boda.errors import SourceError
from boda.sources.base import ImageRef, Unlistable
from boda.sources.opening import open_source
from boda.sources.tar import TarSource
from boda.unreadable import BadImage

MODES = [("x.tar", "w"), ("x.tar.gz", "w:gz"), ("x.tgz", "w:gz")]


def listed(source) -> dict[str, str]:
    return {e.key: str(e.unreadable) if isinstance(e, Unlistable) else "image" for e in source.entries()}


@pytest.mark.parametrize(("name", "mode"), MODES)
@pytest.mark.parametrize("style", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_members_are_what_tarfile_unpacks(tmp_path, name, mode, style):
    """In every dialect, names of 250 signs and of two scripts included, in the order of the archive."""
    names = ["b/1.jpg", "a.jpg", "n" * 90 + ".jpg", "two\nlines.jpg", "사진.jpg"]
    names += [] if style == tarfile.USTAR_FORMAT else ["d/" + "n" * 245 + ".jpg"]
    with tarfile.open(tmp_path / name, mode, format=style) as tar:
        for i, member in enumerate(names):
            info = tarfile.TarInfo(member)
            info.size = 700 * i + 1
            tar.addfile(info, io.BytesIO(bytes([i]) * info.size))
    source = open_source(tmp_path / name)
    refs = list(source.entries())
    assert [ref.key for ref in refs] == names
    with tarfile.open(tmp_path / name) as tar:
        for ref in refs:
            assert source.read(ref).data == tar.extractfile(ref.key).read()


def test_names_that_a_folder_passes_over_are_passed_over(tmp_path, tar_of):
    """Dot files, thumbnails and resource forks are counted; `./` in front is no dot folder."""
    names = ["./a.jpg", "._a.jpg", ".git/x.jpg", "d/Thumbs.db", "d/b.jpg"]
    source = open_source(tar_of(tmp_path / "x.tar", [(name, b"x") for name in names]))
    assert listed(source) == {"./a.jpg": "image", "d/b.jpg": "image"}
    assert source.ignored == 3


def test_links_and_devices_are_refused_and_folders_are_not_listed(tmp_path):
    """Nothing outside the archive is ever looked at."""
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        for name, kind in [
            ("d", tarfile.DIRTYPE),
            ("s.jpg", tarfile.SYMTYPE),
            ("h.jpg", tarfile.LNKTYPE),
            ("p.jpg", tarfile.FIFOTYPE),
            ("c.jpg", tarfile.CHRTYPE),
        ]:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            tar.addfile(info)
    assert listed(open_source(tmp_path / "x.tar")) == {
        "s.jpg": "list/not_a_file: a link in an archive",
        "h.jpg": "list/not_a_file: a link in an archive",
        "p.jpg": "list/not_a_file: no regular file in an archive",
        "c.jpg": "list/not_a_file: no regular file in an archive",
    }


def test_names_that_climb_out_are_names_only(tmp_path, tar_of):
    """They are read from inside the archive; no file appears anywhere."""
    source = open_source(tar_of(tmp_path / "x.tar", [("../up.jpg", b"1"), ("/etc/passwd.jpg", b"2")]))
    assert [source.read(ref).data for ref in source.entries()] == [b"1", b"2"]
    assert os.listdir(tmp_path) == ["x.tar"]
    assert not (tmp_path.parent / "up.jpg").exists()


def test_of_members_with_one_name_the_last_counts(tmp_path, tar_of):
    """As it does when an archive is unpacked."""
    source = open_source(tar_of(tmp_path / "x.tar", [("a.jpg", b"old"), ("b.jpg", b"b"), ("a.jpg", b"new")]))
    assert {ref.key: source.read(ref).data for ref in source.entries()} == {"a.jpg": b"new", "b.jpg": b"b"}
    assert source.ignored == 1


@pytest.mark.parametrize(("name", "mode"), MODES[:2])
def test_an_empty_member_is_empty(tmp_path, tar_of, name, mode):
    """Zero bytes are a reason, as in a folder."""
    source = open_source(tar_of(tmp_path / name, [("a.jpg", b"")], mode))
    with pytest.raises(BadImage, match="read/empty"):
        source.read(next(iter(source.entries())))


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("left", [512, 700, 1024 + 200, 1536, 2048])
def test_a_cut_archive_says_that_its_end_is_lost(tmp_path, tar_of, left, packed):
    """Members before the cut are listed, whole ones read; one more entry stands for what nobody knows."""
    whole = tar_of(tmp_path / "w.tar", [(f"{i}.jpg", bytes([i + 1]) * 600) for i in range(2)]).read_bytes()
    data = gzip.compress(whole[:left]) if packed else whole[:left]
    path = tmp_path / ("x.tar.gz" if packed else "x.tar")
    path.write_bytes(data)
    source = open_source(path)
    *images, end = source.entries()
    assert isinstance(end, Unlistable)
    assert end.key == "#end"
    assert "cut or damaged" in str(end.unreadable)
    for number, ref in enumerate(images):
        if number == 0 and left >= 512 + 600:
            assert source.read(ref).data == b"\1" * 600
        else:
            with pytest.raises(BadImage, match=r"read/(truncated|corrupt|unreachable)"):
                source.read(ref)


def test_a_gzip_cut_in_the_middle_loses_its_end_only(tmp_path, tar_of):
    """The compressed stream ends early: what was unpacked before still counts."""
    noise = [(f"{i}.jpg", os.urandom(5000)) for i in range(10)]
    data = tar_of(tmp_path / "w.tar.gz", noise, "w:gz").read_bytes()
    (tmp_path / "x.tar.gz").write_bytes(data[: len(data) // 2])
    *images, end = open_source(tmp_path / "x.tar.gz").entries()
    assert end.key == "#end"
    assert 3 <= len(images) <= 6


def test_a_damaged_header_in_the_middle_is_not_taken_for_the_end(tmp_path, tar_of):
    """tarfile alone would stop there without a word."""
    path = tar_of(tmp_path / "x.tar", [(f"{i}.jpg", b"x") for i in range(3)])
    data = bytearray(path.read_bytes())
    data[1024:1100] = b"\xff" * 76
    path.write_bytes(data)
    found = listed(open_source(path))
    assert list(found) == ["0.jpg", "#end"]


def test_a_member_of_negative_size_ends_the_listing(tmp_path):
    """It would lead back for ever (CVE-2025-8194)."""
    info = tarfile.TarInfo("a.jpg")
    block = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    block[124:136] = b"\xff" * 10 + b"\xfe\x00"  # base 256: -512
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    (tmp_path / "x.tar").write_bytes(bytes(block) * 2 + bytes(1024))
    assert list(listed(open_source(tmp_path / "x.tar"))) == ["#end"]


def test_a_header_that_asks_for_much_memory_is_refused(tmp_path):
    """A PAX header of 10 GB of holes is not read."""
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, 10 << 30
    with (tmp_path / "x.tar").open("wb") as file:
        file.write(info.tobuf(tarfile.GNU_FORMAT))
        file.truncate(11 << 30)
    with pytest.raises(SourceError, match="not a tar archive: a header of 10737418240 bytes"):
        list(TarSource.described({"name": "x.tar"}, str(tmp_path)).entries())


@pytest.mark.parametrize("data", [b"", b"text" * 500, b"\x1f\x8bno", os.urandom(4096)])
def test_what_is_no_tar_is_an_error_of_one_line(tmp_path, data):
    """Whatever its name says."""
    (tmp_path / "x.tar").write_bytes(data)
    with pytest.raises(SourceError, match=r"x\.tar: (not a tar archive|cannot be read)") as caught:
        list(open_source(tmp_path / "x.tar").entries())
    assert "\n" not in str(caught.value)


def test_an_archive_that_changed_never_gives_another_image(tmp_path, tar_of):
    """Where the member moved, reading refuses; where it stayed, it reads."""
    path = tar_of(tmp_path / "x.tar", [("a.jpg", b"a" * 100), ("b.jpg", b"b" * 100)])
    source = open_source(path)
    refs = list(source.entries())
    tar_of(path, [("a.jpg", b"A" * 100), ("c.jpg", b"b" * 100), ("d.jpg", b"d")])
    assert source.read(refs[0]).data == b"A" * 100
    with pytest.raises(BadImage, match="read/unstable"):
        source.read(refs[1])


def test_an_archive_that_is_gone_is_missing(tmp_path, tar_of):
    """Between listing and reading."""
    path = tar_of(tmp_path / "x.tar", [("a.jpg", b"a")])
    source = open_source(path)
    (ref,) = source.entries()
    path.unlink()
    with pytest.raises(BadImage, match="read/missing"):
        source.read(ref)


def test_the_odd_names_are_kept(boda_data):
    """Brackets, per cent, Unicode and a spreadsheet formula; the resource fork is passed over."""
    source = open_source(boda_data / "odd_formats" / "odd_names.tar")
    refs = list(source.entries())
    assert [ref.key for ref in refs] == ["spaces and (brackets) 100% #1.jpg", "ünïcöde 照片.jpg", "=cmd.jpg"]
    assert all(source.read(ref).data.startswith(b"\xff\xd8\xff") for ref in refs)
    assert source.ignored == 1


def test_eight_hundred_galaxies_equal_what_tarfile_gives(boda_data):
    """Every member, byte by byte."""
    path = boda_data / "galaxies_gz2" / "images.tar"
    source = open_source(path)
    refs = list(source.entries())
    assert len(refs) == 800
    with tarfile.open(path) as tar:
        for ref in refs:
            assert isinstance(ref, ImageRef)
            assert source.read(ref).data == tar.extractfile(ref.key).read()
