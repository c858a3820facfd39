"""Study keys of calibrations: each method has its own, and dumped ones can be read again."""

import subprocess
import sys
from typing import Any

import pytest
from pydantic import ValidationError

from superres.quantization.recipes import STEPS
from superres.quantization.settings import METHODS, Calibration

RANDOM = {"type": "random", "width": 32, "height": 16}
SET = {"type": "calibration-set", "name": "photographs", "images": 5}


def test_what_is_written_can_be_read_again() -> None:
    for method, facts in METHODS.items():
        given = {"data": SET, "path": "some.cache"}
        calibration = Calibration.model_validate(
            {"name": "some", "method": method, **{key: given[key] for key in facts.keys if key in given}}
        )
        assert Calibration.model_validate(calibration.model_dump()) == calibration
        assert set(calibration.settings) == set(facts.keys) - {"data"}


def test_passes_are_shared_by_the_same_images() -> None:
    def observed(data: dict[str, Any], method: str = "minmax") -> str | None:
        return Calibration.model_validate({"name": "some", "method": method, "data": data}).observed

    assert observed(SET) == observed({**SET, "images": 2}) == "photographs"
    assert observed(RANDOM) == "random-uniform-0-32x16"
    assert observed(SET, "nncf") is None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"method": "minmax"}, "expected data with the method minmax, found none"),
        ({"method": "cache"}, "expected path with the method cache, found none"),
        (
            {"method": "fixed", "percentile": 99.99},
            "expected no such key for the method fixed, which has input_range, output_range; take it out",
        ),
        ({"method": "nncf", "data": SET, "preset": "tensorrt"}, "expected default or mixed for nncf"),
        ({"method": "percentile", "data": SET, "percentile": 0.0}, "greater than 0"),
        ({"method": "minmax", "data": {**RANDOM, "width": 8}}, "greater than or equal to 16"),
    ],
)
def test_a_key_that_does_not_fit_is_named(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Calibration.model_validate({"name": "some", **given})


def test_every_step_has_settings_with_defaults() -> None:
    assert {name for name, step in STEPS.items() if step.settings().model_dump()} == {
        "bias",
        "adaround",
        "qat",
        "pow2search",
        "mixed",
    }


def test_the_registries_are_read_without_a_library() -> None:
    code = (
        "import sys, superres.quantization.recipes; assert not {'onnx', 'numpy', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
