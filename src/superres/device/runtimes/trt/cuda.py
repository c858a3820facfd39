"""The CUDA runtime library through ctypes, as JetPack has no Python package for it."""

import ctypes
import ctypes.util
import importlib.util
import weakref
from pathlib import Path
from typing import Any, Callable, Iterator, List, NamedTuple, Optional, Sequence

import numpy as np

from superres.device.base.errors import UnsupportedError, UserError
from superres.device.machine.facts import read_text

DRIVER = "libcuda.so.1"
_OUT_OF_MEMORY, _INSUFFICIENT_DRIVER, _NO_DEVICE = 2, 35, 100
_COMPUTE_CAPABILITY = (75, 76)  # cudaDevAttrComputeCapabilityMajor and Minor
_TO_DEVICE, _TO_HOST = 1, 2
_CAPTURE_THREAD_LOCAL = 1
# Work on the default stream, such as PyTorch's in the same process, ends the capture of any other stream.
_STREAM_NON_BLOCKING = 1
_NEEDED = "cudaGraphInstantiateWithFlags"  # since CUDA 11.4


class Device(NamedTuple):
    """A GPU: its name and compute capability, such as ("Orin", "8.7")."""

    name: str
    compute_capability: str


def has_driver() -> bool:
    """Return whether NVIDIA's driver is there; without it TensorRT crashes the process."""
    try:
        ctypes.CDLL(DRIVER)
    except OSError:
        return False
    return True


def require_driver() -> None:
    """Raise UnsupportedError if NVIDIA's driver isn't there."""
    if not has_driver():
        raise UnsupportedError(f"needs a CUDA device: found no NVIDIA driver ({DRIVER}); install it")


class Cuda:
    """The functions of the CUDA runtime that an engine needs, on the first device.

    `path` is the library's; by default it is searched. Raises UserError if there is none. Error codes of
    functions raise UnsupportedError without a driver (35) or device (100), UserError if memory runs out (2),
    else RuntimeError with the error's name.
    """

    def __init__(self, path: Optional[str] = None):
        self._library = ctypes.CDLL(path) if path else _load()
        for name in ("cudaGetErrorName", "cudaGetErrorString"):
            getattr(self._library, name).restype = ctypes.c_char_p

    def call(self, name: str, *arguments: Any) -> None:
        """Call a function; raises the error of its return code."""
        code = self.attempt(name, *arguments)
        if code == 0:
            return
        error = self._library.cudaGetErrorName(code).decode("ascii")
        text = self._library.cudaGetErrorString(code).decode("utf-8", "replace")
        described = f"{name}: error {code}, {error}, {text}"
        if code == _INSUFFICIENT_DRIVER:
            raise UnsupportedError(
                f"needs a CUDA device: the NVIDIA driver is missing, or too old for CUDA {self.version} "
                f"({described}); install or update it"
            )
        if code == _NO_DEVICE:
            raise UnsupportedError(f"needs a CUDA device: the driver sees none ({described})")
        if code == _OUT_OF_MEMORY:
            raise UserError(f"CUDA device: expected more free memory ({described}); end what else runs on it")
        raise RuntimeError(f"CUDA: {described}")

    def attempt(self, name: str, *arguments: Any) -> int:
        """Call a function that may fail; returns its code, 0 for success."""
        return getattr(self._library, name)(*arguments)

    @property
    def version(self) -> str:
        """Version of this library, such as 12.9; it needs no driver."""
        number = ctypes.c_int()
        self.call("cudaRuntimeGetVersion", ctypes.byref(number))
        return f"{number.value // 1000}.{number.value % 1000 // 10}"

    def device(self) -> Device:
        """The device that engines run on; raises UnsupportedError if there is none."""
        count = ctypes.c_int()
        self.call("cudaGetDeviceCount", ctypes.byref(count))
        numbers = []
        for attribute in _COMPUTE_CAPABILITY:
            number = ctypes.c_int()
            self.call("cudaDeviceGetAttribute", ctypes.byref(number), attribute, 0)
            numbers.append(str(number.value))
        # The structure differs between versions, but always begins with the name.
        properties = ctypes.create_string_buffer(1 << 14)
        self.call("cudaGetDeviceProperties", properties, 0)
        return Device(properties.value.decode("utf-8", "replace"), ".".join(numbers))

    def allocate(self, size: int) -> "DeviceMemory":
        """Memory of the device, in bytes."""
        pointer = ctypes.c_void_p()
        self.call("cudaMalloc", ctypes.byref(pointer), ctypes.c_size_t(size))
        return DeviceMemory(self, int(pointer.value or 0))

    def host_array(self, shape: Sequence[int], dtype: Any) -> np.ndarray:
        """Return an array in pinned memory, for direct copies; freed with the array."""
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        pointer = ctypes.c_void_p()
        self.call("cudaHostAlloc", ctypes.byref(pointer), ctypes.c_size_t(size), 0)
        memory: Any = (ctypes.c_ubyte * size).from_address(int(pointer.value or 0))
        weakref.finalize(memory, self._library.cudaFreeHost, pointer)
        return np.frombuffer(memory, dtype).reshape(shape)

    def free(self, address: int) -> None:
        """Free memory of the device."""
        self.call("cudaFree", ctypes.c_void_p(address))

    def free_memory(self) -> int:
        """Return the free bytes of the device's memory."""
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        self.call("cudaMemGetInfo", ctypes.byref(free), ctypes.byref(total))
        return free.value

    def event(self) -> "Event":
        """Return a new event."""
        handle = ctypes.c_void_p()
        self.call("cudaEventCreate", ctypes.byref(handle))
        return Event(self, int(handle.value or 0))

    def stream(self) -> "Stream":
        """A new stream, which waits for no other."""
        handle = ctypes.c_void_p()
        self.call("cudaStreamCreateWithFlags", ctypes.byref(handle), _STREAM_NON_BLOCKING)
        return Stream(self, int(handle.value or 0))


