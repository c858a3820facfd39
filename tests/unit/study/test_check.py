"""What is known of a study's files before any work starts."""

import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from project_copy import ROOT
from superres.device.base.errors import UserError
from superres.models.networks import build_network
from superres.models.settings import PRETRAINED, NetworkSettings
from superres.models.weights import save_weights
from superres.study.check import notes
from superres.study.check.files import check_study
from superres.study.check.left_out import leave_out_missing
from superres.study.check.notes import planned_notes, study_notes
from superres.study.check.used import used_calibration_sets
from superres.study.load import load_study
from superres.study.paths import Paths
from videos import picture, write_video

from .rich import rich


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
    with pytest.raises(
        UserError, match=r"^model plain_c16_m4: weights: .* none at .*mine\.safetensors; correct its path$"
    ):
        check_study(study)
    weights.touch()
    check_study(study)


# An entry of external data in an ONNX file: its key and its value, each a tag, a length and the text.
EXTERNAL = b"\x0a\x08location\x12\x08data.bin"


def test_external_data_must_be_there_before_any_work(tmp_path: Path):
    (tmp_path / "mine.onnx").write_bytes(EXTERNAL)
    models = [{"name": "espcn_rgb"}, {"name": "mine", "onnx": str(tmp_path / "mine.onnx")}]
    study = load_study(study_of(tmp_path, models=models))
    message = r"^model mine: onnx: expected the external data of .*mine\.onnx, .* none at .*data\.bin; copy"
    with pytest.raises(UserError, match=message):
        check_study(study)
    (tmp_path / "data.bin").touch()
    check_study(study)


def test_a_checkpoint_needs_its_file_and_spandrel_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    checkpoint = tmp_path / "x2.pth"
    models = [{"name": "espcn_rgb"}, {"name": "theirs", "checkpoint": str(checkpoint)}]
    study = load_study(study_of(tmp_path, models=models))
    with pytest.raises(
        UserError, match=r"^model theirs: checkpoint: .* none at .*x2\.pth; correct its path$"
    ):
        check_study(study)
    checkpoint.touch()
    package = tmp_path / "packages/spandrel"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(package.parent)
    check_study(study)
    # Another test may have imported it.
    monkeypatch.delitem(sys.modules, "spandrel", raising=False)
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(
        UserError, match=r"^model theirs: checkpoint: expected the package spandrel.*envs/checkpoints\.txt$"
    ):
        check_study(study)


def test_an_own_network_that_is_not_there_is_named(tmp_path: Path):
    study = load_study(study_of(tmp_path, models=[{"name": "mine", "onnx": str(tmp_path / "mine.onnx")}]))
    with pytest.raises(UserError, match=r"^model mine: onnx: .* none at .*mine\.onnx; correct its path$"):
        check_study(study)
    (tmp_path / "mine.onnx").mkdir()
    with pytest.raises(
        UserError, match=r"^model mine: onnx: expected a file, found a folder at .*mine\.onnx"
    ):
        check_study(study)


def test_as_is_is_for_networks_that_are_quantised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def onnx_file(name: str, kind: str) -> str:
        path = tmp_path / name
        # The field of a node's operator type: tag, length, text.
        path.write_bytes(b"\x3a\x10\x22" + bytes([len(kind)]) + kind.encode())
        return str(path)

    models = [{"name": "espcn_rgb"}, {"name": "float", "onnx": onnx_file("float.onnx", "Conv")}]
    runtimes = [{"name": "openvino", "precisions": ["fp32", "as-is"]}]
    study = load_study(study_of(tmp_path, models=models, runtimes=runtimes))
    with pytest.raises(
        UserError, match=r"^runtimes\[0\]\.precisions: expected as-is with .* quantised, found none"
    ):
        check_study(study)
    models.append({"name": "rounded", "onnx": onnx_file("rounded.onnx", "QLinearConv")})
    study = load_study(study_of(tmp_path, models=models, runtimes=runtimes))
    check_study(study)
    assert [(arm.model, arm.precision) for arm in study.arms if arm.as_is] == [("rounded", "as-is")]
    arm = next(arm for arm in study.arms if arm.as_is)
    assert Paths(study).engine_source(arm) == ["results/mine/onnx/rounded/as-is.onnx"]
    assert Paths(study).counted_graph(arm) == "results/mine/onnx/rounded/as-is.onnx"
    machine = {"architecture": "x86_64", "flags": ["avx2"]}
    monkeypatch.setattr(notes, "describe_machine", lambda: machine)
    (note,) = planned_notes(study, {"measure_quality"})
    assert ": pictures of rounded as they are may be wrong here." in note


