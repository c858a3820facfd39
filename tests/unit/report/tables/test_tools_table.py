"""The table of other tools: sizes and tensors of real ONNX files, losses of the evaluation."""

import json
from pathlib import Path

import numpy as np
import onnx
import polars as pl
import pytest
from onnx import TensorProto, helper, numpy_helper

from superres.csv_rows import write_rows
from superres.report.metrics.schema import Evaluation
from superres.report.tables.tools_table import compare_tools

from ..metrics.test_evaluation import not_run, row

MODEL = "espcn_ycbcr"


def write_graph(path: Path, after_relu: bool) -> Path:
    """Write frame -> Q/DQ -> Relu, with or without Q/DQ after it, and a weight with Q/DQ."""
    nodes = []

    def pair(name: str) -> str:
        nodes.append(helper.make_node("QuantizeLinear", [name, "s", "z"], [f"{name}/q"]))
        nodes.append(helper.make_node("DequantizeLinear", [f"{name}/q", "s", "z"], [f"{name}/dq"]))
        return f"{name}/dq"

    nodes.append(helper.make_node("Relu", [pair("frame")], ["r"]))
    last = pair("r") if after_relu else "r"
    nodes.append(helper.make_node("Add", [last, pair("w")], ["upscaled"]))
    values = {"s": np.float32(0.1), "z": np.int8(0), "w": np.ones(3, np.float32)}
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("frame", TensorProto.FLOAT, [3])],
        [helper.make_tensor_value_info("upscaled", TensorProto.FLOAT, [3])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in values.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def write_engine(path: Path, facts: dict | None) -> Path:
    path.write_text(
        json.dumps({"status": "ok", "engine_bytes": 4321, "facts": facts} if facts else {"status": "not run"})
    )
    return path


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """`tools.csv` and `tools.md` of FP32, our INT8, and two by NNCF, the second not run in OpenVINO."""
    rows = [
        row("openvino", "fp32", 36.0),
        row("openvino", "int8-minmax", 35.75),
        row("openvino", "int8-nncf", 35.875),
        not_run("openvino", "int8-mixed"),
        row("openvino", "int8-other", 35.0),
        row("onnxruntime", "fp32", 36.0),
        row("onnxruntime", "int8-minmax", 35.5),
    ]
    write_rows(Evaluation, rows, tmp_path / "evaluation.csv")
    names = ("fp32", "int8-minmax", "int8-nncf", "int8-mixed")
    graphs = {(MODEL, name): write_graph(tmp_path / f"{name}.onnx", name == "int8-minmax") for name in names}
    openvino, theirs = (
        {"convolutions": {"u8": 1, "i8": 1, "f32": 2}},
        {"int8_convolutions": 3, "float_convolutions": 1},
    )
    engines = {
        f"local/openvino/{MODEL}/{name}": write_engine(
            tmp_path / f"{name}.json", None if name == "int8-mixed" else openvino
        )
        for name in names
    }
    for name in names[:2]:
        engines[f"local/onnxruntime/{MODEL}/{name}"] = write_engine(tmp_path / f"ort-{name}.json", theirs)
    tools = {"nncf": "nncf", "mixed": "nncf"}
    out = (tmp_path / "tools.csv", tmp_path / "tools.md")
    compare_tools(tmp_path / "evaluation.csv", graphs, engines, tools, csv_out=out[0], md_out=out[1])
    return tmp_path


def test_a_row_an_arm_with_size_tensors_and_loss(written: Path):
    rows = {
        (r["runtime"], r["precision"]): r for r in pl.read_csv(written / "tools.csv").iter_rows(named=True)
    }
    assert set(rows) == {
        *(("openvino", name) for name in ("fp32", "int8-minmax", "int8-nncf", "int8-mixed")),
        *(("onnxruntime", name) for name in ("fp32", "int8-minmax")),
    }
    ours, theirs = rows["openvino", "int8-minmax"], rows["openvino", "int8-nncf"]
    assert (ours["maker"], theirs["maker"]) == ("this pipeline", "nncf")
    assert ours["psnr_y_loss_db"] == ours["psnr_loss_db"] == pytest.approx(0.25, abs=1e-9)
    assert rows["onnxruntime", "int8-minmax"]["psnr_loss_db"] == pytest.approx(0.5, abs=1e-9)
    assert ours["onnx_bytes"] == (written / "int8-minmax.onnx").stat().st_size
    assert (ours["engine_bytes"], ours["int8_convolutions"], ours["convolutions"]) == (4321, 2, 4)
    assert rows["onnxruntime", "int8-minmax"]["int8_convolutions"] == 3
    assert (ours["quantized_tensors"], ours["quantized_after"]) == (2, "Relu 1, frame 1")
    assert (theirs["quantized_tensors"], theirs["quantized_after"]) == (1, "frame 1")
    missing = rows["openvino", "int8-mixed"]
    assert missing["psnr_loss_db"] is missing["convolutions"] is missing["engine_bytes"] is None


def test_the_table_begins_with_what_loses_least(written: Path):
    text = (written / "tools.md").read_text()
    table = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"
    ]
    assert table[0][:5] == ["Model", "Precision", "By", "ONNX [kB]", "Tensors"]
    assert [line[1] for line in table[2:]] == ["FP32", "INT8 nncf", "INT8 minmax", "INT8 mixed"]
    runtimes = table[0][5:]
    assert set(runtimes) == {"ONNX Runtime", "OpenVINO"}
    cells = {line[1]: dict(zip(runtimes, line[5:], strict=True)) for line in table[2:]}
    assert cells["INT8 nncf"] == {"OpenVINO": "34.375 (-0.125), 2 of 4", "ONNX Runtime": "-"}
    assert cells["INT8 mixed"]["OpenVINO"] == "not run (a)"
    assert "- INT8 mixed and INT8 nncf are the same graph of ESPCN_YCbCr, bit by bit." in text
