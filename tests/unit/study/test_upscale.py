"""What a study may say of the video that it upscales."""

from pathlib import Path
from typing import Any

import pytest

from superres.device.base.errors import UserError
from superres.study.check.files import check_study
from superres.study.keys.arms import Arm
from superres.study.keys.study import Study
from superres.study.load import load_study
from videos import write_video

from .test_load import Config, edited


def study(upscale: dict[str, Any]) -> Study:
    def change(config: Config) -> None:
        config["models"] = [{"name": "espcn_rgb"}, {"name": "plain_c16_m4"}]
        config["runtimes"] = [{"name": "openvino", "precisions": ["fp32", "int8-minmax"]}]
        config["upscale"] = upscale

    return load_study(edited(change))


ARM = {"model": "espcn_rgb", "precision": "fp32"}


def test_no_video_is_named() -> None:
    assert study({}).upscale is None


def test_defaults() -> None:
    named = study({"input": "holiday/beach.mp4", "precision": "int8-minmax", "crf": 0})
    assert named.upscale is not None
    assert named.upscale.output == f"results/{named.name}/upscaled/beach.mkv"
    assert named.upscale.arm == Arm("local", "openvino", "plain_c16_m4", "int8-minmax")
    assert (named.upscale.codec, named.upscale.crf) == ("auto", 0)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"input": "a.mkv", "output": "./a.mkv"}, r"upscale\.output: expected another file than the input"),
        (
            {"input": "a.mkv", "output": "b.webm"},
            r"upscale\.output: b\.webm: expected a name that ends in \.mkv",
        ),
        ({"input": "a.mkv", "output": "b.mp4", "codec": "y4m"}, r"ends in \.y4m for y4m, found \.mp4"),
        ({"input": "a.mkv", "crf": 52}, r"upscale\.crf: expected 51 or less, found 52"),
        ({"input": "a.mkv", "crf": "good"}, r"upscale\.crf: expected a whole number, found 'good'"),
        ({"input": "a.mkv", "runtime": "pytorch"}, r"upscale\.runtime: .*\(openvino\), found pytorch"),
        ({"input": "a.mkv", "model": "espcn"}, r"upscale\.model: .*\(espcn_rgb, plain_c16_m4\), found espcn"),
        ({"input": "a.mkv", "precision": "bf16"}, r"upscale\.precision: .*\(fp32, int8-minmax\), found bf16"),
        ({"inputs": "a.mkv"}, r"upscale\.inputs: unknown key \(did you mean input\?\)"),
    ],
)
def test_mistakes(entry: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        study(ARM | entry)


def test_a_default_that_the_study_lacks_is_to_be_stated() -> None:
    with pytest.raises(UserError, match=r"found int8-tuned, the default; state precision beside input$"):
        study({"input": "a.mkv", "model": "espcn_rgb"})
    with pytest.raises(UserError, match=r"found int8-tuned$"):
        study({"input": "a.mkv", "precision": "int8-tuned"})


def test_an_interlaced_video_is_refused_before_work(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mkv", options={"x264-params": "tff=1"})
    with pytest.raises(UserError, match=r"^upscale\.input: .*a\.mkv: expected progressive frames"):
        check_study(study(ARM | {"input": str(path)}))
    check_study(study(ARM | {"input": str(path), "deinterlace": True}))


def test_a_video_that_is_not_there() -> None:
    with pytest.raises(UserError, match=r"upscale\.input: expected a video, found no file nothing\.mp4"):
        check_study(study(ARM | {"input": "nothing.mp4"}))
