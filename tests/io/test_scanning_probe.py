"""Images of scanning probe microscopes stand as their program shows them, each channel by its name, at its scale."""

import struct

import numpy as np
import pytest

from local_crystallography import read_image
from local_crystallography.data.errors import InputError
from local_crystallography.io.read import contents, read_images

HEIGHT, WIDTH = 24, 32
SEEN = np.random.default_rng(0).random((HEIGHT, WIDTH)).astype(np.float32)
SEEN[0, 0] = 9.0
"""As the image is seen: its brightest pixel is at the top left."""


def sxm(path, channels, direction="down", size=(6.4e-10, 4.8e-10), short=0):
    """A Nanonis file; channels are (name, direction, pixels as they were scanned)."""
    rows = "".join(f"\t{14 + i}\t{name}\tm\t{way}\t1.0E-9\t0.0E+0\n" for i, (name, way, _) in enumerate(channels))
    head = (
        ":NANONIS_VERSION:\n2\n:SCANIT_TYPE:\n              FLOAT            MSBFIRST\n"
        f":SCAN_PIXELS:\n       {WIDTH}       {HEIGHT}\n:SCAN_RANGE:\n           {size[0]:E}           {size[1]:E}\n"
        ":SCAN_OFFSET:\n 0.0E+0 0.0E+0\n:SCAN_TIME:\n 1.0E+0 1.0E+0\n:BIAS:\n -1.0E+0\n:ACQ_TIME:\n 9.0\n"
        f":SCAN_DIR:\n{direction}\n:COMMENT:\nSi(111) at 4:30\n\n"
        f":DATA_INFO:\n\tChannel\tName\tUnit\tDirection\tCalibration\tOffset\n{rows}\n:SCANIT_END:\n\n\n"
    )
    body = b"".join(np.asarray(scans, ">f4").tobytes() for _, _, scans in channels)
    path.write_bytes(head.encode() + b"\x1a\x04" + body[: len(body) - short])
    return path


@pytest.mark.parametrize(("direction", "scanned"), [("down", SEEN), ("up", SEEN[::-1])])
def test_a_scan_is_seen_upright(tmp_path, direction, scanned):
    both = np.stack([scanned, scanned[:, ::-1]])
    path = sxm(tmp_path / "a.sxm", [("Current", "both", 2 * both), ("Z", "both", both)], direction)
    image = read_image(path)
    assert image.metadata["title"] == "Z forward"
    np.testing.assert_array_equal(image.data, SEEN)
    assert image.pixel_size == pytest.approx(0.02)
    assert [one.title for one in contents(path)] == ["Current forward", "Current backward", "Z forward", "Z backward"]
    assert all(np.allclose(one.data / one.data[0, 0], SEEN / 9) for one in read_images(path))


def test_channels_of_one_direction(tmp_path):
    path = sxm(tmp_path / "a.sxm", [("Z", "backward", SEEN[:, ::-1]), ("Z", "forward", SEEN)])
    assert [one.title for one in contents(path)] == ["Z backward", "Z forward"]
    np.testing.assert_array_equal(read_image(path).data, SEEN)
    np.testing.assert_array_equal(read_image(path, detector="backward").data, SEEN)


def test_lines_that_were_not_scanned_are_masked(tmp_path):
    scanned = SEEN[::-1].copy()
    scanned[20:] = np.nan
    image = read_image(sxm(tmp_path / "a.sxm", [("Z", "forward", scanned)], "up"))
    assert image.masked(0)[:4].all()
    assert not image.masked(0)[4:].any()


def test_pixels_of_a_scan_need_not_be_square(tmp_path):
    image = read_image(sxm(tmp_path / "a.sxm", [("Z", "forward", SEEN)], size=(6.4e-10, 9.6e-10)))
    assert image.pixel_size == pytest.approx(0.02)
    assert image.metadata["pixels of the file"] == pytest.approx((0.5, 1.0))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-4]), "ends before its last channel; copy or export"),
        (lambda path: path.write_bytes(path.read_bytes().replace(b":SCAN_DIR:", b":SCAN_???:")), "no SCAN_DIR in it"),
        (lambda path: path.write_bytes(path.read_bytes().replace(b"\x1a\x04", b"")), "no pixels in it"),
        (lambda path: path.write_bytes(path.read_bytes().replace(b"  32  ", b"  ??  ")), "cannot be read as SXM"),
    ],
)
def test_a_damaged_scan_is_refused(tmp_path, damage, words):
    path = sxm(tmp_path / "a.sxm", [("Z", "forward", SEEN)])
    damage(path)
    with pytest.raises(InputError, match=words):
        read_image(path)


def _gwy_object(name, components):
    """A Gwyddion object; components are (name, kind, bytes)."""
    body = b"".join(key.encode() + b"\0" + kind + value for key, kind, value in components)
    return name + b"\0" + struct.pack("<I", len(body)) + body


