"""Files that a study names by address: their pins, every mistake, and no secret in any text."""

from pathlib import Path
from typing import Any

import pytest

from superres.data.download.addresses import readable_address, redact
from superres.data.sources.source import FrameRange, PinnedFile
from superres.data.sources.video import Video
from superres.data.sources.y4m import Y4m
from superres.data.sources.zip_images import ZipImages
from superres.device.base.errors import UserError
from superres.study.check.files import check_study
from superres.study.check.left_out import leave_out_missing
from superres.study.graph_paths import frames_made_of
from superres.study.load import load_study

CLIP = {
    "name": "run.y4m",
    "url": "https://h/v/run.y4m?key=1",
    "bytes": 1000,
    "sha256": "a" * 64,
    "mismatch": "warn",
}
ZIP = {"name": "images.zip", "url": "http://h:8080/images.zip", "bytes": 400, "sha256": "b" * 64}


def study_of(**changes: Any) -> dict[str, Any]:
    return {
        "study": "mine",
        "files": [CLIP, ZIP],
        "clips": [
            {
                "name": "run",
                "optional": True,
                "source": {"type": "y4m", "file": "run.y4m", "frames": {"stride": 2}},
            }
        ],
        "calibration_sets": [
            {
                "name": "cal",
                "width": 16,
                "height": 16,
                "sources": [{"type": "zip-images", "file": "images.zip"}],
            }
        ],
        "models": [{"name": "espcn_rgb"}],
        "runtimes": [{"name": "openvino", "precisions": ["fp32"]}],
        **changes,
    }


def test_a_source_has_the_pins_of_its_file():
    study = load_study(study_of())
    pinned = PinnedFile("run.y4m", 1000, "a" * 64, "warn", "https://h/v/run.y4m")
    run = study.clips["run"].source
    assert run.kind == Y4m(file="run.y4m", frames=FrameRange(stride=2))
    assert (run.path, run.pinned, run.frames.stride) == ("resources/files/run.y4m", pinned, 2)
    assert study.files["run.y4m"].file.url == "https://h/v/run.y4m"
    [images] = study.calibration_sets["cal"].sources
    assert isinstance(images.kind, ZipImages) and images.path == "resources/files/images.zip"
    assert images.files == ["resources/files/images.zip"]
    assert study.files["run.y4m"].places == (CLIP["url"],)
    # Files that are yet to be fetched are no mistake, and a clip of one isn't missing.
    check_study(study)
    assert list(leave_out_missing(study).clips) == ["run"]


def test_local_paths_work_as_before():
    clips = [{"name": name, "source": {"type": name, "path": "a.bin"}} for name in ("y4m", "video")]
    study = load_study(study_of(clips=clips, files=[], calibration_sets=[]))
    assert study.clips["y4m"].source.kind == Y4m(path="a.bin")
    assert study.clips["video"].source.kind == Video(path="a.bin")
    assert study.files == {}


def test_mirrors_come_first_and_the_environments_before_the_studys(tmp_path: Path):
    study = load_study(study_of(mirror="https://m/sub?k=v"), str(tmp_path))
    assert study.files["images.zip"].places == (
        f"{tmp_path}/images.zip",
        "https://m/sub/images.zip?k=v",
        "http://h:8080/images.zip",
    )


def test_where_a_file_comes_from_is_no_parameter():
    """Snakemake compares parameters by their repr: another address of the same content reruns nothing."""
    one = load_study(study_of())
    other = load_study(study_of(files=[{**CLIP, "url": "http://elsewhere/x"}, ZIP], mirror="http://m"))
    assert repr((one.files["run.y4m"],)) == repr((other.files["run.y4m"],))
    assert repr(one.clips["run"]) == repr(other.clips["run"])
    assert one.files == other.files
    changed = load_study(study_of(files=[{**CLIP, "sha256": "c" * 64}, ZIP]))
    assert repr(one.clips["run"]) != repr(changed.clips["run"])


def test_room_for_what_is_made_of_a_file():
    study = load_study(study_of())
    made = dict(frames_made_of(study, "run.y4m"))
    # 4:2:0 to RGB doubles, a quarter of it comes on top as LR; every second frame.
    assert made == {"frames/run.hr.npy": 1250, "frames/calibration/cal.npy": 0}
    assert dict(frames_made_of(study, "images.zip"))["frames/calibration/cal.npy"] == 800
    source = {"type": "y4m", "file": "run.y4m", "frames": {"count": 3}}
    few = load_study(study_of(clips=[{"name": "run", "source": source}]))
    assert dict(frames_made_of(few, "run.y4m"))["frames/run.hr.npy"] == 0


def with_url(url: Any) -> dict[str, Any]:
    return study_of(files=[{**CLIP, "url": url}, ZIP])


