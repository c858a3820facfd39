"""Operations of engines by their runtimes' counters: number, types and multiply-adds match the network."""

import csv
import dataclasses
import json
from collections import Counter
from types import SimpleNamespace

import pytest

from superres.device.runtimes.sessions.onnxruntime import read_profile
from superres.device.runtimes.sessions.pytorch import _read_shapes
from superres.device.tasks.worker import run_job

# 3 -> 16 -> 16 -> 12 channels by 5 x 5, 3 x 3, 3 x 3, at 12 x 16 positions.
MACS = sorted(192 * weights for weights in (3 * 16 * 25, 16 * 16 * 9, 16 * 12 * 9))


def profile(arm) -> list[dict[str, str]]:
    run_job(arm.build_engine())
    latency = arm.measure_latency()
    outputs = {"profile": str(arm.path("profile.csv")), "record": str(arm.path("profile.json"))}
    settings = {"runs": 3, "options": latency.options}
    run_job(dataclasses.replace(latency, task="measure_profile", outputs=outputs, settings=settings))
    assert json.loads(arm.path("profile.json").read_text())["status"] == "ok"
    with arm.path("profile.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    ("runtime", "precision", "types", "tells"),
    [
        ("pytorch", "fp32", {"float"}, True),
        ("pytorch_tuned", "fp32", {"float"}, True),
        ("onnxruntime", "fp32", {"float"}, False),
        ("onnxruntime", "int8-minmax", {"uint8", "int8"}, False),
        ("openvino", "fp32", {"f32"}, True),
        ("openvino", "int8-minmax", {"u8", "i8"}, True),
    ],
)
def test_convolutions_are_those_of_the_network(runtime, precision, types, tells, tiny_arm):
    rows = profile(tiny_arm(runtime, precision))
    counts = Counter((row["run"], row["layer"]) for row in rows)
    assert set(counts.values()) == {1} and {run for run, _ in counts} == {"0", "1", "2"}
    assert all(0 <= float(row["ms"]) < 1000 for row in rows)
    kinds = ("_convolution", "Conv", "FusedConv", "QLinearConv", "Convolution")
    convolutions = [row for row in rows if row["run"] == "1" and row["kind"] in kinds]
    assert len(convolutions) == 3
    assert {row["type"] for row in convolutions} <= types
    if tells:
        assert sorted(int(row["macs"]) for row in convolutions) == MACS
        assert sum(int(row["macs"]) for row in rows) == 3 * sum(MACS)
    else:
        assert {row["macs"] for row in convolutions} == {""}


def test_bicubic_is_one_operation(tiny_arm):
    rows = profile(tiny_arm("opencv", "uint8"))
    assert [(row["run"], row["kind"], row["shape"]) for row in rows] == [
        (str(run), "Resize", "12x16x3") for run in range(3)
    ]


@pytest.mark.parametrize(
    ("padding", "size"),
    # 5 x 5 weights on 68 x 100: 64 x 96 positions without padding, all of them with two pixels at each side.
    [([0, 0], 64 * 96), ([2, 2], 68 * 100)],
)
def test_what_torchscript_keeps_for_later_is_no_input_of_a_convolution(padding, size):
    event = SimpleNamespace(
        input_shapes=[[1, 12, 64, 96], [1, 3, 68, 100], [12, 3, 5, 5], [], [], [], []],
        concrete_inputs=[None, None, None, None, [1, 1], padding, [1, 1], False],
    )
    assert _read_shapes("_convolution", event) == ((1, 3, 68, 100), 12 * 3 * 25 * size)
    assert _read_shapes("relu", event) == ((1, 12, 64, 96), 0)
    # An older PyTorch doesn't tell the padding.
    del event.concrete_inputs
    assert _read_shapes("_convolution", event)[1] == 12 * 3 * 25 * 68 * 100


def test_warm_up_runs_are_no_part_of_onnxruntimes_profile():
    def event(duration: int, kind: str = "Relu") -> dict:
        details = {"op_name": kind, "input_type_shape": [{"float": [1, 2]}], "output_type_shape": []}
        return {"cat": "Node", "name": "a_kernel_time", "dur": duration, "args": details}

    events = [{"cat": "Session", "name": "model_run", "dur": 9}, *map(event, (900, 800, 700, 60, 50))]
    times = read_profile(events)
    assert [(time.run, time.layer, time.ms, time.shape) for time in times] == [
        (0, "a", 0.06, (1, 2)),
        (1, "a", 0.05, (1, 2)),
    ]
    assert read_profile([event(1, "FusedConv")] * 4)[0].macs is None
