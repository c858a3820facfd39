"""The flags of each version, by its features; only TensorRT-RTX can be tested without a GPU."""

import enum
from types import SimpleNamespace
from typing import Any

import pytest

from superres.device.base.conventions import IMPLICIT
from superres.device.base.errors import UnsupportedError
from superres.device.runtimes.base import Sizes
from superres.device.runtimes.trt import calibrator, config
from superres.device.runtimes.trt.config import BuildOptions
from superres.study.keys import arms

FLAGS = {
    "8.5": ("FP16", "INT8", "GPU_FALLBACK", "TF32"),
    "10.3": ("FP16", "INT8", "GPU_FALLBACK", "TF32"),
    "11.0": ("GPU_FALLBACK", "TF32"),
}
CREATION = {
    "8.5": {"EXPLICIT_BATCH": 0, "EXPLICIT_PRECISION": 1},
    "10.3": {"EXPLICIT_BATCH": 0, "STRONGLY_TYPED": 1},
    "11.0": {"STRONGLY_TYPED": 0},
}
ONE_SIZE = Sizes((540, 960), (540, 960), (540, 960))


def bindings(version: str) -> Any:
    """The names that a version has, of those that are asked for (NVIDIA's API reference)."""
    parts: dict[str, Any] = {
        "__version__": version,
        "BuilderFlag": enum.Enum("BuilderFlag", FLAGS[version]),
        "NetworkDefinitionCreationFlag": enum.IntEnum("NetworkDefinitionCreationFlag", CREATION[version]),
        "MemoryPoolType": enum.Enum("MemoryPoolType", ["WORKSPACE"]),
        "ProfilingVerbosity": enum.Enum("ProfilingVerbosity", ["DETAILED"]),
        "DeviceType": enum.Enum("DeviceType", ["GPU", "DLA"]),
    }
    if version != "11.0":
        parts["IInt8EntropyCalibrator2"] = parts["IInt8MinMaxCalibrator"] = object
    return SimpleNamespace(**parts)


class Config:
    """Keeps what it is told. TF32 is on at first, as in TensorRT."""

    def __init__(self, level: bool = True):
        self.flags = {"TF32"}
        self.limits: dict[str, int] = {}
        if level:
            self.builder_optimization_level = 3

    def set_flag(self, flag: Any) -> None:
        self.flags.add(flag.name)

    def clear_flag(self, flag: Any) -> None:
        self.flags.discard(flag.name)

    def set_memory_pool_limit(self, pool: Any, size: int) -> None:
        self.limits[pool.name] = size


@pytest.mark.parametrize(
    ("version", "precision", "fallback", "flags"),
    [
        ("8.5", "fp32", False, set()),
        ("8.5", "fp16", False, {"FP16"}),
        ("8.5", "int8-minmax", False, {"INT8"}),
        ("8.5", "int8-minmax", True, {"INT8", "FP16"}),
        ("8.5", "int8-trt-dummy", False, {"INT8"}),
        ("10.3", "fp32", True, set()),
        ("10.3", "fp16", False, {"FP16"}),
        ("11.0", "fp16", False, set()),
        ("11.0", "int8-minmax", False, set()),
    ],
)
def test_flags_are_those_of_the_precision(version, precision, fallback, flags):
    told: Any = Config()
    builder: Any = SimpleNamespace()
    config.set_precision(bindings(version), builder, told, precision, fallback)
    assert told.flags == flags


def test_batches_are_explicit_where_that_has_to_be_said():
    assert [config.network_flags(bindings(version)) for version in FLAGS] == [1, 1, 0]
    assert [config.is_strongly_typed(bindings(version)) for version in FLAGS] == [False, False, True]


@pytest.mark.parametrize(("precision", "name"), [("fp16", "FP16"), ("int8-minmax", "INT8")])
def test_a_device_without_fast_arithmetic_is_unsupported(precision, name):
    builder: Any = SimpleNamespace(**{f"platform_has_fast_{name.lower()}": False})
    told: Any = Config()
    with pytest.raises(UnsupportedError, match=f"no fast {name}"):
        config.set_precision(bindings("8.5"), builder, told, precision, False)


def test_limits_are_set_and_an_optimisation_level_needs_8_6():
    told: Any = Config()
    config.set_limits(bindings("10.3"), told, BuildOptions(workspace_mib=32, optimization_level=5))
    assert told.limits == {"WORKSPACE": 32 << 20}
    assert told.builder_optimization_level == 5
    assert told.profiling_verbosity.name == "DETAILED"
    old: Any = Config(level=False)
    config.set_limits(bindings("8.5"), old, BuildOptions())
    assert old.limits == {}
    with pytest.raises(
        UnsupportedError, match=r"TensorRT 8\.5 has no optimisation level, 8\.6 was the first"
    ):
        config.set_limits(bindings("8.5"), old, BuildOptions(optimization_level=3))


def test_a_dla_core_takes_the_gpu_to_help():
    told: Any = Config()
    builder: Any = SimpleNamespace(num_DLA_cores=2)
    config.set_dla(bindings("8.5"), builder, told, precision="fp16", core=1, sizes=ONE_SIZE)
    assert told.DLA_core == 1 and told.default_device_type.name == "DLA"
    assert "GPU_FALLBACK" in told.flags


@pytest.mark.parametrize(
    ("precision", "core", "sizes", "message"),
    [
        ("fp16", 2, ONE_SIZE, "expected DLA core 2 on this device, found 2 cores"),
        ("fp32", 0, ONE_SIZE, "FP16 and INT8 only"),
        ("fp16", 0, Sizes((8, 8), (8, 8), (9, 8)), r"one size, found \(8, 8\) to \(9, 8\)"),
    ],
)
def test_what_dla_does_not_do_is_unsupported(precision, core, sizes, message):
    told: Any = Config()
    builder: Any = SimpleNamespace(num_DLA_cores=2)
    with pytest.raises(UnsupportedError, match=message):
        config.set_dla(bindings("8.5"), builder, told, precision=precision, core=core, sizes=sizes)


def test_only_old_versions_find_ranges_themselves():
    for version in ("8.5", "10.3"):
        calibrator.check_implicit(bindings(version), "minmax")
    with pytest.raises(UnsupportedError, match=r"TensorRT 11\.0 finds no ranges itself, 10 was the last"):
        calibrator.check_implicit(bindings("11.0"), "minmax")


def test_study_and_device_call_such_precisions_alike():
    assert arms.IMPLICIT == IMPLICIT
    assert calibrator.is_implicit("int8-trt-dummy") and not calibrator.is_implicit("int8-dummy")
