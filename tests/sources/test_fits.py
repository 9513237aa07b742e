"""FITS files: one image, or one an HDU. astropy is the oracle, and is not needed by what is tested."""

import gzip
import io
import subprocess
import sys

import numpy as np
import pytest

from boda.sources.fits import image_hdus, read_fits
from boda.sources.opening import open_source
from boda.unreadable import BadImage

fits = pytest.importorskip("astropy.io.fits")

DATA = np.arange(60, dtype=np.int16).reshape(6, 10)


def write(path, *hdus):
    fits.HDUList(list(hdus)).writeto(path)
    return path


@pytest.fixture
def mosaic(tmp_path):
    """An image, a table, an empty image, a float image, a compressed image."""
    table = fits.BinTableHDU.from_columns([fits.Column("a", "J", array=np.arange(5000))])
    compressed = fits.CompImageHDU(DATA + 2, compression_type="RICE_1", tile_shape=(6, 10))
    return write(
        tmp_path / "m.fits",
        *(fits.PrimaryHDU(DATA), table, fits.ImageHDU(), fits.ImageHDU(DATA.astype(np.float32) / 2), compressed),
    )


def first_image(data: bytes) -> np.ndarray:
    with fits.open(io.BytesIO(data)) as hdus:
        return next(hdu.data.copy() for hdu in hdus if hdu.data is not None)


@pytest.mark.parametrize("packed", [False, True])
def test_each_image_is_a_file_of_its_own(tmp_path, mosaic, packed):
    """Keys carry the number that astropy gives the HDU; pixels are astropy's; all bytes differ."""
    path = mosaic
    if packed:
        path = tmp_path / "m.fits.gz"
        path.write_bytes(gzip.compress(mosaic.read_bytes()))
    source = open_source(path)
    refs = list(source.entries())
    assert [ref.key for ref in refs] == [f"{path.name}#0", f"{path.name}#3", f"{path.name}#4"]
    for ref, expected in zip(refs, [DATA, DATA / 2, DATA + 2], strict=True):
        np.testing.assert_array_equal(first_image(source.read(ref).data), expected)
    assert len({source.read(ref).data for ref in refs}) == 3


def test_one_image_is_the_file_itself(tmp_path):
    """Wherever in the file it is; compressed files are unpacked."""
    path = write(tmp_path / "x.fits", fits.PrimaryHDU(), fits.ImageHDU(DATA))
    (tmp_path / "y.fit.gz").write_bytes(gzip.compress(path.read_bytes()))
    source = open_source(tmp_path)
    refs = list(source.entries())
    assert [(ref.key, ref.inner) for ref in refs] == [("x.fits", ""), ("y.fit.gz", "")]
    assert [source.read(ref).data for ref in refs] == [path.read_bytes()] * 2


def test_a_name_that_is_also_an_hdu_is_refused(tmp_path, mosaic):
    """Two images would have one key."""
    (tmp_path / "m.fits#3").write_bytes(b"x")
    with pytest.raises(Exception, match="is a file and also HDU 3"):
        list(open_source(tmp_path).entries())


def test_an_hdu_that_is_gone_is_missing(tmp_path, mosaic):
    """The file was written anew since it was listed."""
    source = open_source(mosaic)
    refs = list(source.entries())
    mosaic.unlink()
    write(mosaic, fits.PrimaryHDU(DATA))
    with pytest.raises(BadImage, match="read/missing: the file has no HDU 4"):
        source.read(refs[2])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no FITS at all",
        b"SIMPLE  =                    T".ljust(2880),
        b"SIMPLE  =                    T".ljust(80) + b"NAXIS   = 999".ljust(80) + b"END".ljust(2720),
        b"SIMPLE  =                    T".ljust(80)
        + b"".join(b"%-8s= %s".ljust(80) % (k, b"9" * 60) for k in (b"NAXIS1", b"NAXIS2", b"BITPIX", b"GCOUNT"))[:320]
        + b"NAXIS   = 2".ljust(80)
        + b"END".ljust(2400),
    ],
)
def test_what_is_no_fits_is_listed_once_and_left_to_the_decoder(tmp_path, data):
    """No header, however hostile, stops the listing."""
    (tmp_path / "x.fits").write_bytes(data)
    assert [ref.key for ref in open_source(tmp_path / "x.fits").entries()] == ["x.fits"]


def test_damaged_compression_is_a_truncated_image(tmp_path, mosaic):
    """The file is there; its content is not."""
    path = tmp_path / "x.fits.gz"
    path.write_bytes(gzip.compress(mosaic.read_bytes())[:-200])
    with pytest.raises(BadImage, match="decode/truncated"):
        read_fits(bytes(path), None)


def test_real_files_hold_one_image_each(boda_data):
    """The one that says it has no axes holds none: its decoder will say so."""
    folder = boda_data / "odd_formats" / "files"
    found = {name: image_hdus(bytes(folder / name)) for name in ("hopper.fits", "m13.fits", "hopper_naxis_zero.fits")}
    assert found == {"hopper.fits": [0], "m13.fits": [0], "hopper_naxis_zero.fits": []}


def test_astropy_is_not_loaded(tmp_path, mosaic):
    """Listing and reading an HDU do without it, so they do where it is not installed."""
    code = (
        "import sys; from boda.sources.opening import open_source\n"
        f"source = open_source({str(mosaic)!r}); [source.read(ref) for ref in source.entries()]\n"
        "print('astropy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
