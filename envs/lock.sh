#!/bin/sh
# Resolves requirements.in, dev.in and others.in into requirements.txt, dev.txt and others.txt: names and versions, for every
# Python from 3.11 on. torch's CUDA libraries are left out: a CUDA build of torch names its own exact ones, and the
# CPU build has none.
set -eu

resolve() {
    source=$1 locked=$2
    shift 2
    .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --no-annotate --no-header "$@" "$source" |
        grep -vE '^(cuda-|nvidia-|triton)' | sed -E '/^torch==/s/ ;.*//' >"$locked.new"
    mv "$locked.new" "$locked"
}

resolve envs/requirements.in envs/requirements.txt
resolve envs/dev.in envs/dev.txt
grep -v '^networkx==' envs/requirements.txt >envs/others.constraints
resolve envs/others.in envs/others.txt --constraint envs/others.constraints
rm envs/others.constraints
