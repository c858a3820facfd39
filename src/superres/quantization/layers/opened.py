"""Graphs that are measured before any arm is made of them: built and opened by a runtime, as an arm's engine is."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import onnx

from superres.device.runtimes import load_runtime
from superres.device.runtimes.base import AS_WRITTEN, Session, Settings
from superres.models.graphs.uint8.pixels import fold_frames


@dataclass(frozen=True)
class Executor:
    """What executes graphs: a runtime by name, the form of its engines' frames, its threads.

    With `folded`, the conversion of frames is folded into the graph first.
    """

    runtime: str
    frames: str
    folded: bool
    threads: int

    @property
    def version(self) -> str:
        """The runtime's version."""
        return load_runtime(self.runtime).versions()[self.runtime]


@dataclass(frozen=True)
class OpenedGraph:
    """A graph's session, and how many of its convolutions the runtime really executes in INT8."""

    session: Session
    int8_convolutions: int


def open_graph(graph: onnx.ModelProto, executor: Executor, *, simulated: bool = False) -> OpenedGraph:
    """Build the engine of a graph with any Q/DQ pairs or none, and open it; no file is left behind.

    With `simulated` it computes with rounded floats, for graphs in which data is quantised and the weights aren't. Raises UserError if the runtime can't read the graph, UnsupportedError if this machine can't run it.
    """
    runtime = load_runtime(executor.runtime)
    settings = Settings(AS_WRITTEN, executor.threads, {"frames": executor.frames, "simulated": simulated})
    with tempfile.TemporaryDirectory(prefix="superres-") as folder:
        written, engine = Path(folder, "graph.onnx"), Path(folder, "engine.bin")
        written.write_bytes(graph.SerializeToString(deterministic=True))
        source = Path(folder, "folded.onnx") if executor.folded else written
        if executor.folded:
            fold_frames(written, source)
        facts = runtime.build(source, engine, settings)
        return OpenedGraph(runtime.open_engine(engine, settings), facts["int8_convolutions"])
