"""Run a graph for the values of tensors inside it."""

from collections.abc import Sequence

import numpy as np
import onnx
import onnxruntime as ort


class Taps:
    """A graph with one image input, run by ONNX Runtime on the processor for some of its tensors.

    Nothing is fused or reordered: a tensor has the value that the graph as written gives it. `threads` 0 takes
    every processor; sums may differ in their last bits from one number of threads to another.
    """

    def __init__(self, graph: onnx.ModelProto, names: Sequence[str], threads: int = 0):
        tapped = onnx.ModelProto()
        tapped.CopyFrom(graph)
        present = {value.name for value in (*tapped.graph.input, *tapped.graph.output)}
        for name in names:
            if name not in present:
                tapped.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        self._session = ort.InferenceSession(
            tapped.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        self._names = list(names)
        self._input = self._session.get_inputs()[0].name

    def run(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """The tapped tensors for an image 1 x 3 x H x W, float32, by name."""
        computed = [name for name in self._names if name != self._input]
        values = self._session.run(computed, {self._input: image})
        tapped = {name: np.asarray(value) for name, value in zip(computed, values, strict=True)}
        return tapped | ({self._input: image} if self._input in self._names else {})
