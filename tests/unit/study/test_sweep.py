"""What a sweep adds to a study, and which precisions differ in one thing only."""

import copy
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml

from superres.device.base.errors import UserError
from superres.study.comparisons import Series, compared_arms, differing_in
from superres.study.keys.study import Study
from superres.study.load import load_study

ROOT = Path(__file__).parents[3]
DEFAULT = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
INT8 = yaml.safe_load((ROOT / "studies/int8.yaml").read_text(encoding="utf-8"))
ORDERS = yaml.safe_load((ROOT / "studies/orders.yaml").read_text(encoding="utf-8"))


def load(**changes: Any) -> Study:
    return load_study({**copy.deepcopy(DEFAULT), **changes})


def photographs(name: str, images: int | None, method: str = "minmax") -> dict[str, Any]:
    data = {"type": "calibration-set", "name": "photographs"} | ({} if images is None else {"images": images})
    return {"name": name, "method": method, "data": data}


def test_the_study_of_orders_has_the_default_studys_photographs_in_other_orders():
    study = load(**ORDERS)
    (default,) = load().calibration_sets.values()
    sets = list(study.calibration_sets.values())
    assert [(each.sources, each.width, each.height) for each in sets] == [
        (default.sources, default.width, default.height)
    ] * 3
    assert [each.shuffle for each in sets] == [default.shuffle, 1, 2]
    # Each method on each number of each order, and no number twice.
    found = sorted((c.method, c.calibration_set, c.images) for c in study.calibrations.values())
    names = [each.name for each in sets]
    assert found == sorted(product(("minmax", "entropy"), names, (1, 2, 5, 10, 20, 40)))
    assert len(study.models) == 2 and len(study.swept) == 2 * 2 * 3 * 5


def test_a_sweep_adds_calibrations_and_arms_of_its_runtime():
    study = load(sweep={"calibrations": ["entropy"], "images": [2, 5, 40]})
    assert {name: c.data and c.data.images for name, c in study.calibrations.items()} == {
        "dummy": 1,
        "minmax": 40,
        "entropy": 40,
        "tuned": 40,
        "entropyof2": 2,
        "entropyof5": 5,
    }
    assert study.calibrations["entropyof5"].method == "entropy"
    assert {(arm.runtime, arm.precision) for arm in study.swept} == {
        ("openvino", "int8-entropyof2"),
        ("openvino", "int8-entropyof5"),
    }
    assert {arm.model for arm in study.swept} == {
        "espcn_rgb",
        "espcn_ycbcr",
        "espcn_ycbcr_folded",
        "plain_c16_m4",
        "plain_c8_m4",
    }
    # What is timed, and Table 1, stay as they are.
    assert study.arms == load().arms
    assert load().swept == ()


def test_a_number_of_images_that_the_study_has_already_adds_nothing():
    calibrations = [photographs("one", 1), photographs("minmax", 40), photographs("all", None)]
    runtimes = [{"name": "openvino", "precisions": ["int8-one", "int8-minmax", "int8-all"]}]
    study = load(
        calibrations=calibrations,
        runtimes=runtimes,
        models=[{"name": "espcn_rgb"}],
        sweep={"calibrations": ["minmax"], "images": [1, 2, 40]},
    )
    assert [arm.precision for arm in study.swept] == ["int8-minmaxof2"]
    # How many images `all` sees isn't known before they are read: it is no point of the plot.
    assert differing_in(study, "images") == [
        Series("minmax", ((1, "int8-one"), (2, "int8-minmaxof2"), (40, "int8-minmax")))
    ]
    assert differing_in(study, "seed") == []


