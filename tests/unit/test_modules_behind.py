"""What stands behind a module is what Python itself loads with it."""

import subprocess
import sys

import pytest

from superres.code_version import ROOT, libraries_behind, modules_behind


@pytest.mark.parametrize("entry", ["study/check.py", "data/clips.py", "device/frames/psnr.py"])
def test_all_that_python_loads_is_named(entry: str):
    name = "superres." + entry.removesuffix(".py").replace("/", ".")
    program = f"import sys, {name}; print(*[m.__file__ for n, m in sys.modules.items() if n.startswith('superres.')])"
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout
    files = {file.removeprefix(f"{ROOT}/") for file in loaded.split() if not file.endswith("__init__.py")}
    assert entry in files
    assert files <= set(modules_behind(entry))


def test_nothing_else_is_named():
    assert "models/networks.py" not in modules_behind("data/clips.py")
    assert all((ROOT / path).is_file() for path in modules_behind("data/clips.py"))


def test_imports_inside_functions_count():
    assert "data/sources/pictures.py" in modules_behind("data/sources/images.py")
    # Every kind of source stands behind a clip.
    assert {"data/sources/y4m.py", "data/sources/yuv.py"} <= set(modules_behind("data/clips.py"))


def test_missing_module_is_an_error():
    with pytest.raises(FileNotFoundError):
        modules_behind("data/clips_of_old.py")


def test_libraries_are_those_that_are_imported_anywhere_in_a_module():
    # torch only inside functions; hashlib and pathlib are Python's own, superres is this package.
    assert libraries_behind(["device/runtimes/pytorch.py"]) == ["numpy", "torch"]
    assert libraries_behind(["data/sources/reading.py", "report/tables/paper_table1.csv"]) == ["numpy"]
