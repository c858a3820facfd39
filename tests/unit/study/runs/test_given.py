"""Paths beside a study's file, and numbers of a command line."""

import copy
from pathlib import Path
from typing import Any

import pytest
from snakemake.utils import update_config

from superres.device.base.errors import UserError
from superres.study.check.notes import place_notes
from superres.study.keys.study import Study
from superres.study.load import load_study

SMALL: dict[str, Any] = {
    "study": "small",
    "clips": [{"name": "a", "source": {"type": "images", "path": "photos"}}],
    "models": [{"name": "bicubic"}],
    "runtimes": [{"name": "opencv", "precisions": ["uint8"]}],
}


def load(given: dict[str, Any], written: dict[str, Any] | None = None, *folders: Path) -> Study:
    config = copy.deepcopy(SMALL | (written or {}))
    update_config(config, copy.deepcopy(given))
    return load_study(config, folders=folders, typed=given)


def test_texts_of_a_command_line_are_numbers_and_booleans_where_keys_want_them():
    source = {"type": "images", "path": "1", "frames": {"count": "3", "stride": "2.0"}}
    given = {
        "latency": {"min_seconds": "0.5", "min_iterations": "7", "noise": {"spread": "15e-1"}},
        "clips": [{"name": "a", "optional": "True", "source": source}],
        "quality": {"border": "4"},
        "roofline": {"seconds": "2"},
    }
    study = load(given)
    assert (study.latency.min_seconds, study.latency.min_iterations, study.noise.spread) == (0.5, 7, 1.5)
    clip = study.clips["a"]
    assert clip.optional is True and clip.source.frames.count == 3 and clip.source.frames.stride == 2
    # A text stays a text where a text is wanted.
    assert clip.source.path == "1"
    assert study.quality.border == 4 and study.roofline.seconds == 2.0


@pytest.mark.parametrize(("text", "value"), [("true", True), ("False", False)])
def test_booleans_of_a_video_may_be_text_too(text: str, value: bool):
    arm = {"runtime": "openvino", "model": "espcn_rgb", "precision": "fp32"}
    written = {
        "models": [{"name": "espcn_rgb"}],
        "runtimes": [{"name": "openvino", "precisions": ["fp32"]}],
    }
    study = load({"upscale": {"input": "a.mp4", "deinterlace": text, "crf": "20", **arm}}, written)
    assert study.upscale is not None
    assert study.upscale.deinterlace is value and study.upscale.crf == 20


def test_a_text_that_is_no_number_is_a_mistake():
    with pytest.raises(UserError, match=r"latency\.min_iterations: expected a whole number, found 'many'"):
        load({"latency": {"min_iterations": "many", "min_seconds": "0.5"}})
    with pytest.raises(UserError, match=r"latency\.min_iterations: expected a whole number, found 2\.5"):
        load({"latency": {"min_iterations": "2.5"}})


def test_a_text_of_a_file_stays_a_text():
    with pytest.raises(UserError, match=r"latency\.min_seconds: expected a number, found '0\.5'"):
        load({"latency": {"min_iterations": "9"}}, {"latency": {"min_seconds": "0.5"}})


def test_a_path_leads_to_the_working_directory_first_then_to_the_studys_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    first, second = tmp_path / "studies", tmp_path.parent / f"{tmp_path.name}-other"
    for folder in (first, second):
        (folder / "photos").mkdir(parents=True)
    study = load({}, None, first, second)
    assert study.clips["a"].source.path == "studies/photos"
    assert place_notes(study) == [
        "photos is taken from studies/photos, beside the study's file: the working directory has none."
    ]
    assert load({}, None, second).clips["a"].source.path == str(second / "photos")
    (tmp_path / "photos").mkdir()
    study = load({}, None, first)
    assert study.clips["a"].source.path == "photos" and place_notes(study) == []


def test_every_path_is_looked_for_beside_the_studys_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s/wheels").mkdir(parents=True)
    (tmp_path / "s/clip.y4m").write_bytes(b"")
    written = {
        "mirror": "wheels",
        "clips": [{"name": "a", "source": {"type": "y4m", "path": "clip.y4m"}}],
    }
    study = load({}, written, tmp_path / "s")
    assert study.mirror == "s/wheels" and study.clips["a"].source.path == "s/clip.y4m"
    assert dict(study.beside) == {"wheels": "s/wheels", "clip.y4m": "s/clip.y4m"}


def test_weights_are_looked_for_beside_the_study_but_no_word_for_them(tmp_path: Path):
    for name in ("mine.safetensors", "train", "pretrained"):
        (tmp_path / name).touch()
    model = {"name": "espcn_rgb", "weights": "mine.safetensors"}
    written = {"models": [model], "runtimes": [{"name": "openvino", "precisions": ["fp32"]}]}
    study = load({}, written, tmp_path)
    assert study.models["espcn_rgb"].weights == str(tmp_path / "mine.safetensors")
    assert len(place_notes(study)) == 1
    model["weights"] = "pretrained"
    assert load({}, written, tmp_path).models["espcn_rgb"].weights == "pretrained"


@pytest.mark.parametrize(("key", "name"), [("onnx", "mine.onnx"), ("checkpoint", "mine.pth")])
def test_a_network_of_others_is_looked_for_beside_the_study(key: str, name: str, tmp_path: Path):
    (tmp_path / name).touch()
    written = {
        "models": [{"name": "mine", key: name}],
        "runtimes": [{"name": "openvino", "precisions": ["fp32"]}],
    }
    assert load({}, written, tmp_path).models["mine"].file == str(tmp_path / name)
