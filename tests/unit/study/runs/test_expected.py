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


def expected(**keys: object) -> Expected:
    study = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    return Expected(Paths(load_study({**study, **keys}, None)))


def test_a_timed_job_knows_its_time_from_the_study():
    short = {"warmup_seconds": 0.0, "min_seconds": 1.0, "rounds": 6, "block_seconds": 0.1}
    usual = expected(latency=short).seconds("measure_latency", {})
    # Both arms of a pair take their least time.
    assert expected(latency={**short, "min_seconds": 4.0}).seconds(
        "measure_latency", {}
    ) - usual == pytest.approx(6)
    assert expected(latency={**short, "rounds": 30}).seconds("measure_latency", {}) - usual == pytest.approx(
        4
    )
    ended = {**short, "rounds": 3000, "max_seconds": 5.0}
    assert expected(latency=ended).seconds("measure_latency", {}) - usual == pytest.approx(3)


def test_quality_takes_its_time_for_each_frame():
    found = expected()
    park, rooms = ({"of_clip": f".{clip}"} for clip in ("park", "rooms"))
    longer = found.seconds("measure_quality", park) - found.seconds("measure_quality", rooms)
    # 24 frames, and those that three patterns name, which only the package tells: at least three.
    assert longer == pytest.approx(21 * 1.92 * 1.08 * 0.22)
    assert found.seconds("prepare_clip", {"role": "frames", "clip": "park"}) > 1
    trained = yaml.safe_load((ROOT / "studies/train-local.yaml").read_text(encoding="utf-8"))
    learning = expected(**trained)
    name, model = next((n, m) for n, m in learning.study.models.items() if m.weights == "train")
    assert learning.seconds("train_model", {"model": name}) == pytest.approx(model.training.steps / 20)


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
