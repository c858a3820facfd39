"""Words and order in tables and plots: runtimes and models define their own."""

import subprocess
import sys

from superres.device.runtimes import RUNTIMES
from superres.report import labels


def test_runtimes_and_models_are_called_as_their_makers_do() -> None:
    assert labels.runtime_label("onnxruntime") == "ONNX Runtime"
    assert labels.runtime_label("tensorrt_rtx") == "TensorRT-RTX"
    assert labels.model_label("espcn_ycbcr_folded") == "ESPCN_YCbCr folded"
    # Names of the study for others.
    assert (labels.runtime_label("mine"), labels.model_label("my_net")) == ("mine", "my_net")


def test_runtimes_are_told_apart_in_plots() -> None:
    markers = [labels.runtime_marker(runtime) for runtime in (*RUNTIMES, "another")]
    assert len(set(markers)) == len(markers)


def test_the_order_of_tables() -> None:
    models = ["bicubic", "my_net", "espcn_anchor", "a_net", "espcn_rgb", "my_net"]
    assert labels.order_models(models) == ["espcn_rgb", "espcn_anchor", "a_net", "my_net", "bicubic"]
    runtimes = ["opencv", "mine", "openvino", "pytorch"]
    assert labels.order_runtimes(runtimes) == ["pytorch", "openvino", "opencv", "mine"]
    precisions = ["int8-mse", "uint8", "int8-minmax", "fp32", "int8-dummy", "bf16"]
    assert labels.order_precisions(precisions, "int8-minmax") == [
        *("fp32", "bf16", "int8-dummy", "int8-minmax", "int8-mse", "uint8")
    ]


def test_labels_need_no_runtime() -> None:
    code = (
        "import sys; from superres.report import labels; from superres.device.runtimes import RUNTIMES; "
        "print(*map(labels.runtime_label, RUNTIMES)); print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert "OpenVINO" in done.stdout.splitlines()[0]
    assert not {"torch", "onnxruntime", "openvino", "cv2", "polars"} & set(done.stdout.split())
