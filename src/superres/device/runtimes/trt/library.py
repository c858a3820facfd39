"""Find and import the Python module of TensorRT or TensorRT-RTX."""

import importlib
from typing import Any, Dict, List

from superres.device.base.errors import UnsupportedError, UserError
from superres.device.runtimes.trt.cuda import Cuda, Device, require_driver

PACKAGES = {
    "tensorrt": (
        "on a Jetson install JetPack's tensorrt and python3-libnvinfer (docs/gpu.md), on a PC envs/gpu.txt"
    ),
    "tensorrt_rtx": "install tensorrt-rtx-cu12 (envs/gpu.txt)",
}
# Sessions need the calls by tensor names.
_NEEDED = ("num_io_tensors", "get_tensor_dtype")


def load_module(name: str) -> Any:
    """Import `tensorrt` or `tensorrt_rtx`.

    The first needs NVIDIA's driver: without it, its first call is a segmentation fault. Raises
    UnsupportedError without a driver, UserError for a missing package or one that is too old.
    """
    if name == "tensorrt":
        require_driver()
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        raise UserError(
            f"runtime {name}: expected the Python package {name}, found none that can be imported "
            f"({error}); {PACKAGES[name]}"
        ) from error
    # A package of type stubs alone can be imported too.
    if not hasattr(module, "Builder"):
        raise UserError(
            f"runtime {name}: expected the Python package {name}, found only its types; {PACKAGES[name]}"
        )
    if not all(hasattr(module.ICudaEngine, needed) for needed in _NEEDED):
        raise UserError(
            f"runtime {name}: expected TensorRT 8.5 or later, found {module.__version__}; "
            "on a Jetson that is JetPack 5.1 or later"
        )
    return module


def find_device() -> Device:
    """The CUDA device; raises UnsupportedError if there is none, or the driver is missing or too old."""
    require_driver()
    return Cuda().device()


def module_version(name: str) -> Dict[str, str]:
    """Return the version of an installed module; empty if it can't be imported safely."""
    try:
        module = load_module(name)
    except (UnsupportedError, UserError):
        return {}
    return {name: str(module.__version__)}


_LOGS: Dict[str, Any] = {}


def make_log(trt: Any) -> Any:
    """Return the logger of a module, emptied: it keeps TensorRT's `messages`, and `errors` and `warnings`.

    A process has one for each module: TensorRT gives all messages to the first logger that it got.
    """
    log = _LOGS.get(trt.__name__)
    if log is None or not isinstance(log, trt.ILogger):
        log = _LOGS[trt.__name__] = _new_log(trt)
    log.messages, log.errors, log.warnings = [], [], []
    return log


def _new_log(trt: Any) -> Any:
    class Log(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.messages: List[str] = []
            self.errors: List[str] = []
            self.warnings: List[str] = []

        def log(self, severity: Any, msg: str) -> None:
            self.messages.append(msg)
            if severity in (trt.ILogger.INTERNAL_ERROR, trt.ILogger.ERROR):
                self.errors.append(msg)
            elif severity == trt.ILogger.WARNING:
                self.warnings.append(msg)

    return Log()
