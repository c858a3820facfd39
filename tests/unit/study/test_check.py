"""What is known of a study's files before any work starts."""

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from superres.device.base.errors import UserError
from superres.study.check import check_study, leave_out_missing, used_calibration_sets
from superres.study.load import load_study


def images(folder: Path, *names: str) -> dict[str, Any]:
    folder.mkdir(exist_ok=True)
    for name in names:
        Image.new("RGB", (64, 48)).save(folder / name)
    return {"type": "images", "path": str(folder)}


def study_of(folder: Path, **changes: Any) -> dict[str, Any]:
    return {
        "study": "mine",
        "clips": [{"name": "a", "source": images(folder / "clip", "1.png", "2.png")}],
        "models": [{"name": "espcn_rgb"}],
        "runtimes": [{"name": "openvino", "precisions": ["fp32"]}],
        **changes,
    }


def calibrated(source: dict[str, Any]) -> dict[str, Any]:
    return {
        "calibration_sets": [{"name": "cal", "width": 16, "height": 16, "sources": [source]}],
        "calibrations": [{"name": "minmax", "data": {"type": "calibration-set", "name": "cal"}}],
    }


def test_a_sound_study_passes(tmp_path: Path):
    changes = calibrated(images(tmp_path / "cal", "3.png"))
    changes["runtimes"] = [{"name": "openvino", "precisions": ["int8-minmax"]}]
    study = load_study(study_of(tmp_path, **changes))
    check_study(study)
    assert [images.name for images in used_calibration_sets(study)] == ["cal"]
    assert study.clips["a"].source.files == [str(tmp_path / f"clip/{n}.png") for n in (1, 2)]


def test_weights_that_are_not_there_are_named(tmp_path: Path):
    weights = tmp_path / "mine.safetensors"
    study = load_study(study_of(tmp_path, models=[{"name": "plain_c16_m4", "weights": str(weights)}]))
    with pytest.raises(UserError, match=r"^model plain_c16_m4: weights: .* none at .*mine\.safetensors$"):
        check_study(study)
    weights.touch()
    check_study(study)


def test_a_calibration_set_in_the_clip_is_named(tmp_path: Path):
    changes = calibrated(images(tmp_path / "clip", "2.png"))
    changes["runtimes"] = [{"name": "openvino", "precisions": ["int8-minmax"]}]
    study = load_study(study_of(tmp_path, **changes))
    with pytest.raises(UserError, match=r"^clip a and calibration set cal: .*both take .*clip/1\.png$"):
        check_study(study)


def test_what_no_arm_uses_is_not_asked_for(tmp_path: Path):
    study = load_study(study_of(tmp_path, **calibrated({"type": "images", "path": "nowhere"})))
    check_study(study)
    assert used_calibration_sets(study) == []


def optional_clips(folder: Path, *names: str) -> list[dict[str, Any]]:
    return [
        {"name": name, "optional": True, "source": {"type": "images", "path": str(folder / name)}}
        for name in names
    ]


def test_optional_clips_that_are_missing_are_left_out(tmp_path: Path):
    images(tmp_path / "b", "1.png")
    study = leave_out_missing(load_study(study_of(tmp_path, clips=optional_clips(tmp_path, "a", "b", "c"))))
    assert list(study.clips) == ["b"]
    assert list(study.left_out) == ["a", "c"]
    check_study(study)


def test_no_clip_at_all_names_every_place(tmp_path: Path):
    study = load_study(study_of(tmp_path, clips=optional_clips(tmp_path, "a", "b")))
    with pytest.raises(UserError, match=r"^clips: expected at least one of .*/a, .*/b, found none") as caught:
        leave_out_missing(study)
    assert "\n" not in str(caught.value)


def test_an_optional_clip_without_a_readable_image_is_still_a_mistake(tmp_path: Path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/notes.txt").write_text("no image")
    study = leave_out_missing(load_study(study_of(tmp_path, clips=optional_clips(tmp_path, "a"))))
    with pytest.raises(UserError, match=r"^clip a: .*/a: expected at least one image .*found none"):
        check_study(study)


def test_a_clip_that_is_not_optional_has_to_be_there(tmp_path: Path):
    clips = [{"name": "a", "source": {"type": "images", "path": str(tmp_path / "gone")}}]
    study = leave_out_missing(load_study(study_of(tmp_path, clips=clips)))
    with pytest.raises(UserError, match=r"^clip a: images: expected a folder at .*gone, found nothing"):
        check_study(study)


@pytest.mark.parametrize(
    ("training", "validation", "message"),
    [
        ("clip", "c", "clip a and training set training"),
        ("b", "clip", "clip a and training set validation"),
        ("b", "b", "training set training and validation set validation"),
    ],
)
def test_training_shares_nothing_with_clip_or_validation(
    tmp_path: Path, training: str, validation: str, message: str
):
    sets = [
        {"name": name, "sources": [images(tmp_path / folder, "1.png")]}
        for name, folder in (("training", training), ("validation", validation))
    ]
    models = [{"name": "espcn_rgb", "weights": "train", "training": {"patches": [24]}}]
    study = load_study(study_of(tmp_path, training_sets=sets, models=models))
    with pytest.raises(UserError, match=f"^{message}: expected no"):
        check_study(study)


def test_a_training_image_smaller_than_the_largest_patch_is_named(tmp_path: Path):
    sets = [
        {"name": name, "sources": [images(tmp_path / name, f"{name}.png")]}
        for name in ("training", "validation")
    ]
    models = [{"name": "espcn_rgb", "weights": "train", "training": {"patches": [16, 25]}}]
    study = load_study(study_of(tmp_path, training_sets=sets, models=models))
    # The images are 64 x 48, and 25 LR pixels are 50 HR pixels. A validation image may have any size.
    with pytest.raises(
        UserError, match=r"training/training\.png: expected at least 50x50 pixels, found 64x48"
    ):
        check_study(study)
