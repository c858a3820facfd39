"""Targets in a study: what they become, and what is said of a mistake."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from superres.device.base.errors import UserError
from superres.study.load import load_study
from superres.targets.settings import Device, Local

ROOT = Path(__file__).parents[3]
JETSON = {"name": "jetson", "ssh": "user@jetson"}


def load(*targets: Any):
    config = yaml.safe_load((ROOT / "studies/tiny.yaml").read_text(encoding="utf-8"))
    return load_study({**config, "targets": list(targets)})


def test_local_and_a_device():
    study = load("local", {**JETSON, "power_mode": 2, "timeout_minutes": 30})
    assert study.targets["local"] == Local()
    device = study.targets["jetson"]
    assert isinstance(device, Device)
    assert (device.python, device.workdir, device.store_limit_gb) == ("python3", "superres-work", 20)
    assert device.conditions == {"power_mode": 2}
    assert len(study.arms) == 2 * 19


def test_a_target_runs_the_runtimes_that_it_names():
    study = load(
        {"name": "local", "runtimes": ["openvino", "opencv"]}, {**JETSON, "runtimes": ["onnxruntime"]}
    )
    assert {(arm.target, arm.runtime) for arm in study.arms} == {
        ("local", "openvino"),
        ("local", "opencv"),
        ("jetson", "onnxruntime"),
    }


def test_how_a_device_is_reached_is_no_part_of_what_it_is():
    here = load({**JETSON, "power_mode": 2}).targets["jetson"]
    elsewhere = {**JETSON, "ssh": "other@orin", "workdir": "/data", "power_mode": 2, "store_limit_gb": 1}
    assert repr(here) == repr(load(elsewhere).targets["jetson"])
    assert repr(here) != repr(load({**JETSON, "power_mode": 0}).targets["jetson"])


@pytest.mark.parametrize(
    "targets, message",
    [
        (["remote"], r"^targets\[0\]: expected a text of the form \^local\$, found 'remote'"),
        ([3], r"^targets\[0\]: expected a text or a mapping of keys, found 3"),
        ([{"name": "jetson"}], r"^targets\[0\]: expected ssh, the address of jetson, found none$"),
        ([{**JETSON, "sssh": "x"}], r"^targets\[0\].sssh: unknown key \(did you mean ssh\?\)"),
        ([{**JETSON, "ssh": "-oProxyCommand=x"}], r"^targets\[0\].ssh: expected a text of the form"),
        ([JETSON, JETSON], r"^targets"),
        (
            [JETSON, {**JETSON, "ssh": "b"}],
            r"^targets\[1\].name: expected a name of its own, found 'jetson' a second time$",
        ),
        ([{"name": "local", "ssh": "b"}], r"^targets\[0\].ssh: expected no such key for local"),
        ([{"name": "local", "power_mode": 2}], r"^targets\[0\].power_mode: expected no such key for local"),
        (
            [{**JETSON, "runtimes": ["tensorrt"]}],
            r"^targets\[0\].runtimes\[0\]: expected a name from `runtimes` \(pytorch,",
        ),
    ],
)
def test_a_mistake_is_one_line(targets: list[Any], message: str):
    with pytest.raises(UserError, match=message) as caught:
        load(*targets)
    assert "\n" not in str(caught.value)