SECRET = "s3cr3t"
MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "neither path nor file": (
        study_of(clips=[{"name": "a", "source": {"type": "y4m"}}]),
        r"clips\[0\]\.source: expected either path or file, found neither",
    ),
    "both": (
        study_of(clips=[{"name": "a", "source": {"type": "zip-images", "path": "a", "file": "images.zip"}}]),
        r"clips\[0\]\.source: expected either path or file, found both",
    ),
    "unknown file": (
        study_of(clips=[{"name": "a", "source": {"type": "video", "file": "x"}}]),
        r"clips\[0\]\.source\.file: expected a name from `files` \(run\.y4m, images\.zip\), found 'x'",
    ),
    "name that leads elsewhere": (
        study_of(files=[{**CLIP, "name": "../a.y4m"}]),
        r"files\[0\]\.name: expected .*found",
    ),
    "hidden name": (study_of(files=[{**CLIP, "name": ".a.y4m"}]), r"files\[0\]\.name: expected"),
    "name twice": (study_of(files=[CLIP, CLIP]), r"files\[1\]\.name: expected a name of its own"),
    "without a hash": (
        study_of(files=[{k: v for k, v in CLIP.items() if k != "sha256"}]),
        r"files\[0\]: expected the key sha256",
    ),
    "short hash": (study_of(files=[{**CLIP, "sha256": "a" * 63}]), r"files\[0\]\.sha256: expected"),
    "no bytes": (study_of(files=[{**CLIP, "bytes": 0}]), r"files\[0\]\.bytes"),
    "warn for an archive": (
        study_of(files=[CLIP, {**ZIP, "mismatch": "warn"}]),
        r"files\[1\]\.mismatch: expected warn for \.y4m files only.*images\.zip",
    ),
    "ftp": (
        with_url(f"ftp://h/a?{SECRET}"),
        r"files\[0\]\.url: expected .*http:// or https://, found 'ftp://h/a'",
    ),
    "no scheme": (with_url("h/a.y4m"), r"files\[0\]\.url: expected .*found 'h/a\.y4m'"),
    "no host": (with_url("https:///a"), r"files\[0\]\.url: expected"),
    "bad port": (with_url("https://h:port/a"), r"files\[0\]\.url: expected"),
    "spaces": (with_url("https://h/a b"), r"files\[0\]\.url: expected"),
    "credentials": (
        with_url(f"https://me:{SECRET}@h/a"),
        r"files\[0\]\.url: expected .*without user name.*'https://h/a'.*netrc",
    ),
    "token as user": (with_url(f"https://{SECRET}@h/a"), r"files\[0\]\.url: expected .*without user name"),
    "credentials with a slash": (with_url(f"https://me:x/{SECRET}@h/a"), r"files\[0\]\.url: expected"),
    "credentials under another scheme": (with_url(f"ftp://me:{SECRET}@h/a"), r"files\[0\]\.url: expected"),
    "credentials in a list": (with_url([f"https://me:{SECRET}@h/a"]), r"files\[0\]\.url: expected a text"),
    "credentials at the wrong place": (
        study_of(files=f"https://me:{SECRET}@h/a?{SECRET}"),
        r"files: expected a list, found 'https://h/a'",
    ),
    "long credentials": (study_of(files=f"https://me:{SECRET * 20}@h/a"), r"files: expected a list"),
    "credentials of a mirror": (
        study_of(mirror=f"https://me:{SECRET}@h/a"),
        r"mirror: expected .*without user name",
    ),
    "mirror that isn't there": (
        study_of(mirror="no/such/folder"),
        r"mirror: expected a folder or an address.*no/such",
    ),
}


@pytest.mark.parametrize(("config", "message"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_gets_one_line_without_secrets(config: dict[str, Any], message: str):
    with pytest.raises(UserError, match=message) as caught:
        load_study(config)
    assert "\n" not in str(caught.value)
    assert SECRET not in str(caught.value) and SECRET[:5] not in str(caught.value)


def test_the_environment_is_named_where_its_folder_is_missing():
    with pytest.raises(
        UserError, match=r"^SUPERRES_DATA: expected a folder or an address, found nothing at nowhere"
    ):
        load_study(study_of(), "nowhere")
    # A study that fetches nothing doesn't care.
    clips = [{"name": "a", "source": {"type": "video", "path": "a"}}]
    load_study(study_of(files=[], clips=clips, calibration_sets=[]), "nowhere")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"see https://u:{SECRET}@h:1/p?q={SECRET}#f and more", "see https://h:1/p and more"),
        (f"['http://{SECRET}@h/p', 'x']", "['http://h/p', 'x']"),
        ("no address at all: a@b?c", "no address at all: a@b?c"),
    ],
)
def test_texts_are_printed_without_what_is_secret(text: str, expected: str):
    assert redact(text) == expected


def test_an_address_is_printed_without_its_query():
    assert readable_address("https://h:8080/@scope/a%20b.zip?token=1") == "https://h:8080/@scope/a%20b.zip"
