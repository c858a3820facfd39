"""Execute graphs without an arm: a runtime builds and opens them in the form of its arms."""

import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import onnx

from superres.device.base.conventions import DEFAULT_SCALE
from superres.device.runtimes import load_runtime
from superres.device.runtimes.base import AS_WRITTEN, Session, Settings
from superres.device.runtimes.tiled import TiledSession
from superres.models.graphs.footprint import measure_footprint
from superres.models.graphs.onnx_file import own_size
from superres.models.graphs.uint8.forms import PLAIN, form_of, write_form


@dataclass(frozen=True)
class Executor:
    """A runtime by name, the type of its engines' frames, its threads.

    `form` is that of every graph on uint8 frames; None takes the runtime's own, as arms do. With `size`,
    height and width, engines are built for frames of this size only, as those of arms. `scale` is that of
    the graphs.
    """

    runtime: str
    frames: str
    threads: int
    form: str | None = None
    size: tuple[int, int] | None = None
    scale: int = DEFAULT_SCALE

    @property
    def options(self) -> dict[str, Any]:
        """The options of the runtime."""
        sizes = {key: [*self.size] for key in ("smallest", "tuned", "largest")} if self.size else None
        return {"frames": self.frames, "scale": self.scale, **({"sizes": sizes} if sizes else {})}

    @property
    def version(self) -> str:
        """The runtime's version."""
        return load_runtime(self.runtime).versions()[self.runtime]

    def form_of(self, graph: onnx.ModelProto) -> str:
        """Return the form of a graph, which differs for Q/DQ and float graphs."""
        if self.frames != "uint8":
            return PLAIN
        quantized = any(node.op_type == "QuantizeLinear" for node in graph.graph.node)
        return self.form or form_of(self.runtime, "int8" if quantized else "float")


@dataclass(frozen=True)
class OpenedGraph:
    """A graph's session, and the number of convolutions that the runtime executes in INT8."""

    session: Session
    int8_convolutions: int


def open_graph(graph: onnx.ModelProto, executor: Executor, *, simulated: bool = False) -> OpenedGraph:
    """Build and open the engine of a graph with or without Q/DQ pairs; its files are temporary.

    With `simulated` it computes with rounded floats, for graphs with INT8 data and float weights. Raises
    UserError if the runtime can't read the graph, UnsupportedError if this machine can't run it.
    """
    runtime, form = load_runtime(executor.runtime), executor.form_of(graph)
    own = own_size(graph)
    options = (replace(executor, size=own) if own else executor).options
    settings = Settings(AS_WRITTEN, executor.threads, {**options, "simulated": simulated})
    with tempfile.TemporaryDirectory(prefix="superres-") as folder:
        source, engine = Path(folder, "graph.onnx"), Path(folder, "engine.bin")
        source.write_bytes(graph.SerializeToString(deterministic=True))
        footprint = asdict(measure_footprint(source)) if own else {}
        if form != PLAIN:
            written = Path(folder, "uint8.onnx")
            write_form(source, written, form)
            source = written
        facts = runtime.build(source, engine, settings)
        session = runtime.open_engine(engine, settings)
        return OpenedGraph(TiledSession(session, footprint) if own else session, facts["int8_convolutions"])
