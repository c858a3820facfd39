import math
import struct
from pathlib import Path

import pytest

from superres.device.base.errors import UserError
from superres.quantization.ranges.cache import format_cache, read_cache, select_ranges


def test_a_cache_as_tensorrt_writes_it(tmp_path: Path) -> None:
    path = tmp_path / "mnist.cache"
    path.write_text(
        "TRT-7000-EntropyCalibration2\r\ndata: 3c008912\r\n(Unnamed Layer* 1) [Constant]_output: "
        "0\r\nip::1: 3db6bd6e\r\n"
    )
    ranges = read_cache(path)
    assert list(ranges) == ["data", "(Unnamed Layer* 1) [Constant]_output", "ip::1"]
    # 0x3c008912 by hand: exponent 0x78 - 127 = -7, mantissa 0x008912.
    assert ranges["data"] == 127 * 2.0**-7 * (1 + 0x008912 / 2**23)
    assert select_ranges(ranges, ["ip::1"], path) == {"ip::1": ranges["ip::1"]}


def test_written_scales_are_the_nearest_float32() -> None:
    text = format_cache({"frame": 1.0, "r 1": 0.37, "tiny": 1e-40})
    lines = text.splitlines()
    assert lines[0] == "TRT-8502-EntropyCalibration2"
    # 1/127, as TensorRT writes it for an input that reaches 1.0.
    assert lines[1] == "frame: 3c010204"
    scale = struct.unpack(">f", bytes.fromhex(lines[2].removeprefix("r 1: ")))[0]
    assert abs(scale - 0.37 / 127) <= math.ulp(scale) * 2**28  # half an ulp of float32
    assert format_cache({"a": 1.0}, version="8601").startswith("TRT-8601-")


def test_reading_and_writing_again_gives_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "a.cache"
    hexes = ["3c010a14", "3f800000", "7f7fffff", "00800000", "00000001", "3dcccccd"]
    text = "TRT-8502-EntropyCalibration2\n" + "".join(f"t{i}: {h}\n" for i, h in enumerate(hexes))
    path.write_text(text)
    assert format_cache(read_cache(path)) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "found an empty file"),
        ("frame: 3c010a14\n", "whose first line is like TRT-8502-EntropyCalibration2; found 'frame"),
        ("TRT-8502-EntropyCalibration2\nframe 3c010a14\n", "line 2: expected `tensor: hexadecimal scale`"),
        ("TRT-8502-EntropyCalibration2\nframe: 3c010a14ff\n", "line 2: expected `tensor"),
        ("TRT-8502-EntropyCalibration2\na: 3c010a14\na: 3c010a14\n", "line 3: expected each tensor once"),
    ],
)
def test_files_that_are_no_cache(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.cache"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        read_cache(path)
    with pytest.raises(UserError, match="expected a TensorRT calibration cache"):
        read_cache(tmp_path / "missing.cache")


@pytest.mark.parametrize("scale", ["00000000", "7fc00000", "7f800000", "bf800000"])
def test_scales_that_no_range_has(tmp_path: Path, scale: str) -> None:
    path = tmp_path / "a.cache"
    path.write_text(f"TRT-8502-EntropyCalibration2\nframe: {scale}\n")
    with pytest.raises(UserError, match="expected a positive scale of tensor frame"):
        select_ranges(read_cache(path), ["frame"], path)
