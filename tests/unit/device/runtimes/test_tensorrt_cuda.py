"""The CUDA runtime library through ctypes: the real one, without a driver, and what its errors become."""

import ast
import ctypes
import gc
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from superres.device.base.errors import UnsupportedError, UserError
from superres.device.runtimes import load_runtime
from superres.device.runtimes.base import Settings
from superres.device.runtimes.trt import cuda as module
from superres.device.runtimes.trt.cuda import Cuda, has_driver

runtime_package = pytest.importorskip("nvidia.cuda_runtime", reason="the CUDA runtime's package is not here")
without_driver = pytest.mark.skipif(has_driver(), reason="this machine has an NVIDIA driver")


def packaged() -> str:
    """The library of the Python package of CUDA 12."""
    (path,) = [path for path in module._packaged() if path.endswith("libcudart.so.12")]
    return path


@pytest.fixture
def cuda() -> Cuda:
    return Cuda(packaged())


def test_the_version_needs_no_driver(cuda):
    assert cuda.version == "12.9"


@without_driver
@pytest.mark.parametrize("ask", [Cuda.device, Cuda.stream, lambda cuda: cuda.host_array((2, 3), np.uint8)])
def test_error_35_of_the_real_library_is_a_clear_line(ask, cuda):
    with pytest.raises(UnsupportedError) as caught:
        ask(cuda)
    message = str(caught.value)
    assert message.startswith(
        "needs a CUDA device: the NVIDIA driver is missing, or too old for CUDA 12.9 (cuda"
    )
    assert "error 35, cudaErrorInsufficientDriver, CUDA driver version is insufficient" in message
    assert message.endswith("install or update it")


@without_driver
def test_an_error_of_a_call_names_it(cuda):
    # A null pointer is refused before the driver is looked for.
    with pytest.raises(
        RuntimeError, match=r"cudaRuntimeGetVersion: error 1, cudaErrorInvalidValue, invalid argument"
    ):
        cuda.call("cudaRuntimeGetVersion", None)


def test_errors_of_memory_and_devices_say_what_to_do(cuda):
    class Returning:
        """The real library, but for the code that a call returns."""

        def __init__(self, code: int):
            self.code = code

        def __getattr__(self, name: str):
            return (lambda *_: self.code) if name == "cudaMalloc" else getattr(real, name)

    real = cuda._library
    cuda._library = Returning(2)
    with pytest.raises(UserError, match=r"more free memory \(cudaMalloc: error 2, cudaErrorMemoryAllocation"):
        cuda.allocate(16)
    cuda._library = Returning(100)
    with pytest.raises(
        UnsupportedError, match=r"needs a CUDA device: the driver sees none .*cudaErrorNoDevice"
    ):
        cuda.allocate(16)


def test_the_library_has_every_function_that_is_called():
    library = ctypes.CDLL(packaged())
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    called = {text for text in texts if isinstance(text, str) and re.fullmatch(r"cuda[A-Z]\w+", text)}
    assert {"cudaMalloc", "cudaHostAlloc", "cudaGraphLaunch", "cudaMemcpyAsync", "cudaGetLastError"} <= called
    for name in called:
        assert hasattr(library, name), name


def test_libraries_of_every_package_are_found_the_oldest_first(tmp_path, monkeypatch):
    for name in ("cuda_runtime/lib/libcudart.so.12", "cu13/lib/libcudart.so.13", "cudnn/lib/libcudnn.so.9"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    spec = SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: spec if name == "nvidia" else None)
    assert [Path(path).name for path in module._packaged()] == ["libcudart.so.12", "libcudart.so.13"]


def test_the_library_that_is_loaded_already_comes_first(cuda, monkeypatch):
    assert next(module._candidates()) == packaged()
    # One without graphs of a known form, as before CUDA 11.4, is passed over.
    (libc,) = {
        line.split()[5] for line in Path("/proc/self/maps").read_text().splitlines() if "libc.so" in line
    }
    monkeypatch.setattr(module, "_candidates", lambda: iter([libc, packaged()]))
    assert Cuda().version == "12.9"


def test_a_missing_library_is_a_users_mistake(monkeypatch):
    monkeypatch.setattr(module, "_candidates", lambda: iter(["libcudart_of_nowhere.so"]))
    with pytest.raises(
        UserError, match=r"expected the CUDA runtime library.*of CUDA 11.4 or later, found none; install"
    ):
        Cuda()


def test_pinned_memory_is_freed_with_the_last_view_of_it(cuda):
    """Replace pinning and freeing by libc: arrays end as they do on a device."""
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    freed = []

    class Allocating:
        def cudaHostAlloc(self, pointer, size, flags):  # noqa: N802
            pointer._obj.value = libc.malloc(size)
            return 0

        def cudaFreeHost(self, pointer):  # noqa: N802
            freed.append(pointer.value)
            libc.free(pointer)

    cuda._library = Allocating()
    array = cuda.host_array((4, 5, 3), np.uint8)
    array[...] = 7
    address, view = array.ctypes.data, array[1:]
    assert array.shape == (4, 5, 3) and array.flags.writeable
    del array
    gc.collect()
    assert freed == [] and int(view.sum()) == 7 * 45
    del view
    gc.collect()
    assert freed == [address]


@without_driver
def test_tensorrt_is_never_touched_without_a_driver():
    # In a process of its own: had `tensorrt` been imported, its module would be there.
    check = """
import sys
from pathlib import Path
from superres.device.base.errors import UnsupportedError
from superres.device.runtimes import load_runtime
from superres.device.runtimes.base import Settings
runtime = load_runtime("tensorrt")
assert runtime.versions() == {}
for call in (runtime.build, lambda *a: runtime.open_engine(a[1], a[2])):
    try:
        call(Path("m.onnx"), Path("e.bin"), Settings("fp16", 1, {"frames": "uint8"}))
    except UnsupportedError as error:
        assert "needs a CUDA device: found no NVIDIA driver (libcuda.so.1)" in str(error), error
    else:
        raise AssertionError
assert "tensorrt" not in sys.modules
print("fine")
"""
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=False)
    assert done.stdout == "fine\n", done.stderr


@without_driver
def test_an_engine_of_rtx_is_built_but_not_run(tmp_path):
    pytest.importorskip("tensorrt_rtx")
    with pytest.raises(
        UnsupportedError, match=r"^built, not run: needs a CUDA device: found no NVIDIA driver"
    ):
        load_runtime("tensorrt_rtx").open_engine(tmp_path / "engine.bin", Settings("fp32", 1))