class DeviceMemory:
    """Memory of the device, freed with this object."""

    def __init__(self, cuda: Cuda, address: int):
        self.address = address
        weakref.finalize(self, cuda.free, address)


class Event:
    """A moment in a stream's work, by the device's clock."""

    def __init__(self, cuda: Cuda, handle: int):
        self._cuda = cuda
        self.handle = handle
        weakref.finalize(self, cuda.call, "cudaEventDestroy", ctypes.c_void_p(handle))

    def milliseconds_to(self, later: "Event") -> float:
        """Return the time to a later event, both in the past; resolution half a microsecond."""
        found = ctypes.c_float()
        arguments = ctypes.c_void_p(self.handle), ctypes.c_void_p(later.handle)
        self._cuda.call("cudaEventElapsedTime", ctypes.byref(found), *arguments)
        return found.value


class Stream:
    """A queue of work on the device; arrays of its copies must stay until `synchronize`."""

    def __init__(self, cuda: Cuda, handle: int):
        self._cuda = cuda
        self.handle = handle
        weakref.finalize(self, cuda.call, "cudaStreamDestroy", ctypes.c_void_p(handle))

    def upload(self, memory: DeviceMemory, array: np.ndarray) -> None:
        """Copy a contiguous array to the device."""
        self._copy(memory.address, array.ctypes.data, array.nbytes, _TO_DEVICE)

    def download(self, array: np.ndarray, memory: DeviceMemory) -> None:
        """Copy from the device into a contiguous array."""
        self._copy(array.ctypes.data, memory.address, array.nbytes, _TO_HOST)

    def _copy(self, target: int, source: int, size: int, kind: int) -> None:
        addresses = ctypes.c_void_p(target), ctypes.c_void_p(source)
        self._cuda.call("cudaMemcpyAsync", *addresses, ctypes.c_size_t(size), kind, self._pointer)

    def record(self, event: Event) -> None:
        """Mark the moment at which all work so far is done."""
        self._cuda.call("cudaEventRecord", ctypes.c_void_p(event.handle), self._pointer)

    def synchronize(self) -> None:
        """Wait until all work is done."""
        self._cuda.call("cudaStreamSynchronize", self._pointer)

    def capture(self, enqueue: Callable[[], bool]) -> "Optional[Graph]":
        """Record the work that `enqueue` adds, instead of running it; None if that isn't possible.

        `enqueue` returns whether it could. A failure leaves nothing behind, neither a graph nor an error that
        the next call would report as its own.
        """
        graph, executable = ctypes.c_void_p(), ctypes.c_void_p()
        recorded = False
        self._cuda.call("cudaStreamBeginCapture", self._pointer, _CAPTURE_THREAD_LOCAL)
        try:
            recorded = enqueue()
        finally:
            # A failed recording must be ended too.
            ended = self._cuda.attempt("cudaStreamEndCapture", self._pointer, ctypes.byref(graph)) == 0
        if recorded and ended:
            # Without flags the function's arguments differ between CUDA 11 and 12; with them they don't.
            arguments = ctypes.byref(executable), graph, ctypes.c_ulonglong(0)
            recorded = self._cuda.attempt("cudaGraphInstantiateWithFlags", *arguments) == 0
        if graph.value:
            self._cuda.attempt("cudaGraphDestroy", graph)
        if recorded and ended:
            return Graph(self._cuda, int(executable.value or 0))
        self._cuda.attempt("cudaGetLastError")
        return None

    def launch(self, graph: "Graph") -> None:
        """Run a recorded graph."""
        self._cuda.call("cudaGraphLaunch", ctypes.c_void_p(graph.handle), self._pointer)

    @property
    def _pointer(self) -> ctypes.c_void_p:
        return ctypes.c_void_p(self.handle)


