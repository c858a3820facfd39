"""OpenVINO with several frames in flight: more frames a second, each of them later.

The graph is that of `openvino`, compiled for throughput: streams of fewer threads each work on frames of their own.
"""

from collections import deque
from pathlib import Path
from typing import Any, Deque, Dict, Iterable, Iterator, List, Optional

import numpy as np
import openvino as ov

from superres.device.runtimes import openvino
from superres.device.runtimes.base import Settings
from superres.device.runtimes.openvino import (
    THROUGHPUT,
    OpenvinoSession,
    compile_file,
    load_compiled,
    properties,
)


def check_precision(precision: str) -> None:
    """As OpenVINO for latency; see `base.Runtime`."""
    openvino.check_precision(precision)


def build(model: Optional[Path], engine: Path, settings: Settings) -> Dict[str, Any]:
    """Compile an ONNX file for this processor and write the compiled blob; see `base.Runtime`."""
    return compile_file(model, engine, settings, THROUGHPUT)


def open_engine(engine: Path, settings: Settings) -> "StreamingSession":
    """Open the engine; see `base.Runtime`."""
    return StreamingSession(load_compiled(engine, properties(settings, THROUGHPUT)), engine, settings)


def versions() -> Dict[str, str]:
    """Version of OpenVINO."""
    return {"openvino_throughput": openvino.versions()["openvino"]}


class StreamingSession(OpenvinoSession):
    """As many requests as OpenVINO deems best, which frames go through in turn; single frames take the first one."""

    def __init__(self, compiled: ov.CompiledModel, engine: Path, settings: Settings):
        super().__init__(compiled, engine, settings)
        self.in_flight = compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
        others = (OpenvinoSession(compiled, engine, settings) for _ in range(self.in_flight - 1))
        self._lanes: List[OpenvinoSession] = [self, *others]

    def stream(self, frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        waiting: Deque[OpenvinoSession] = deque()
        for count, frame in enumerate(frames):
            if len(waiting) == self.in_flight:
                yield _finish(waiting.popleft())
            lane = self._lanes[count % self.in_flight]
            lane.preprocess(frame)
            lane.request.start_async()
            waiting.append(lane)
        while waiting:
            yield _finish(waiting.popleft())

    def facts(self) -> Dict[str, Any]:
        return {"in_flight": self.in_flight}


def _finish(lane: OpenvinoSession) -> np.ndarray:
    lane.request.wait()
    return lane.postprocess(None)
