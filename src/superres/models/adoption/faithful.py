"""Compare a network after its conversion with the file of others as it is."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime

from superres.device.base.errors import UserError
from superres.models.adoption.ends import Ends
from superres.models.adoption.reading import ACTIVATIONS
from superres.models.adoption.sizes import Sizes, runner, typed
from superres.models.adoption.statements import Activation
from superres.models.graphs.onnx_file import OPSET

_SIDE = 48

# A share of the result's contrast. Half floats make far less; a picture that is moved, more.
_MOST = 0.01


def check_faithful(
    source: Path,
    converted: onnx.ModelProto,
    ends: Ends,
    sizes: Sizes,
    *,
    activation: Activation | None,
    where: str,
) -> None:
    """Raise UserError if a graph gives another picture of noise than the file that it was converted from.

    `activation` was put behind the graph alone. What onnxruntime can't run as it is, such as bfloat16, isn't
    compared.
    """
    side = -(-_SIDE // sizes.multiple) * sizes.multiple
    batch = np.random.default_rng(0).random(ends.dims(*(ends.size or (side, side))), np.float32)
    batch = batch * (255 if ends.input_type == "uint8" else 1)
    expected = _result_of_file(source, ends, batch)
    if expected is None:
        return
    expected = ACTIVATIONS[activation](expected) if activation else expected
    found = runner(converted, ends)(typed(batch, ends.input_type)).astype(np.float64)
    far = found.shape != expected.shape
    if far or np.std(found - expected) > _MOST * max(float(np.std(expected)), 1e-6):
        raise UserError(
            f"{where}: expected the file's own picture after conversion to opset {OPSET}, found another one; "
            f"export it again in opset {OPSET}, without random numbers"
        )


def _result_of_file(source: Path, ends: Ends, batch: np.ndarray) -> np.ndarray | None:
    """Return the first result of a batch of copies; None if it doesn't run, or isn't finite."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])
        entry = next(value for value in session.get_inputs() if value.name == ends.input)
        copies = entry.shape[0] if isinstance(entry.shape[0], int) else 1
        given = typed(batch.repeat(copies, axis=0), entry.type.removeprefix("tensor(").removesuffix(")"))
        result = np.asarray(session.run([ends.output], {ends.input: given})[0])[:1].astype(np.float64)
    except Exception:  # noqa: BLE001 - whatever it is, there is nothing to compare with
        return None
    return result if np.isfinite(result).all() else None