def test_a_calibration_set_in_the_clip_is_named(tmp_path: Path):
    changes = calibrated(images(tmp_path / "clip", "2.png"))
    changes["runtimes"] = [{"name": "openvino", "precisions": ["int8-minmax"]}]
    study = load_study(study_of(tmp_path, **changes))
    with pytest.raises(UserError, match=r"^clip a and calibration set cal: .*both take .*clip/1\.png; take"):
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


def test_more_images_than_there_are_are_found_before_any_work(tmp_path: Path):
    changes = calibrated(images(tmp_path / "cal", "1.png", "2.png", "3.png"))
    changes["runtimes"] = [{"name": "openvino", "precisions": ["int8-minmax"]}]
    data = changes["calibrations"][0]["data"]
    for number in (3, 40):
        data["images"] = number
        study = load_study(study_of(tmp_path, **changes))
        if number == 3:
            check_study(study)
            continue
        with pytest.raises(
            UserError,
            match=r"^calibration minmax: data\.images: expected 40 images in .* cal, found 3; lower",
        ):
            check_study(study)
    # A wheel that isn't there yet doesn't tell.
    changes["calibration_sets"][0]["sources"].append(
        {"type": "package-images", "package": "photos", "members": ["*.png"]}
    )
    packages = [{"name": "photos", "version": "1", "sha256": "0" * 64}]
    check_study(load_study(study_of(tmp_path, packages=packages, **changes)))
    changes["calibration_sets"][0]["sources"][1]["frames"] = {"count": 2}
    with pytest.raises(UserError, match="found 5; lower it"):
        check_study(load_study(study_of(tmp_path, packages=packages, **changes)))


def test_a_sweep_on_more_images_than_there_are_is_found_too(tmp_path: Path):
    changes = calibrated(images(tmp_path / "cal", "1.png"))
    changes["runtimes"] = [{"name": "openvino", "precisions": ["int8-minmax"]}]
    changes["sweep"] = {"calibrations": ["minmax"], "images": [1, 9]}
    with pytest.raises(UserError, match=r"^sweep.images: expected 9 images in .*, found 1; lower it"):
        check_study(load_study(study_of(tmp_path, **changes)))


def test_a_relative_path_that_leads_to_nothing_says_where_it_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    kinds = {"images": "photos", "zip-images": "a.zip", "y4m": "a.y4m", "video": "a.mp4"}
    for kind, path in kinds.items():
        clips = [{"name": "a", "source": {"type": kind, "path": path}}]
        with pytest.raises(UserError) as said:
            check_study(load_study(study_of(tmp_path, clips=clips)))
        assert f"begins at {tmp_path} or beside the study's file" in str(said.value), kind


LONG = "a" * 280


