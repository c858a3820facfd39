#!/bin/sh
# Resolves requirements.in and dev.in into requirements.txt and dev.txt: names and versions, for every Python
# from 3.11 on. torch's CUDA libraries are left out of requirements.txt: a CUDA build of torch names its own exact
# ones, and the CPU build has none.
set -eu

resolve() {
    .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --no-annotate --no-header "$1" >"$2.new"
    mv "$2.new" "$2"
}

resolve envs/requirements.in envs/requirements.txt
sed -i -E '/^(cuda-|nvidia-|triton)/d; /^torch==/s/ ;.*//' envs/requirements.txt
resolve envs/dev.in envs/dev.txt
