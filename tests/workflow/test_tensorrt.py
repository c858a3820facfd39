"""An arm of TensorRT-RTX by way of the rules: from weights to an engine, without a GPU."""

import json

import pytest

from project_copy import Project

pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX is made for x86-64 Linux and Windows only")


def test_an_engine_in_fp16_for_the_clips_frames(project: Project):
    text = (project.folder / "studies/tiny.yaml").read_text(encoding="utf-8")
    runtime = "  - {name: tensorrt_rtx, precisions: [fp16], build: {workspace_mib: 512}}\n  - {name: opencv,"
    study = project.write_study(
        "rtx", text.replace("study: tiny", "study: rtx").replace("  - {name: opencv,", runtime)
    )
    engine = "results/rtx/arms/local/tensorrt_rtx/espcn_anchor/fp16/engine.json"
    done = project.snakemake("--cores", "2", engine, "--configfile", study)
    assert done.returncode == 0, done.stdout
    record = json.loads((project.folder / engine).read_text(encoding="utf-8"))
    assert record["status"] == "ok"
    assert record["facts"]["convolutions"] == {"Half": 4}
    assert record["facts"]["build"]["workspace_mib"] == 512
    # Half of a photograph of 512 x 600.
    assert record["facts"]["sizes"] == {key: [300, 256] for key in ("smallest", "tuned", "largest")}
