"""What executes an engine: one module for each runtime.

A runtime's module has `build(model, engine, settings)`, `open_engine(engine, settings)` and `versions()`;
`base.Runtime` says what each does. To add one: a module here and its line in `RUNTIMES`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, cast

from superres.device.base.errors import UserError

if TYPE_CHECKING:
    from superres.device.runtimes.base import Runtime

# Each is imported when it is used: a machine needs only the packages of what it runs.
RUNTIMES: dict[str, str] = {
    "onnxruntime": "superres.device.runtimes.onnxruntime",
    "opencv": "superres.device.runtimes.opencv",
    "openvino": "superres.device.runtimes.openvino",
    "openvino_throughput": "superres.device.runtimes.openvino_throughput",
    "pytorch": "superres.device.runtimes.pytorch",
    "pytorch_tuned": "superres.device.runtimes.pytorch_tuned",
    "tensorrt": "superres.device.runtimes.tensorrt",
    "tensorrt_rtx": "superres.device.runtimes.tensorrt_rtx",
}


def load_runtime(name: str) -> Runtime:
    """Import a runtime by its name; raises UserError if it is unknown or its package is missing."""
    if name not in RUNTIMES:
        raise UserError(f"runtime: expected one of {', '.join(sorted(RUNTIMES))}, found {name!r}")
    try:
        return cast("Runtime", importlib.import_module(RUNTIMES[name]))
    except ModuleNotFoundError as error:
        raise UserError(
            f"runtime {name}: expected the Python package {error.name!r} on this machine, "
            f"found none; install it"
        ) from error
