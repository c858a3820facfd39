"""Which form of a graph is the fastest: timed for real, and chosen the same way each time."""

import json
from pathlib import Path

import numpy as np
import pytest

from superres.device.base.errors import UserError
from superres.device.job import Job
from superres.device.tasks.forms import choose, chosen_form
from superres.device.tasks.worker import run_job
from superres.models.graphs.uint8.forms import FORMS

from ..conftest import Exported


@pytest.mark.parametrize(
    ("times", "form"),
    [
        ([("pixels", 10.0), ("levels", 5.0)], "levels"),
        ([("pixels", 10.0), ("levels", 9.8)], "pixels"),
        ([("pixels", 10.0), ("blocks", 9.6), ("levels", 9.5)], "blocks"),
        ([("pixels", 1.0), ("levels", 5.0)], "pixels"),
    ],
)
def test_the_first_form_that_none_beats_by_much(times: list[tuple[str, float]], form: str) -> None:
    assert choose(times) == form


def choice_job(folder: Path, exported: Exported, runtime: str, precision: str = "fp32") -> Job:
    lr = np.random.default_rng(0).integers(0, 256, (2, 24, 32, 3), np.uint8)
    np.save(folder / "lr.npy", lr)
    index = {"name": "c", "names": ["a", "b"], "hr_shapes": [[48, 64]] * 2, "lr_shapes": [[24, 32]] * 2}
    (folder / "clip.json").write_text(json.dumps(index))
    source = exported.int8 if precision.startswith("int8-") else exported.fp32
    for form, write in FORMS.items():
        write(source, folder / f"{form}.onnx")
    forms = {f"form_{form}": str(folder / f"{form}.onnx") for form in FORMS}
    return Job(
        "choose_form",
        runtime,
        precision,
        1,
        forms | {"lr": str(folder / "lr.npy"), "clip": str(folder / "clip.json")},
        {"record": str(folder / "choice.json")},
        {"seconds": 0.05, "options": {"frames": "uint8"}},
    )


def test_every_form_is_timed_and_one_named(exported: Exported, tmp_path: Path) -> None:
    run_job(choice_job(tmp_path, exported, "onnxruntime", "int8-some"))
    record = json.loads((tmp_path / "choice.json").read_text())
    assert list(record["median_ms"]) == list(FORMS) and min(record["median_ms"].values()) > 0
    assert record["form"] == choose(list(record["median_ms"].items()))
    assert record["rounds"] >= 5
    assert chosen_form(tmp_path / "choice.json", list(FORMS)) == record["form"]


def test_where_nothing_runs_the_first_form_says_so_when_it_is_built(
    exported: Exported, tmp_path: Path
) -> None:
    run_job(choice_job(tmp_path, exported, "onnxruntime", "fp16"))
    record = json.loads((tmp_path / "choice.json").read_text())
    assert record["status"].startswith("not run: onnxruntime has no fast fp16")
    assert chosen_form(tmp_path / "choice.json", ["pixels", "levels"]) == "pixels"


def test_a_choice_of_other_forms_is_refused(tmp_path: Path) -> None:
    (tmp_path / "choice.json").write_text(json.dumps({"form": "casts", "median_ms": {}}))
    with pytest.raises(
        UserError, match="expected one of the forms pixels, levels, found casts; choose again"
    ):
        chosen_form(tmp_path / "choice.json", ["pixels", "levels"])


def test_a_form_that_is_not_there(exported: Exported, tmp_path: Path) -> None:
    job = choice_job(tmp_path, exported, "onnxruntime")
    (tmp_path / "blocks.onnx").unlink()
    with pytest.raises(UserError, match=r"blocks\.onnx: expected a graph, found no file"):
        run_job(job)
    assert not (tmp_path / "choice.json").exists()
