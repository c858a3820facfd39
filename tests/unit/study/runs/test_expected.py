"""What is known of jobs before they run."""

from pathlib import Path

import pytest
import yaml

from superres.study.load import load_study
from superres.study.paths import Paths
from superres.study.runs.expected import Expected, describe_bytes, describe_cost
from superres.study.runs.plan import Plan, PlannedJob

ROOT = Path(__file__).parents[4]
CONTENT = b"0123456789"
FILE = {"name": "a.y4m", "url": "https://example.org/a.y4m", "bytes": len(CONTENT), "sha256": "0" * 64}

CLIP = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))["clips"][0]

# One that takes no longer than a block.
ARM = {"target": "local", "runtime": "opencv", "of_clip": ".park"}


def expected(**keys: object) -> Expected:
    study = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    return Expected(Paths(load_study({**study, **keys}, None)))


def test_a_timed_job_knows_its_time_from_the_study():
    short = {"warmup_seconds": 0.0, "min_seconds": 2.0, "rounds": 6, "block_seconds": 0.2}

    def longer(arm: dict[str, str], **keys: float) -> float:
        usual, other = expected(latency=short), expected(latency={**short, **keys})
        return other.seconds("measure_latency", arm) - usual.seconds("measure_latency", ARM)

    # Both arms of a pair take their least time.
    assert longer(ARM, min_seconds=5.0) == pytest.approx(6)
    assert longer(ARM, rounds=30) == pytest.approx(2 * 30 * 0.2 - 4)
    assert longer(ARM, min_seconds=30.0, max_seconds=5.0) == pytest.approx(1)
    # Not before all rounds are over, each with a frame of both.
    slow = {**ARM, "runtime": "pytorch"}
    assert longer(slow, rounds=30, max_seconds=5.0) == pytest.approx(30 * (0.26 * 1.92 * 1.08 + 0.2) - 4)


def test_quality_takes_its_time_for_each_frame():
    found = expected()
    park, rooms = ({"target": "local", "of_clip": f".{clip}"} for clip in ("park", "rooms"))
    longer = found.seconds("measure_quality", park) - found.seconds("measure_quality", rooms)
    # 12 frames, and those that two patterns name, which only the package tells: at least two.
    assert longer == pytest.approx(10 * 1.92 * 1.08 * 0.17)
    assert found.seconds("prepare_clip", {"role": "frames", "clip": "park"}) > 1
    trained = yaml.safe_load((ROOT / "studies/train-local.yaml").read_text(encoding="utf-8"))
    learning = expected(**trained)
    name, model = next((n, m) for n, m in learning.study.models.items() if m.weights == "train")
    assert learning.seconds("train_model", {"model": name}) == pytest.approx(model.training.steps / 20)


def paper(*names: str) -> Expected:
    """The expectations of the paper's study, with further ones over it, nothing of which is there yet."""
    study = {}
    for name in ("config.yaml", "studies/paper.yaml", *names):
        study |= yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))
    return Expected(Paths(load_study(study, None)))


def test_frames_are_told_by_the_bytes_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    here = paper()
    arm = {"target": "local", "model": "espcn_rgb", "precision": "fp32", "of_clip": ""}
    # 1,555,203,036 bytes of 1920 x 1080 in 4:2:0 are 500 frames; DIV2K has 100 pictures for validation.
    slow, fast = (here.seconds("measure_quality", {**arm, "runtime": name}) for name in ("pytorch", "opencv"))
    assert slow - fast == pytest.approx(500 * 1.92 * 1.08 * (0.26 - 0.001), rel=0.01)
    assert 100 * 0.9 * 0.54 * 0.17 < here.seconds("prepare_calibration_set", {"images": "div2k_valid"}) < 12
    # As many of a file on this machine, and of the part that is taken.
    Path("a.y4m").write_bytes(bytes(round(30 * 64 * 48 * 1.5)))
    taken = {"frames": {"first": 10, "stride": 2}, "width": 64, "height": 48}
    clip = {"name": "a", "source": {"type": "y4m", "path": "a.y4m", **taken}}
    found = expected(clips=[clip]).seconds("measure_quality", {"target": "local", "of_clip": ""})
    assert found - 0.5 == pytest.approx(10 * 64 * 48 / 1e6 * 0.17)


