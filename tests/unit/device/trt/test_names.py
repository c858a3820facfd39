"""Every name of TensorRT that the source uses is there in each version, or is asked for first.

`names.csv` has the names of each version's Python bindings: 8.6 to 11.1 by `dump_names.py` from NVIDIA's own
packages, 8.5.2 from their sources (github.com/NVIDIA/TensorRT, python/src), whose `INetworkDefinition` and
`ITensor` are those that 7.2's sources and 8.6 have in common.
"""

import csv
from collections import defaultdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from .touched import MODULE, find_touched

TABLE = Path(__file__).with_name("names.csv")
VERSIONS = ("8.5", "8.6", "10.3", "10.16", "11.1")
# Names that one version or another lacks, and the function that asks for the like before they are used.
GUARDED = {
    ("IBuilderConfig", "int8_calibrator"): "check_implicit",
    ("IBuilderConfig", "set_calibration_profile"): "check_implicit",
    ("BuilderFlag", "REQUIRE_USER_ALLOCATION"): "takes_memory",
    ("ICudaEngine", "create_runtime_config"): "takes_memory",
    ("IExecutionContext", "set_device_memory"): "takes_memory",
    ("IRuntimeConfig", "set_execution_context_allocation_strategy"): "takes_memory",
    ("IRuntimeConfig", "dynamic_shapes_kernel_specialization_strategy"): "takes_memory",
    (MODULE, "ExecutionContextAllocationStrategy"): "takes_memory",
    ("ExecutionContextAllocationStrategy", "USER_MANAGED"): "takes_memory",
    (MODULE, "DynamicShapesKernelSpecializationStrategy"): "takes_memory",
    ("DynamicShapesKernelSpecializationStrategy", "EAGER"): "takes_memory",
}
# Names that are put together at run time, with the last version that has them.
COMPOSED = {
    ("BuilderFlag", "FP16"): "10.16",
    ("BuilderFlag", "INT8"): "10.16",
    ("Builder", "platform_has_fast_fp16"): "10.16",
    ("Builder", "platform_has_fast_int8"): "10.16",
    ("IInt8EntropyCalibrator2", ""): "10.16",
    ("IInt8MinMaxCalibrator", ""): "10.16",
}
# Names of the table that other objects of the source have as well.
SHARED = {
    "nbytes",
    "update",
    "name",
    "shape",
    "dtype",
    "log",
    "desc",
    "value",
    "type",
    "DLA_core",
    "profiling_verbosity",
    "error",
}


def read_table() -> dict[tuple[str, str], set[str]]:
    """The versions that have a name, by class and name; the class itself has an empty name."""
    with TABLE.open(newline="", encoding="utf-8") as file:
        return {
            (row["class"], row["name"]): {version for version in VERSIONS if row[version]}
            for row in csv.DictReader(file)
        }


NAMES = read_table()
TOUCHED = find_touched()


def versions_with(kind: str, name: str) -> set[str]:
    """The versions that have a class of the module, or a name of a class."""
    return NAMES.get((name, "") if kind == MODULE else (kind, name), set())


def test_the_source_was_understood():
    """Classes were followed through the code: nothing of TensorRT's is used on an object of unknown class."""
    members = {name for _, name in NAMES if name} - SHARED
    assert not {(base, name) for base, name in TOUCHED.unknown if name in members}
    assert {
        ("IBuilderConfig", "set_memory_pool_limit"),
        ("IExecutionContext", "execute_async_v3"),
        ("EngineInspector", "get_engine_information"),
        ("ITensor", "shape"),
        ("ParserError", "desc"),
        ("ITimingCache", "serialize"),
        ("IRuntimeConfig", "set_execution_context_allocation_strategy"),
    } <= TOUCHED.used
    # One or the other is in each version.
    memory = {("ICudaEngine", name) for name in ("device_memory_size", "device_memory_size_v2")}
    assert memory <= TOUCHED.asked and set.union(*(NAMES[pair] for pair in memory)) == set(VERSIONS)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_name_is_there_or_asked_for_first(version):
    missing = {
        (kind, name)
        for kind, name in TOUCHED.used - TOUCHED.asked - GUARDED.keys()
        if version not in versions_with(kind, name)
    }
    assert not missing, f"TensorRT {version} has none of {sorted(missing)}"


def test_guards_are_needed_and_there():
    from superres.device.runtimes.trt import calibrator, config

    for (kind, name), guard in GUARDED.items():
        assert (kind, name) in TOUCHED.used, f"nothing uses {kind}.{name} any more"
        assert versions_with(kind, name) != set(VERSIONS), f"{kind}.{name} needs no guard"
        assert any(hasattr(module, guard) for module in (calibrator, config))


@pytest.mark.parametrize(("pair", "last"), COMPOSED.items())
def test_composed_names_are_there_up_to_their_last_version(pair, last):
    assert NAMES[pair] == set(VERSIONS[: VERSIONS.index(last) + 1])


def test_tensorrt_rtx_has_every_name():
    rtx: Any = pytest.importorskip("tensorrt_rtx")
    classes = defaultdict(set)
    for kind, name in TOUCHED.used - TOUCHED.asked:
        classes[kind].add(name)
    gone = {("IBuilderConfig", "int8_calibrator"), ("IBuilderConfig", "set_calibration_profile")}
    for kind, names in classes.items():
        place = rtx if kind == MODULE else getattr(rtx, kind)
        assert {name for name in names if not hasattr(place, name)} <= {name for k, name in gone if k == kind}


def test_the_table_is_that_of_the_stubs():
    """A second source for the names of version 10: what its type stubs declare is in 10.3 or 10.16."""
    spec = find_spec("tensorrt_bindings")
    if spec is None:
        pytest.skip("the stubs of TensorRT 10 are not here (envs/types.txt)")
    (folder,) = spec.submodule_search_locations or [None]
    lines = Path(str(folder), "tensorrt.pyi").read_text(encoding="utf-8").splitlines()
    for (kind, name), versions in NAMES.items():
        if {"10.3", "10.16"} <= versions and name == "":
            assert any(line.startswith(f"class {kind}") for line in lines), kind