@pytest.mark.parametrize(
    "changes",
    [
        {"clips": [{"name": LONG, "source": {"type": "images", "path": "a"}}]},
        {"calibrations": [{"name": LONG, "data": {"type": "random", "width": 16, "height": 16}}]},
        {"calibration_sets": [{"name": LONG, "width": 16, "height": 16, "sources": []}]},
        {"training_sets": [{"name": LONG, "sources": []}]},
        {"quantizations": [{"name": LONG, "recipe": "minmax"}]},
        {"quantizations": [{"name": "a", "recipe": f"minmax+{LONG}"}]},
        {"runtimes": [{"name": "openvino", "precisions": [f"int8-{LONG}"]}]},
        {"targets": [{"name": LONG, "ssh": "a"}]},
        {"packages": [{"name": LONG}]},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_name_that_is_too_long_for_a_file_is_a_mistake(changes: dict[str, Any], tmp_path: Path):
    with pytest.raises(UserError, match=r"expected at most [12]00 characters, found "):
        load_study(study_of(tmp_path, **changes))


def test_a_video_whose_frames_are_cropped_is_named_before_any_work(tmp_path: Path):
    path = write_video(tmp_path / "odd.mkv", "ffv1", frames=[picture(0, 33, 47)])
    clip = {"name": "odd", "source": {"type": "video", "path": str(path)}}
    study = load_study(study_of(tmp_path, clips=[clip]))
    check_study(study)
    said = "Clip `odd`: frames of 47x33 are cropped to 46x32, multiples of 2"
    assert [said in note for note in study_notes(study)].count(True) == 1


def test_frames_that_a_network_on_blocks_pads_are_named_before_any_work(tmp_path: Path):
    path = write_video(tmp_path / "odd.mkv", "ffv1", frames=[picture(0, 32, 46)])
    clip = {"name": "odd", "source": {"type": "video", "path": str(path)}}
    models = [{"name": name} for name in ("unshuffle_c32_m4", "plain_c16_m4")]
    study = load_study(study_of(tmp_path, clips=[clip], models=models))
    check_study(study)
    (said,) = (note for note in study_notes(study) if "blocks" in note)
    padded = "unshuffle_c32_m4 works on blocks of 2 x 2 pixels: it pads LR frames of 23x16 with zeros"
    assert said.startswith(f"Clip `odd`: {padded}")


@pytest.mark.parametrize("name", ["a{b}", "a" * 241])
def test_an_upscaled_video_whose_name_no_job_can_write(name: str, tmp_path: Path):
    arm = {"runtime": "openvino", "model": "espcn_rgb", "precision": "fp32"}
    upscale = {"input": f"{name}.mp4", **arm}
    with pytest.raises(UserError, match=r"^upscale\.output: .*, or name another output$"):
        load_study(study_of(tmp_path, upscale=upscale | {"output": f"{name}.mkv"}))
    if "{" in name:
        named = load_study(study_of(tmp_path, upscale=upscale)).upscale
        assert named is not None and Path(named.output).name == "a(b).mkv"
    study = load_study(study_of(tmp_path, upscale=upscale | {"output": "b.mkv"}))
    (tmp_path / f"{name}.mp4").write_bytes(b"12")
    assert study.upscale is not None
    moved = study.but(upscale=study.upscale.model_copy(update={"input": str(tmp_path / f"{name}.mp4")}))
    # Braces make no input of a job: it has the file as a parameter, with its size.
    braces = "{" in name
    assert (Paths(moved).upscale_inputs["video"] == []) == braces
    assert [size for _, size, _ in Paths(moved).unlisted_video] == ([2] if braces else [])


def test_images_with_braces_are_parameters_of_their_job(tmp_path: Path):
    source = images(tmp_path / "own", "a{1}.png", "2.png")
    study = load_study(study_of(tmp_path, clips=[{"name": "a", "source": source}]))
    assert Paths(study).read_by_set("frames", "a")["files"] == [str(tmp_path / "own/2.png")]
    [(path, size, time)] = Paths(study).unlisted_of_set("frames", "a")
    assert path == str(tmp_path / "own/a{1}.png")
    fact = Path(path).stat()
    assert (size, time) == (fact.st_size, fact.st_mtime_ns)


def test_weights_are_found_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    study = load_study(study_of(tmp_path))
    weights = "src/superres/models/weights/espcn_rgb.safetensors"
    monkeypatch.chdir(ROOT)
    assert Paths(study).weights("espcn_rgb") == weights
    monkeypatch.chdir(tmp_path)
    assert Paths(study).weights("espcn_rgb") == str(ROOT / weights)


def test_a_dla_core_takes_clips_of_one_size(tmp_path: Path):
    view = {"type": "turning-view", "package": "matplotlib", "member": "a.jpg", "count": 1, "height": 32}
    view |= {"fov": 90, "yaw": 0, "yaw_step": 1}
    clips = [{"name": name, "source": {**view, "width": width}} for name, width in (("a", 64), ("b", 48))]
    dla = {"name": "tensorrt", "precisions": ["fp16"], "build": {"dla_core": 0}}
    keys: dict[str, Any] = {"packages": [{"name": "matplotlib"}], "clips": clips, "runtimes": [dla]}
    wanted = r"^runtimes\[0\]\.build\.dla_core: expected clips of one size, .*64x32 \(a\), 48x32 \(b\); take"
    with pytest.raises(UserError, match=wanted):
        check_study(load_study(study_of(tmp_path, **keys)))
    check_study(load_study(study_of(tmp_path, **{**keys, "clips": clips[:1]})))


@pytest.mark.parametrize(("flags", "named"), [(["avx2"], True), (["avx2", "avx512_vnni"], False)])
def test_arms_whose_sums_may_overflow_here_are_named(
    monkeypatch: pytest.MonkeyPatch, flags: list[str], named: bool
) -> None:
    monkeypatch.setattr(notes, "describe_machine", lambda: {"architecture": "x86_64", "flags": flags})
    study = rich(
        # Another machine may have other instructions.
        targets=[
            {"name": "local", "runtimes": ["openvino", "tensorrt", "opencv"]},
            {"name": "jetson", "ssh": "user@jetson", "runtimes": ["onnxruntime"]},
        ],
        quantizations=[{"name": "safe", "recipe": "minmax+reducerange"}],
        runtimes=[
            {"name": "openvino", "precisions": ["fp32", "int8-safe", "int8-minmax", "int8-dummy"]},
            {"name": "onnxruntime", "precisions": ["int8-few"]},
            {"name": "tensorrt", "precisions": ["int8-entropy"]},  # its sums are a GPU's
            {"name": "opencv", "precisions": ["uint8"]},
        ],
    )
    for rule, wide in (
        ("measure_quality", "dummy, minmax"),
        ("measure_quality_shard", "dummy, minmax"),
        ("upscale_video", "minmax"),
        ("export_onnx", ""),
    ):
        said = [note for note in planned_notes(study, {rule}) if "16 bits" in note]
        assert len(said) == (named and wide != "")
        assert all(f": pictures of INT8 {wide} may" in note for note in said)


PLAIN = {"kind": "plain", "channels": 16, "layers": 4}


@pytest.mark.parametrize(
    ("model", "weights", "said"),
    [
        ({"architecture": PLAIN}, "plain_c16_m4", ""),
        ({"architecture": PLAIN}, "plain_c32_m4", "channels 16, found channels 32;"),
        ({"architecture": PLAIN}, "fsrcnn", "kind plain, found kind fsrcnn;"),
        (
            {"architecture": {**PLAIN, "anchor": "nearest"}},
            "plain_c16_m4",
            "anchor nearest, found anchor bicubic;",
        ),
        # No keys describe the paper's networks.
        ({"network": "espcn_rgb"}, "espcn_rgb", ""),
        ({"network": "espcn_rgb"}, "espcn_ycbcr", "colour rgb, found colour luma;"),
        ({"name": "espcn_ycbcr"}, "espcn_ycbcr", ""),
        ({"name": "espcn_ycbcr"}, "espcn_anchor", "anchor none, found anchor bicubic;"),
        ({"name": "espcn_rgb"}, "plain_c16_m4", "colour rgb, found colour luma;"),
    ],
)
def test_weights_of_another_network_are_found_before_any_work(
    tmp_path: Path, model: dict[str, Any], weights: str, said: str
) -> None:
    model = {"name": "mine", "weights": str(PRETRAINED / f"{weights}.safetensors"), **model}
    study = load_study(study_of(tmp_path, models=[model]))
    if not said:
        check_study(study)
        return
    start = f"model {model['name']}: weights: .*: expected weights of a network with "
    with pytest.raises(UserError, match=start + said):
        check_study(study)


def test_the_same_layers_may_have_another_name(tmp_path: Path) -> None:
    """Espcn of two equal widths is plain."""
    espcn, plain = (
        {"kind": "espcn", "channels": [16, 16]},
        {"kind": "plain", "channels": 16, "layers": 1, "first_kernel": 5},
    )
    settings = NetworkSettings.model_validate({"architecture": espcn})
    save_weights(build_network("one", settings), tmp_path / "w.safetensors")
    for architecture in (espcn, plain):
        model = {"name": "mine", "architecture": architecture, "weights": str(tmp_path / "w.safetensors")}
        check_study(load_study(study_of(tmp_path, models=[model])))
