#!/bin/sh
# Resolves requirements.in, dev.in and others.in into requirements.txt, dev.txt and others.txt, for every Python from 3.11 on,
# and writes workflow.yaml, the conda file with the pins of requirements.txt.
# requirements.txt and others.txt leave out torch's CUDA libraries: a CUDA build of torch names its own, the CPU build has none.
set -eu

resolve() {
    source=$1 locked=$2
    shift 2
    .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --no-annotate --no-header "$@" "$source" >"$locked.new"
    mv "$locked.new" "$locked"
}

without_cuda() {
    sed -i -E '/^(cuda-|nvidia-|triton)/d; /^torch==/s/ ;.*//' "$1"
}

resolve envs/requirements.in envs/requirements.txt
without_cuda envs/requirements.txt
resolve envs/dev.in envs/dev.txt
grep -v '^networkx==' envs/requirements.txt >envs/others.constraints
resolve envs/others.in envs/others.txt --constraint envs/others.constraints
without_cuda envs/others.txt
rm envs/others.constraints

{
    echo "# For \`snakemake --sdm conda\`. Written by envs/lock.sh with the pins of requirements.txt."
    echo "channels: [conda-forge, nodefaults]"
    echo "dependencies:"
    echo "  - python=3.11"
    echo "  - pip"
    echo "  - pip:"
    sed -E 's/.*/      - "&"/' envs/requirements.txt
} >envs/workflow.yaml
