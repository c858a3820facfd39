"""Execute graphs that no arm is made of yet: built and opened by a runtime, in the form that its arms
have."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx

from superres.device.runtimes import load_runtime
from superres.device.runtimes.base import AS_WRITTEN, Session, Settings
from superres.models.graphs.uint8.forms import PLAIN, form_of, write_form


@dataclass(frozen=True)
class Executor:
    """What executes graphs: a runtime by name, what its engines take and give, its threads.

    `form` is that of every graph on uint8 frames; None takes the runtime's own, as its arms do. `size` is the
    height and width of frames that are all of one size: engines are made for it, as an arm's are.
    """

    runtime: str
    frames: str
    threads: int
    form: str | None = None
    size: tuple[int, int] | None = None

    @property
    def options(self) -> dict[str, Any]:
        """What the runtime is told."""
        sizes = {key: [*self.size] for key in ("smallest", "tuned", "largest")} if self.size else None
        return {"frames": self.frames, **({"sizes": sizes} if sizes else {})}

    @property
    def version(self) -> str:
        """The runtime's version."""
        return load_runtime(self.runtime).versions()[self.runtime]

    def form_of(self, graph: onnx.ModelProto) -> str:
        """The form of a graph: a Q/DQ graph's is another than that of one in float."""
        if self.frames != "uint8":
            return PLAIN
        quantized = any(node.op_type == "QuantizeLinear" for node in graph.graph.node)
        return self.form or form_of(self.runtime, "int8" if quantized else "float")


@dataclass(frozen=True)
class OpenedGraph:
    """A graph's session, and how many of its convolutions the runtime really executes in INT8."""

    session: Session
    int8_convolutions: int


def open_graph(graph: onnx.ModelProto, executor: Executor, *, simulated: bool = False) -> OpenedGraph:
    """Build the engine of a graph with any Q/DQ pairs or none, and open it; no file is left behind.

    With `simulated` it computes with rounded floats, for graphs in which data is quantised and the weights
    aren't. Raises UserError if the runtime can't read the graph, UnsupportedError if this machine can't run
    it.
    """
    runtime, form = load_runtime(executor.runtime), executor.form_of(graph)
    settings = Settings(AS_WRITTEN, executor.threads, {**executor.options, "simulated": simulated})
    with tempfile.TemporaryDirectory(prefix="superres-") as folder:
        source, engine = Path(folder, "graph.onnx"), Path(folder, "engine.bin")
        source.write_bytes(graph.SerializeToString(deterministic=True))
        if form != PLAIN:
            written = Path(folder, "uint8.onnx")
            write_form(source, written, form)
            source = written
        facts = runtime.build(source, engine, settings)
        return OpenedGraph(runtime.open_engine(engine, settings), facts["int8_convolutions"])