def gwy(path, fields):
    """A Gwyddion file; fields are (title, pixels, unit of the plane)."""
    components = [("/filename", b"s", b"a.gwy\0"), ("/0/base/range", b"D", struct.pack("<Idd", 2, 0, 1))]
    for number, (title, data, unit) in enumerate(fields):
        height, width = data.shape
        sides = [("xres", b"i", struct.pack("<i", width)), ("yres", b"i", struct.pack("<i", height))]
        reals = [(name, b"d", struct.pack("<d", n * 2e-11)) for name, n in (("xreal", width), ("yreal", height))]
        plane = _gwy_object(b"GwySIUnit", [("unitstr", b"s", unit.encode() + b"\0")])
        pixels = struct.pack("<I", data.size) + data.astype("<f8").tobytes()
        parts = [*sides, *reals, ("si_unit_xy", b"o", plane), ("data", b"D", pixels)]
        components += [(f"/{number}/data", b"o", _gwy_object(b"GwyDataField", parts))]
        components += [(f"/{number}/data/title", b"s", title.encode() + b"\0")]
    path.write_bytes(b"GWYP" + _gwy_object(b"GwyContainer", components))
    return path


def test_gwyddion(tmp_path):
    path = gwy(
        tmp_path / "a.gwy", [("Phase", 2 * SEEN, "m"), ("Z (Backward)", 3 * SEEN, "m"), ("Z (Forward)", SEEN, "m")]
    )
    image = read_image(path)
    assert image.metadata["title"] == "Z (Forward)"
    np.testing.assert_array_equal(image.data, SEEN)
    assert image.pixel_size == pytest.approx(0.02)
    assert [one.title for one in contents(path)] == ["Phase", "Z (Backward)", "Z (Forward)"]


def test_gwyddion_without_a_unit(tmp_path):
    assert read_image(gwy(tmp_path / "a.gwy", [("Z (Forward)", SEEN, "")])).pixel_size is None


def ibw(path, wave, labels=(), unit=b"m", order="<"):
    """An Igor binary wave of version 5, (x, y) or (x, y, layers), with names of its layers."""
    shape = [*wave.shape, *[0] * (4 - wave.ndim)]
    names = b"".join(name.ljust(32, b"\0") for name in (b"", *labels)) if labels else b""
    pixels, note = wave.astype(order + "f4").tobytes(order="F"), b"ScanSize: 6.4e-10\r"
    # bytes of: wave, formula, note, units, units of the axes, labels of the axes, indices, options
    sizes = (320 + len(pixels), 0, len(note), 0, *[0] * 4, 0, 0, len(names), 0, 0, 0, 0)
    head = struct.pack(order + "hh15i", 5, 0, *sizes)
    head += struct.pack(order + "3Ii2h6sh32s2I4i", 0, 0, 0, wave.size, 2, 0, b"", 1, b"scan", 0, 0, *shape)
    head += struct.pack(order + "8d", 2e-11, 2e-11, 1, 1, *[0] * 4)
    head += struct.pack("<4s4s4s8s", b"m", unit, unit, b"")
    path.write_bytes(head.ljust(384, b"\0") + pixels + note + names)
    return path


def test_channels_of_an_igor_wave(tmp_path):
    wave = np.stack([2 * SEEN, SEEN], axis=-1)[::-1].swapaxes(0, 1)  # x, y upwards, channel
    image = read_image(ibw(tmp_path / "a.ibw", wave, (b"PhaseRetrace", b"HeightTrace")))
    assert image.metadata["title"] == "HeightTrace"
    np.testing.assert_array_equal(image.data, SEEN)
    assert image.pixel_size == pytest.approx(0.02)
    assert [one.title for one in contents(tmp_path / "a.ibw")] == ["PhaseRetrace", "HeightTrace"]


def test_an_igor_wave_of_one_image_or_of_frames(tmp_path):
    image = read_image(ibw(tmp_path / "a.ibw", SEEN[::-1].T, unit=b""))
    np.testing.assert_array_equal(image.data, SEEN)
    assert image.pixel_size is None
    frames = np.stack([SEEN, 2 * SEEN], axis=-1)[::-1].swapaxes(0, 1)
    np.testing.assert_array_equal(read_image(ibw(tmp_path / "b.ibw", frames)).data, np.stack([SEEN, 2 * SEEN]))


def test_an_igor_wave_of_another_machine(tmp_path):
    path = ibw(tmp_path / "a.ibw", SEEN[::-1].T, order=">")
    np.testing.assert_array_equal(read_image(path).data, SEEN)
    assert read_image(path).pixel_size == pytest.approx(0.02)


REFUSED = {
    "cut short": (lambda raw: raw[:-300], "ends before its last pixel; copy"),
    "of version 2": (lambda raw: b"\x02\x00" + raw[2:], "a wave of one axis; open one of an image"),
    "of text": (lambda raw: raw[:80] + b"\0\0" + raw[82:], "of text"),
    "of a curve": (lambda raw: raw[:136] + bytes(12) + raw[148:], "one axis"),
    "without its header": (lambda raw: raw[64:], "cannot be read as IBW"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_an_igor_wave_that_is_no_image_is_refused(tmp_path, case):
    damage, words = REFUSED[case]
    path = ibw(tmp_path / "a.ibw", SEEN.T)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError, match=words):
        read_image(path)


@pytest.mark.parametrize("share", [0.01, 0.3, 0.9])
def test_a_gwyddion_file_cut_short_is_refused(tmp_path, share):
    path = gwy(tmp_path / "a.gwy", [("Z", SEEN, "m")])
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(InputError, match="cannot be read as GWY"):
        read_image(path)
