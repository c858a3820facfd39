"""The worker from job to files, for every runtime, and what it leaves when it fails."""

import csv
import dataclasses
import json
import math
import platform
import signal
import subprocess
import sys

import numpy as np
import pytest

from superres.device.base.errors import UserError
from superres.device.base.outputs import sha256_file
from superres.device.frames.files import open_frames
from superres.device.runtimes import load_runtime
from superres.device.runtimes.base import Settings
from superres.device.tasks import latency, worker
from superres.device.tasks.engine import Engine
from superres.device.timing.reference_process import Partner
from superres.device.timing.timing import Timed

from ..run_worker import run

ARMS = [
    ("opencv", "uint8", "uint8"),
    ("pytorch", "fp32", "uint8"),
    ("pytorch", "fp32", "float32"),
    ("pytorch_tuned", "fp32", "uint8"),
    ("onnxruntime", "fp32", "uint8"),
    ("onnxruntime", "int8-minmax", "float32"),
    ("openvino", "fp32", "float32"),
    ("openvino", "int8-minmax", "uint8"),
]


def read_csv(path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def read_json(path) -> dict:
    return json.loads(path.read_text())


@pytest.mark.parametrize(("runtime", "precision", "frames"), ARMS)
def test_an_arm_from_model_to_figures(runtime, precision, frames, tiny_arm):
    arm = tiny_arm(runtime, precision, frames)
    for job in (arm.build_engine(), arm.measure_quality(), arm.measure_latency()):
        assert run(job, arm.folder) == 0
    engine, quality = read_json(arm.path("engine.json")), read_json(arm.path("quality.json"))
    for record in (engine, quality, read_json(arm.path("latency.json"))):
        assert record["status"] == "ok"
        assert (record["runtime"], record["precision"]) == (runtime, precision)
        assert 1 <= record["threads"] <= record["threads_asked"] == 2
        assert record["engine_sha256"] == sha256_file(arm.path("engine.bin"))
        assert record["versions"]
        assert record["settings"]["options"] == {"frames": frames}
        assert record["machine"]["numpy"] == np.__version__
    assert engine["model_sha256"] == (sha256_file(arm.model) if arm.model else None)
    assert 0 < quality["runtime_seconds"] <= quality["total_seconds"]

    latency, rows = read_json(arm.path("latency.json")), read_csv(arm.path("latency.csv"))
    assert latency["reference"] is None and latency["iterations"] == 7 and latency["distinct_frames"] == 3
    assert latency["peak_memory_bytes"] > 2**24 and latency["first_frame_ms"] > 0
    assert latency["warmup"]["frames"] == 2 and engine["build_seconds"] >= 0
    assert {row["arm"] for row in rows} == {"own"} and {row["enqueue_ms"] for row in rows} == {""}
    assert [int(row["frame"]) for row in rows] == [0, 1, 2, 0, 1, 2, 0]
    assert all(0 < float(row["compute_ms"]) <= float(row["end_to_end_ms"]) for row in rows)
    check_quality(arm, np.array([0.299, 0.587, 0.114]), border=0)
    assert not list(arm.folder.glob("*.part"))


def test_quality_by_the_literatures_protocol(tiny_arm):
    arm = tiny_arm("opencv", "uint8")
    assert run(arm.build_engine(), arm.folder) == 0
    assert run(arm.measure_quality("studio-swing", 2), arm.folder) == 0
    check_quality(arm, np.array([65.481, 128.553, 24.966]) / 255, border=2)
    settings = read_json(arm.path("quality.json"))["settings"]
    assert (settings["luma"], settings["border"]) == ("studio-swing", 2)


def test_quality_with_the_chroma_of_the_original(tiny_arm):
    """Luma alone is wrong, by the same in R, G and B, up to rounding and limits."""
    arm = tiny_arm("opencv", "uint8")
    assert run(arm.build_engine(), arm.folder) == 0
    job = arm.measure_quality()
    own, errors = [], []
    for chroma, found in (("upscaled", own), ("hr", errors)):
        assert run(dataclasses.replace(job, settings={**job.settings, "chroma": chroma}), arm.folder) == 0
        found += [(float(row["mse"]), float(row["mse_y"])) for row in read_csv(arm.path("quality.csv"))]
        assert read_json(arm.path("quality.json"))["settings"]["chroma"] == chroma
    assert all(
        abs(mse - mse_y) < abs(before - before_y)
        for (mse, mse_y), (before, before_y) in zip(errors, own, strict=True)
    )


def test_an_unknown_luma_is_a_users_mistake(tiny_arm, capsys):
    arm = tiny_arm("opencv", "uint8")
    assert run(arm.build_engine(), arm.folder) == 0
    assert run(arm.measure_quality("studio"), arm.folder) == worker.USER_ERROR
    assert "expected full-range or studio-swing as luma, found 'studio'" in capsys.readouterr().err


def test_a_border_that_leaves_nothing_is_a_users_mistake(tiny_arm, capsys):
    arm = tiny_arm("opencv", "uint8")
    assert run(arm.build_engine(), arm.folder) == 0
    assert run(arm.measure_quality(border=12), arm.folder) == worker.USER_ERROR
    error = capsys.readouterr().err
    assert (
        "clip c, frame a: expected frames larger than a border of 12 pixels at each side, found 32x24"
        in error
    )


def check_quality(arm, weights: np.ndarray, border: int) -> None:
    """Compare the CSV with the formulas in float64, on what the session itself gives."""
    clip = read_json(arm.path("c.json"))
    hr = open_frames(arm.path("c.hr.npy"), clip["hr_shapes"])
    lr = open_frames(arm.path("c.x2.npy"), [(height // 2, width // 2) for height, width in clip["hr_shapes"]])
    settings = Settings(arm.precision, 2, {"frames": arm.frames})
    session = load_runtime(arm.runtime).open_engine(arm.path("engine.bin"), settings)
    rows = read_csv(arm.path("quality.csv"))
    assert [row["name"] for row in rows] == clip["names"]
    for index, row in enumerate(rows):
        assert [int(row["height"]), int(row["width"])] == clip["hr_shapes"][index]
        difference = hr[index].astype(np.float64) - session.run(lr[index])
        difference = difference[border : len(difference) - border, border : difference.shape[1] - border]
        luma = difference @ weights
        for key, squares in (("", (difference**2).mean()), ("_y", (luma**2).mean())):
            assert float(row[f"mse{key}"]) == pytest.approx(squares, rel=1e-12)
            decibels = -10 * math.log10(squares / 255**2)
            assert float(row[f"psnr{key}_db"]) == pytest.approx(decibels, rel=1e-12)


def test_an_arm_that_cannot_run_says_why_all_the_way(tiny_arm):
    arm = tiny_arm("opencv", "fp16")
    for job in (arm.build_engine(), arm.measure_quality(), arm.measure_latency()):
        assert run(job, arm.folder) == 0
    for task in ("engine", "quality", "latency"):
        status = read_json(arm.path(f"{task}.json"))["status"]
        assert status == "not run: opencv interpolates in uint8 only, not in fp16"
    assert arm.path("engine.bin").read_bytes() == b""
    assert arm.path("quality.csv").read_text() == (
        "frame,name,height,width,mse,psnr_db,mse_y,psnr_y_db,ssim_y,darkest,brightest,"
        "shift_r,shift_g,shift_b,checkerboard,saturated\n"
    )
    header = "arm,round,frame,height,width,compute_ms,enqueue_ms,end_to_end_ms,interval_ms\n"
    assert arm.path("latency.csv").read_text() == header


def test_an_arm_takes_turns_with_its_reference(tiny_arm, tmp_path, monkeypatch):
    engines: list[Engine] = []
    blocks: list[list[Timed]] = []

    class Noted(Partner):
        def __init__(self, engine: Engine, lr, clip):
            engines.append(engine)
            super().__init__(engine, lr, clip)

        def block(self, first: int, seconds: float) -> list[Timed]:
            blocks.append(super().block(first, seconds))
            return blocks[-1]

    monkeypatch.setattr(latency, "Partner", Noted)
    arm = tiny_arm("opencv", "uint8")
    reference = dataclasses.replace(tiny_arm("openvino", "fp32"), folder=tmp_path / "reference")
    for job in (arm.build_engine(), reference.build_engine(), arm.measure_latency_against(reference)):
        assert run(job, arm.folder) == 0
    rows, record = read_csv(arm.path("latency.csv")), read_json(arm.path("latency.json"))
    own, other = ([row for row in rows if row["arm"] == name] for name in ("own", "reference"))
    assert [int(row["round"]) for row in own] == [int(row["round"]) for row in other] == list(range(7))
    assert record["reference"] == {
        "label": "reference",
        "status": "ok",
        "engine_sha256": sha256_file(reference.path("engine.bin")),
    }
    # The reference's frames are those of its own session, after its warm-up block.
    files = reference.path("engine.bin"), reference.path("engine.json")
    assert engines == [Engine("openvino", "fp32", 2, {"frames": "uint8"}, *files)]
    theirs = [str(each.end_to_end_ms) for block in blocks[1:] for each in block]
    assert [row["end_to_end_ms"] for row in other] == theirs


def test_a_reference_that_can_not_run_is_said_and_missed(tiny_arm, tmp_path):
    arm = tiny_arm("opencv", "uint8")
    reference = dataclasses.replace(tiny_arm("opencv", "fp16"), folder=tmp_path / "reference")
    for job in (arm.build_engine(), reference.build_engine(), arm.measure_latency_against(reference)):
        assert run(job, arm.folder) == 0
    status = read_json(arm.path("latency.json"))["reference"]["status"]
    assert status == "not run: opencv interpolates in uint8 only, not in fp16"
    assert {row["arm"] for row in read_csv(arm.path("latency.csv"))} == {"own"}


def test_identical_frames_count_60_db(tiny_arm):
    arm = tiny_arm("opencv", "uint8")
    for kind, factor in (("x2", 1), ("hr", 2)):
        np.save(arm.path(f"c.{kind}.npy"), np.full((3, 8 * factor, 8 * factor, 3), 90, np.uint8))
    shapes = {"hr_shapes": [(16, 16)] * 3}
    arm.path("c.json").write_text(json.dumps(read_json(arm.path("c.json")) | shapes))
    assert run(arm.build_engine(), arm.folder) == run(arm.measure_quality(), arm.folder) == 0
    assert {(row["mse"], row["psnr_db"], row["psnr_y_db"]) for row in read_csv(arm.path("quality.csv"))} == {
        ("0.0", "60.0", "60.0")
    }
    assert {row["ssim_y"] for row in read_csv(arm.path("quality.csv"))} == {"1.0"}


def test_a_frame_smaller_than_the_window_has_no_ssim(tiny_arm):
    arm = tiny_arm("opencv", "uint8")
    frames = {"x2": [(5, 16), (6, 6)], "hr": [(10, 32), (12, 12)]}
    for kind, shapes in frames.items():
        np.save(arm.path(f"c.{kind}.npy"), np.zeros(sum(h * w * 3 for h, w in shapes), np.uint8))
    index = {"names": ["flat", "square"], "hr_shapes": frames["hr"]}
    arm.path("c.json").write_text(json.dumps(read_json(arm.path("c.json")) | index))
    assert run(arm.build_engine(), arm.folder) == run(arm.measure_quality(), arm.folder) == 0
    assert [row["ssim_y"] for row in read_csv(arm.path("quality.csv"))] == ["", "1.0"]


def damage_engine(arm) -> str:
    arm.path("engine.bin").write_bytes(b"another engine")
    return "engine.bin: it is not the engine that .*engine.json describes"


def remove_frame(arm) -> str:
    np.save(arm.path("c.hr.npy"), np.zeros(100, np.uint8))
    return "c.hr.npy: expected .* bytes of frames by its index, found 100"


def change_runtime(arm) -> str:
    record = read_json(arm.path("engine.json")) | {"runtime": "openvino"}
    arm.path("engine.json").write_text(json.dumps(record))
    return "engine.json: expected runtime opencv, found openvino"


def change_options(arm) -> str:
    record = read_json(arm.path("engine.json"))
    record["settings"]["options"]["frames"] = "float32"
    arm.path("engine.json").write_text(json.dumps(record))
    return "engine.json: expected options .*uint8.*, found .*float32"


def spoil_index(arm) -> str:
    arm.path("c.json").write_text("{}")
    return "c.json: expected the keys .* missing: name"


@pytest.mark.parametrize("fault", [damage_engine, remove_frame, change_runtime, change_options, spoil_index])
def test_a_users_mistake_is_one_line_and_leaves_nothing(fault, tiny_arm, capsys):
    arm = tiny_arm("opencv", "uint8")
    assert run(arm.build_engine(), arm.folder) == 0
    message = fault(arm)
    before = {path.name for path in arm.folder.iterdir()}
    capsys.readouterr()
    assert run(arm.measure_quality(), arm.folder) == worker.USER_ERROR
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    with pytest.raises(UserError, match=message):
        raise UserError(lines[0])
    assert {path.name for path in arm.folder.iterdir()} == before


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit, MemoryError])
def test_a_job_that_is_cut_short_keeps_what_was_there(stop, tiny_arm, monkeypatch):
    arm = tiny_arm("opencv", "uint8")
    worker.run_job(arm.build_engine())
    worker.run_job(arm.measure_quality())
    kept = arm.path("quality.csv").read_bytes(), arm.path("quality.json").read_bytes()

    def fail(*_):
        raise stop

    monkeypatch.setattr(worker, "write_json", fail)
    with pytest.raises(stop):
        worker.run_job(arm.measure_quality())
    assert kept == (arm.path("quality.csv").read_bytes(), arm.path("quality.json").read_bytes())
    assert not list(arm.folder.glob("*.part"))


def test_threads_never_exceed_what_the_process_may_use(tiny_arm):
    arm = tiny_arm("opencv", "uint8")
    worker.run_job(dataclasses.replace(arm.build_engine(), threads=10_000))
    record = read_json(arm.path("engine.json"))
    assert record["threads"] == record["machine"]["usable_cpus"] < 10_000 == record["threads_asked"]


def test_a_missing_model_or_job_is_a_users_mistake(tiny_arm, tmp_path, capsys):
    arm = dataclasses.replace(tiny_arm("openvino", "fp32"), model=tmp_path / "none.onnx")
    assert run(arm.build_engine(), tmp_path) == worker.USER_ERROR
    assert "none.onnx: expected a model, found no file" in capsys.readouterr().err
    before = signal.getsignal(signal.SIGTERM)
    assert worker.main([]) == worker.main([str(tmp_path / "none.json")]) == worker.USER_ERROR
    signal.signal(signal.SIGTERM, before)
    assert "expected one job file" in capsys.readouterr().err


AFTER_QUALITY = """
import resource, sys
import numpy as np
from superres.device.tasks.worker import main
if sys.argv[1] != "none":
    assert main([sys.argv[1]]) == 0
def take():
    np.ones(16 << 20, np.uint8)
    np.ones(48 << 20, np.uint8)
take()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    take()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's malloc has the setting")
def test_measuring_quality_keeps_memory_from_frame_to_frame(tiny_arm):
    arm = tiny_arm("opencv", "uint8")
    worker.run_job(arm.build_engine())
    job = arm.path("job.json")
    job.write_text(arm.measure_quality().to_json(), encoding="utf-8")

    def faults(argument: str) -> int:
        command = [sys.executable, "-c", AFTER_QUALITY, argument]
        return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    assert faults(str(job)) < min(200, faults("none"))