def test_a_device_takes_longer_and_tensorrt_builds_for_minutes(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    here, there = paper(), paper("studies/jetson.yaml")
    arm = {"runtime": "pytorch", "model": "espcn_rgb", "precision": "fp32", "of_clip": ""}
    far = there.seconds("measure_quality_on_device", {**arm, "target": "jetson"})
    assert far == pytest.approx(2 * here.seconds("measure_quality", {**arm, "target": "local"}))
    assert there.seconds("build_engine", {**arm, "target": "jetson", "runtime": "tensorrt"}) > 60
    # All jobs of a device wait for each other: Table 1 takes hours, as docs/jetson.md says.
    cells = [
        dict(zip(("target", "runtime", "model", "precision"), a.cell, strict=True)) for a in there.paths.arms
    ]
    rules = ("build_engine", "measure_quality", "measure_latency")
    total = sum(there.seconds(rule, {**cell, "of_clip": ""}) for cell in cells for rule in rules)
    assert len(cells) == 13 and 1 < total / 3600 < 3


def test_a_shard_takes_its_part():
    whole = expected(clips=[CLIP]).seconds("measure_quality", {"target": "local", "of_clip": ""})
    part = expected(clips=[CLIP], shard_frames=3).seconds(
        "measure_quality_shard", {"target": "local", "of_clip": "", "shard": "0"}
    )
    assert part - 0.5 == pytest.approx((whole - 0.5) / 4)


def test_every_rule_of_the_default_study_has_an_expectation():
    found = expected()
    calibration = {"model": "espcn_rgb", "images": "photographs40"}
    name = next(c.observed for c in found.study.calibrations.values() if c.calibration_set)
    assert found.seconds("observe_activations", {**calibration, "images": str(name)}) > 10
    recipe = {"model": "espcn_rgb", "recipe": "minmax", "step": "adaround"}
    assert found.seconds("refine_onnx", recipe) > 10
    assert found.seconds("prepare_calibration_set", {"images": "photographs"}) > 1
    assert found.seconds("a_rule_without_a_guess", {}) > 0


def test_downloads_are_what_is_not_there_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    clip = {"name": "a", "source": {"type": "y4m", "file": "a.y4m"}}
    found, of = expected(files=[FILE], clips=[clip]), ("fetch_file", {"file": "a.y4m"})
    assert found.bytes(*of) == 10
    store = Path("resources/downloads")
    store.mkdir(parents=True)
    (store / "a.y4m.part").write_bytes(CONTENT[:4])
    assert found.bytes(*of) == 6
    (store / "a.y4m").write_bytes(CONTENT)
    assert found.bytes(*of) == 0
    (store / "a.y4m").unlink()
    Path("mirror").mkdir()
    mirrored = expected(files=[FILE], clips=[clip], mirror="mirror")
    assert mirrored.bytes(*of) == 6
    Path("mirror/a.y4m").write_bytes(CONTENT)
    assert mirrored.bytes(*of) == 0
    assert found.bytes("build_engine", {}) == 0


def test_a_package_says_its_size_or_that_nobody_knows_it():
    found = expected()
    sizes = [found.bytes("download_package", {"wheel": str(p.wheel)}) for p in found.study.packages.values()]
    assert sum(size or 0 for size in sizes) == 75_794_306
    plan = Plan([PlannedJob(0, "a", guess_s=30.0), PlannedJob(1, "b", guess_s=30.0)], 2)
    assert describe_cost(plan, sizes, "default") == (
        "study default: 2 jobs, about 30 s on 2 cores; downloads 76 MB in 4 files"
    )
    assert describe_cost(plan, [0, None], "s").endswith("; downloads 1 of unknown size in 1 file")
    assert describe_cost(plan, [2_000, None, 0], "s").endswith(
        "; downloads 2 kB and 1 of unknown size in 2 files"
    )
    assert describe_cost(plan, [0, 0], "s").endswith("; downloads nothing")


@pytest.mark.parametrize(
    ("size", "text"), [(999, "999 bytes"), (1_500, "2 kB"), (75_794_306, "76 MB"), (1_250_000_000, "1.2 GB")]
)
def test_a_size_for_people(size: int, text: str):
    assert describe_bytes(size) == text
