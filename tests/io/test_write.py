"""What is written to a TIFF comes back: values, type and scale."""

from __future__ import annotations

from pathlib import Path

import dask.array as dask
import numpy as np
import pytest
import tifffile

from local_crystallography.data.image import Image
from local_crystallography.io.read import read_image
from local_crystallography.io.write import write_image, write_tiff

TYPES = (
    "bool",
    "int8",
    "uint8",
    "int16",
    "uint16",
    "int32",
    "uint32",
    "int64",
    "float16",
    "float32",
    "float64",
)


def checkered(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    return (np.indices(shape).sum(axis=0) % 2).astype(dtype)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", [(20, 24), (3, 20, 24)])
def test_values_type_and_scale_come_back(tmp_path: Path, dtype: str, shape: tuple[int, ...]) -> None:
    data = checkered(shape, dtype)
    write_tiff(tmp_path / "a.tif", data, 0.0168)
    image = read_image(tmp_path / "a.tif")
    assert image.data.dtype == data.dtype
    np.testing.assert_array_equal(image.data, data)
    assert image.pixel_size == pytest.approx(0.0168, rel=1e-6)


@pytest.mark.parametrize("pixel_size", [0.0005, 0.0168, 0.1, 0.19999])
@pytest.mark.parametrize("dtype", ["uint16", "float64"])
def test_any_scale_comes_back(tmp_path: Path, pixel_size: float, dtype: str) -> None:
    write_tiff(tmp_path / "a.tif", checkered((20, 24), dtype), pixel_size)
    assert read_image(tmp_path / "a.tif").pixel_size == pytest.approx(pixel_size, rel=1e-6)


@pytest.mark.parametrize("dtype", ["uint16", "int16"])
def test_no_scale_stays_no_scale(tmp_path: Path, dtype: str) -> None:
    write_tiff(tmp_path / "a.tif", checkered((20, 24), dtype))
    assert read_image(tmp_path / "a.tif").pixel_size is None


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_imagej_opens_its_own_types(tmp_path: Path, dtype: str) -> None:
    write_tiff(tmp_path / "a.tif", checkered((20, 24), dtype), 0.02)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert file.is_imagej
        assert file.imagej_metadata is not None
        assert file.imagej_metadata["unit"] == "nm"


def test_nan_and_byte_order_survive(tmp_path: Path) -> None:
    data = checkered((20, 24), "float32").astype(">f4")
    data[3, 4] = np.nan
    write_tiff(tmp_path / "a.tif", data, 0.02)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.tif"), data)


@pytest.mark.parametrize("dtype", TYPES)
def test_a_stack_read_by_the_part_is_written_like_any_other(tmp_path: Path, dtype: str) -> None:
    data = checkered((3, 20, 24), dtype)
    write_image(tmp_path / "a.tif", Image(dask.from_array(data, chunks=(1, 20, 24)), 0.0168))
    write_tiff(tmp_path / "b.tif", data, 0.0168)
    assert (tmp_path / "a.tif").read_bytes() == (tmp_path / "b.tif").read_bytes()
