#!/bin/sh
# Checks what TensorRT's objects are asked for against the newest bindings: stubs are made from tensorrt_rtx, whose
# API is that of TensorRT 11, and stand in for `tensorrt`; calibrator.py is what 11 doesn't have. (basedpyright alone
# checks all of it against the stubs of 10.)
# Where there is no tensorrt_rtx, nothing is checked.
set -eu

bin=$PWD/.venv/bin
"$bin/python" -c 'import tensorrt_rtx' 2>/dev/null || {
    echo "no tensorrt_rtx on this machine: types of TensorRT 11 are not checked"
    exit 0
}
stubs=$(mktemp -d)
trap 'rm -rf "$stubs"' EXIT
"$bin/pybind11-stubgen" tensorrt_rtx_bindings.tensorrt_rtx --output-dir "$stubs" --ignore-all-errors 2>"$stubs/log" >&2 || {
    cat "$stubs/log" >&2
    exit 1
}
mkdir "$stubs/tensorrt"
mv "$stubs/tensorrt_rtx_bindings/tensorrt_rtx.pyi" "$stubs/tensorrt/__init__.pyi"
cat >"$stubs/pyrightconfig.json" <<JSON
{
  "typeCheckingMode": "standard",
  "pythonVersion": "3.11",
  "stubPath": "$stubs",
  "venvPath": "$PWD",
  "venv": ".venv",
  "include": ["$PWD/src/superres/device/runtimes/trt"],
  "exclude": ["$PWD/src/superres/device/runtimes/trt/calibrator.py"],
  "executionEnvironments": [{"root": "$PWD/src"}]
}
JSON
"$bin/basedpyright" --project "$stubs/pyrightconfig.json"
