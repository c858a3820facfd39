"""A study of one arm with all that an archive has, made by real jobs' functions from made figures."""

import json
from pathlib import Path

from superres.code_version import describe_code
from superres.report.archive.pack import Described, export_results
from superres.report.manifest import ArmOnClip, Background, write_manifest
from superres.report.metrics.collect import ArmFiles
from superres.report.tables.cells import TableText
from superres.report.tables.table import write_table
from superres.report.verify import Wanted
from superres.scripting import script_job

from ..metrics.test_collect import collect, write_arm

RESULTS = Path("results/small")
ARM = ArmOnClip("local", "openvino", "espcn_rgb", "int8-minmax", "park")
FOLDER = RESULTS / "arms" / ARM.folder
MANIFEST, METRICS, TABLE = FOLDER / "manifest.json", RESULTS / "metrics.csv", RESULTS / "table1.md"
ARCHIVE = RESULTS / "export/small.zip"
TABLES = {"csv_out": RESULTS / "table1.csv", "md_out": TABLE, "tex_out": RESULTS / "paper/table1.tex"}
STUDY = {"study": "small", "seed": 7}
MACHINE = {"module": None, "cpu": "Some CPU", "architecture": "x86_64", "flags": ["avx512_vnni"]}
MACHINE |= {"usable_cpus": 2, "numpy": "2.0"}


def made(rule: str, inputs: list[Path], *outputs: Path) -> None:
    """Run a job whose outputs are there already."""
    with script_job(f"{RESULTS}/logs/{rule}.log", list(map(str, inputs)), list(map(str, outputs))):
        pass


def change_record(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def build() -> None:
    """Make the study in the working directory: frames, graph, engine, figures, tables."""
    files = write_arm(FOLDER, arm=ARM)
    for name in ("quality", "latency"):
        change_record(FOLDER / f"{name}.json", machine=MACHINE, versions={"openvino": "2026.4"})
    index, frames = RESULTS / "frames/park.json", RESULTS / "frames/park.hr.npy"
    index.parent.mkdir()
    index.write_text('{"hr_sha256": ["ab"]}')
    frames.write_bytes(b"frames")
    video = Path("video.y4m").absolute()
    video.write_bytes(b"video")
    made("prepare_clip", [video], frames, index)
    graph = FOLDER / "model.onnx"
    made("export_onnx", [], graph)
    made("build_engine", [graph], FOLDER / "engine.json")
    for task in ("quality", "latency"):
        made(
            f"measure_{task}",
            [frames, FOLDER / "engine.json"],
            FOLDER / f"{task}.csv",
            FOLDER / f"{task}.json",
        )
    manifest_of(files)
    collect([files], METRICS)
    made("collect_metrics", [MANIFEST, files.quality, files.latency], METRICS)
    write_table(METRICS, [MANIFEST], text=TableText(), **TABLES)
    made("write_table", [METRICS, MANIFEST], *TABLES.values())


def manifest_of(files: ArmFiles) -> None:
    records = {task: FOLDER / f"{task}.json" for task in ("engine", "quality", "latency")}
    write_manifest(
        ARM,
        records,
        inputs={"onnx": FOLDER / "model.onnx"},
        outputs={"quality": files.quality, "latency": files.latency},
        background=Background(STUDY, describe_code(["device/base/errors.py"]), {}),
        out=files.manifest,
    )
    made("write_manifest", [*records.values(), files.quality, files.latency, FOLDER / "model.onnx"], MANIFEST)


def pack(out: Path = ARCHIVE) -> Path:
    shown = [METRICS, *TABLES.values()]
    wanted = Wanted(RESULTS, [path.as_posix() for path in shown], {MANIFEST.as_posix(): STUDY})
    export_results(wanted, Described(STUDY, {}), "snakemake repair", out)
    return out