def test_recipes_and_methods_are_series_of_their_own():
    calibrations = [
        photographs("a", 1, "percentile") | {"percentile": 99.9},
        photographs("b", 2, "percentile") | {"percentile": 99.9},
        photographs("c", 3, "percentile") | {"percentile": 99.0},
    ]
    precisions = ["int8-a", "int8-b", "int8-c", "int8-a+center", "int8-b+center", "int8-b+asymmetric"]
    study = load(
        calibrations=calibrations,
        runtimes=[{"name": "openvino", "precisions": precisions}],
        models=[{"name": "espcn_rgb"}],
    )
    assert differing_in(study, "images") == [
        Series("percentile 99.9", ((1, "int8-a"), (2, "int8-b"))),
        Series("percentile 99.9+center", ((1, "int8-a+center"), (2, "int8-b+center"))),
    ]


def test_series_of_two_calibration_sets_are_told_apart():
    series = differing_in(load(**ORDERS), "images")
    methods = [f"{method} ({method}{order})" for method in ("minmax", "entropy") for order in "abc"]
    assert [one.label for one in series] == methods
    assert {tuple(images for images, _ in one.precisions) for one in series} == {(1, 2, 5, 10, 20, 40)}


def test_the_study_int8_has_every_point_and_five_seeds():
    study = load(**INT8)
    series = {one.label: one.precisions for one in differing_in(study, "images")}
    assert list(series) == ["minmax", "entropy", "percentile 99.99", "mse"]
    for points in series.values():
        assert [images for images, _ in points] == [1, 2, 5, 10, 20, 40]
    assert dict(series["minmax"])[1] == "int8-dummyframe" and dict(series["minmax"])[40] == "int8-minmax"
    (seeds,) = differing_in(study, "seed")
    assert seeds.label == "entropy of uniform dummy data"
    assert [seed for seed, _ in seeds.precisions] == [0, 1, 2, 3, 4]


def test_tools_stand_beside_what_saw_the_same_images():
    calibrations = [
        photographs("minmax", 40),
        photographs("few", 5),
        photographs("ort", 40, "onnxruntime"),
    ]
    runtimes = [
        {"name": "pytorch", "precisions": ["fp32"]},
        {
            "name": "openvino",
            "precisions": ["fp32", "bf16", "int8-minmax", "int8-minmax+center", "int8-few", "int8-ort"],
        },
    ]
    study = load(calibrations=calibrations, runtimes=runtimes, models=[{"name": "espcn_rgb"}])
    assert [(arm.runtime, arm.precision) for arm in compared_arms(study)] == [
        ("openvino", "fp32"),
        ("openvino", "int8-minmax"),
        ("openvino", "int8-minmax+center"),
        ("openvino", "int8-ort"),
    ]
    assert compared_arms(load()) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"sweep": {"calibrations": ["minmx"]}},
            r"sweep\.calibrations\[0\]: expected a name from `calibrations` \(dummy, ",
        ),
        (
            {"sweep": {"calibrations": ["entropy"], "images": [2], "runtime": "pytorch"}},
            r"sweep\.calibrations\[0\]: expected int8-entropy among the precisions of pytorch",
        ),
        (
            {"sweep": {"calibrations": ["minmax"], "images": [2], "runtime": "tensorrt"}},
            "expected int8-minmax among the precisions of tensorrt",
        ),
        (
            {
                "calibrations": [{"name": "fixed", "method": "fixed"}],
                "runtimes": [{"name": "openvino", "precisions": ["int8-fixed"]}],
                "models": [{"name": "espcn_rgb"}],
                "sweep": {"calibrations": ["fixed"], "images": [2]},
            },
            "expected a calibration with images, found fixed, whose method fixed has none",
        ),
        (
            {
                "calibrations": [photographs("minmax", 40), photographs("minmaxof2", 3)],
                "runtimes": [{"name": "openvino", "precisions": ["int8-minmax"]}],
                "models": [{"name": "espcn_rgb"}],
                "sweep": {"calibrations": ["minmax"], "images": [2]},
            },
            "expected minmaxof2 to be free for minmax on 2 images",
        ),
        ({"sweep": {"images": [0]}}, r"sweep\.images\[0\]"),
    ],
)
def test_a_sweep_that_makes_no_sense(changes: dict[str, Any], message: str):
    with pytest.raises(UserError, match=message):
        load(**changes)
