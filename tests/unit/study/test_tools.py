"""Others' quantisers in a study: what they may be told, and what happens where one isn't installed."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from superres.device.base.errors import UserError
from superres.quantization import settings as presets
from superres.quantization.settings import INSTALL, Tool
from superres.study.check.left_out import leave_out_missing
from superres.study.check.notes import left_out_notes
from superres.study.keys.study import Study
from superres.study.load import load_study

ROOT = Path(__file__).parents[3]
DEFAULT = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
DATA = {"type": "calibration-set", "name": "photographs", "images": 4}


def load(*precisions: str, **calibration: Any) -> Study:
    """A study with the calibrations `minmax` and `theirs`."""
    config = copy.deepcopy(DEFAULT)
    config["calibrations"] = [
        {"name": "minmax", "data": DATA},
        {"name": "theirs", "data": DATA, **calibration},
    ]
    config["models"] = [{"name": "espcn_rgb"}]
    config["runtimes"] = [{"name": "openvino", "precisions": list(precisions)}]
    return load_study(config)


@pytest.fixture
def absent(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tool whose package can't be found stands in NNCF's place."""
    gone = Tool("no_such_package_anywhere", False, presets.TOOLS["nncf"].presets)
    monkeypatch.setitem(presets.TOOLS, "nncf", gone)  # pyright: ignore[reportArgumentType]


def test_a_tool_is_a_calibration_that_nothing_observes_for():
    study = load("int8-theirs", "int8-minmax", method="onnxruntime", preset="tensorrt")
    theirs = study.calibrations["theirs"]
    assert (theirs.tool, theirs.calibration_set, theirs.observed) == ("onnxruntime", "photographs", None)
    assert theirs.settings == {"preset": "tensorrt"}
    assert study.calibrations["minmax"].tool is None
    assert study.calibration_of(study.arms[0]) == theirs


@pytest.mark.parametrize(
    ("precision", "calibration", "message"),
    [
        (
            "int8-theirs",
            {"method": "nncf", "preset": "tensorrt"},
            "preset: expected default or mixed for nncf",
        ),
        (
            "int8-theirs",
            {"method": "onnxruntime", "preset": "mixed"},
            r"calibrations\[1\]\.preset: expected default or tensorrt for onnxruntime, found mixed",
        ),
        ("int8-theirs", {"preset": "default"}, "preset: expected no such key for the method minmax"),
        ("int8-theirs", {"method": "onnxruntime", "optional": True}, "optional: expected no such key"),
        (
            "int8-theirs+center",
            {"method": "onnxruntime"},
            "found 'theirs\\+center': onnxruntime makes a whole graph; take int8-theirs, without a step",
        ),
    ],
)
def test_mistakes(precision: str, calibration: dict[str, Any], message: str):
    with pytest.raises(UserError, match=message):
        load(precision, **calibration)


@pytest.mark.usefixtures("absent")
def test_an_optional_tool_that_is_not_installed_is_left_out_and_said():
    study = load("int8-minmax", "int8-theirs", method="nncf", optional=True)
    left = leave_out_missing(study)
    assert [arm.precision for arm in left.arms] == ["int8-minmax"]
    assert set(left.quantizations) == {"minmax"}
    (note,) = left_out_notes(left)
    assert note == f"INT8 theirs is left out: the package nncf isn't installed; `{INSTALL}` does it."
    # Jobs in environments of their own bring it.
    assert leave_out_missing(study, own_environments=True) == study


@pytest.mark.usefixtures("absent")
def test_a_tool_that_is_not_installed_is_an_error_before_any_work():
    with pytest.raises(UserError, match=r"^calibration theirs: expected the package nncf, .*others\.txt"):
        leave_out_missing(load("int8-minmax", "int8-theirs", method="nncf"))
    with pytest.raises(UserError, match="expected arms, found only those of theirs"):
        leave_out_missing(load("int8-theirs", method="nncf", optional=True))
    # Nobody asks for what no arm uses.
    assert leave_out_missing(load("int8-minmax", method="nncf")).missing == {}