class Graph:
    """Recorded work of a stream, freed with this object."""

    def __init__(self, cuda: Cuda, handle: int):
        self.handle = handle
        weakref.finalize(self, cuda.call, "cudaGraphExecDestroy", ctypes.c_void_p(handle))


def _load() -> ctypes.CDLL:
    for name in _candidates():
        try:
            library = ctypes.CDLL(name)
        except OSError:
            continue
        if hasattr(library, _NEEDED):
            return library
    raise UserError(
        "CUDA: expected the CUDA runtime library (libcudart) of CUDA 11.4 or later, found none; install "
        "CUDA, JetPack, or the Python package nvidia-cuda-runtime-cu12"
    )


def _candidates() -> Iterator[str]:
    """Names and paths of the library.

    The first is what this process has loaded already, by TensorRT or PyTorch. The system's precede the Python
    packages', as a Jetson's belongs to its driver.
    """
    yield from _mapped()
    found = ctypes.util.find_library("cudart")
    if found:
        yield found
    yield from ("libcudart.so", "/usr/local/cuda/lib64/libcudart.so")
    yield from _packaged()


def _mapped() -> List[str]:
    maps = (read_text("/proc/self/maps") or "").splitlines()
    paths = [line.split(None, 5)[5] for line in maps if "/libcudart" in line]
    return list(dict.fromkeys(path for path in paths if Path(path).is_file()))


def _packaged() -> List[str]:
    """Return the libraries of NVIDIA's Python packages, the oldest first: it works with the most drivers.

    That of CUDA 12 lies in `nvidia/cuda_runtime/lib`, later ones in `nvidia/cu13/lib`.
    """
    spec = importlib.util.find_spec("nvidia")
    folders = [Path(folder) for folder in (spec.submodule_search_locations or ())] if spec else []
    paths = [path for folder in folders for path in folder.glob("cu*/lib/libcudart.so.*")]
    return [str(path) for path in sorted(paths, key=lambda path: path.name)]
