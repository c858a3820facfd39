"""Videos upscaled by OpenCV's bicubic and by OpenVINO: their content, and errors of bad ones."""

import threading
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from superres.data.video.convert import rgb_of
from superres.data.video.facts import video_facts
from superres.data.video.reader import VideoReader
from superres.device.base.errors import UnsupportedError, UserError
from superres.device.job import Job
from superres.device.runtimes import load_runtime
from superres.device.runtimes.base import Session, Settings
from superres.device.tasks.engine import Engine
from superres.models.export import export_onnx
from superres.models.graphs.uint8.channels_last import write_channels_last
from superres.models.weights import pretrained
from superres.targets.local import run_here
from superres.upscale.pipeline import BuiltFrom, UpscaleSettings, open_for, upscale_video

FRAMES, HEIGHT, WIDTH = 9, 48, 64
RATE = Fraction(30000, 1001)


@pytest.fixture
def session(tmp_path: Path) -> Session:
    runtime = load_runtime("opencv")
    settings = Settings("uint8", 1, {"frames": "uint8", "kernel": "opencv"})
    runtime.build(None, tmp_path / "engine", settings)
    return runtime.open_engine(tmp_path / "engine", settings)


def samples_of(values: np.ndarray) -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(values, format="s16", layout="mono")
    frame.sample_rate = 8000
    return frame


def write_video(path: Path, pixels: str = "yuv420p", sound: bool = False) -> Path:
    """Write a moving pattern, lossless except for its chroma."""
    kinds = {".y4m": ("yuv4mpegpipe", "rawvideo"), ".mkv": ("matroska", "ffv1")}
    kind, codec = kinds[path.suffix]
    ramp = np.add.outer(np.arange(HEIGHT) * 3, np.arange(WIDTH) * 2)[..., np.newaxis] + [0, 40, 80]
    with av.open(str(path), "w", format=kind) as container:
        stream: Any = container.add_stream(codec, rate=RATE)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, pixels
        tone = container.add_stream("pcm_s16le", rate=8000, layout="mono") if sound else None
        for i in range(FRAMES):
            rgb = ((ramp + 5 * i) % 200 + 20).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format=pixels, dst_colorspace=1)
            frame.pts, frame.time_base = i, 1 / RATE
            container.mux(stream.encode(frame))
            if tone is not None:
                container.mux(tone.encode(samples_of(np.full((1, 267), 100 * i, np.int16))))
        container.mux(stream.encode())
        if tone is not None:
            container.mux(tone.encode())
    return path


def pictures(path: Path) -> list[np.ndarray]:
    with VideoReader(path) as reader:
        facts = reader.facts
        return [
            rgb_of(item, facts.colour(), facts.turn) for item in reader if isinstance(item, av.VideoFrame)
        ]


@pytest.mark.parametrize("source", ["in.y4m", "in.mkv"])
def test_every_frame_equals_the_output_of_the_session(tmp_path: Path, session: Session, source: str) -> None:
    path = write_video(tmp_path / source, "yuv444p")
    count = upscale_video(session, path, tmp_path / "out.mkv", UpscaleSettings(), "test")
    before, after = pictures(path), pictures(tmp_path / "out.mkv")
    assert count == len(before) == len(after) == FRAMES
    for small, large in zip(before, after, strict=True):
        assert large.shape == (2 * HEIGHT, 2 * WIDTH, 3)
        # FFV1 keeps RGB without loss.
        np.testing.assert_array_equal(large, session.run(small))


@pytest.mark.parametrize("scale", [1, 3, 4])
@pytest.mark.parametrize("name", ["out.mkv", "out.mp4", "out.y4m"])
def test_a_video_at_another_scale(tmp_path: Path, scale: int, name: str) -> None:
    runtime = load_runtime("opencv")
    settings = Settings("uint8", 1, {"frames": "uint8", "kernel": "opencv", "scale": scale})
    runtime.build(None, tmp_path / "engine", settings)
    session = runtime.open_engine(tmp_path / "engine", settings)
    path = write_video(tmp_path / "in.mkv", "yuv444p")
    upscale_video(session, path, tmp_path / name, UpscaleSettings(scale=scale, crf=10), "test")
    found = video_facts(tmp_path / name)
    assert found.shape == (scale * HEIGHT, scale * WIDTH)
    # Matroska's times are whole milliseconds.
    assert found.rate is not None and abs(found.rate - RATE) < 0.1
    for small, large in zip(pictures(path), pictures(tmp_path / name), strict=True):
        differences = np.abs(large.astype(int) - session.run(small))
        # FFV1 alone keeps RGB without loss. The others halve the chroma of the pattern's edges.
        assert differences.max() == 0 if name == "out.mkv" else np.median(differences) <= 3


@pytest.mark.parametrize("pixels", ["yuv420p", "yuv422p", "yuv444p"])
def test_y4m_keeps_the_chroma_format_and_the_colours(tmp_path: Path, session: Session, pixels: str) -> None:
    path = write_video(tmp_path / "in.y4m", pixels)
    upscale_video(session, path, tmp_path / "out.y4m", UpscaleSettings(), "test")
    found = video_facts(tmp_path / "out.y4m")
    assert (found.pixels, found.shape, found.rate) == (pixels, (2 * HEIGHT, 2 * WIDTH), RATE)
    for small, large in zip(pictures(path), pictures(tmp_path / "out.y4m"), strict=True):
        expected = session.run(small).astype(int)
        # Limited range has 219 levels, and chroma fewer samples. A wrong matrix is off by 10 or more.
        assert np.abs(large - expected).mean() < 2


def test_h264_is_close(tmp_path: Path, session: Session) -> None:
    path = write_video(tmp_path / "in.mkv")
    upscale_video(session, path, tmp_path / "out.mp4", UpscaleSettings(crf=10), "test")
    found = pictures(tmp_path / "out.mp4")
    assert len(found) == FRAMES
    for small, large in zip(pictures(path), found, strict=True):
        assert np.abs(large.astype(int) - session.run(small)).mean() < 4


def test_the_sound_stays(tmp_path: Path, session: Session) -> None:
    path = write_video(tmp_path / "in.mkv", sound=True)
    upscale_video(session, path, tmp_path / "out.mkv", UpscaleSettings(), "test")
    samples = []
    for file in (path, tmp_path / "out.mkv"):
        with av.open(str(file)) as container:
            samples.append(np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)]))
    assert len(samples[0]) == 267 * FRAMES
    np.testing.assert_array_equal(samples[0], samples[1])


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("out.webm", {}, r"out.webm: expected a name that ends in \.mkv, .*, found \.webm"),
        ("out", {}, "found no ending"),
        ("out.mp4", {"codec": "ffv1"}, r"expected a name that ends in \.mkv or \.avi for ffv1, found \.mp4"),
    ],
)
def test_names_that_do_not_fit(
    tmp_path: Path, session: Session, name: str, settings: dict[str, str], message: str
) -> None:
    path = write_video(tmp_path / "in.y4m")
    with pytest.raises(UserError, match=message):
        upscale_video(session, path, tmp_path / name, UpscaleSettings(**settings), "test")  # pyright: ignore[reportArgumentType]
    assert not (tmp_path / name).exists()


def test_files_that_are_no_videos(tmp_path: Path, session: Session) -> None:
    (tmp_path / "text.mkv").write_text("no video at all")
    with av.open(str(tmp_path / "sound.mkv"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        container.mux(stream.encode(samples_of(np.zeros((1, 800), np.int16))))
        container.mux(stream.encode())
    cases = {
        "nothing.mkv": "expected a video, found no file",
        "text.mkv": "expected a video, found something else",
        "sound.mkv": "found no stream of pictures",
    }
    for name, message in cases.items():
        with pytest.raises(UserError, match=message):
            upscale_video(session, tmp_path / name, tmp_path / "out.mkv", UpscaleSettings(), "test")
    path = write_video(tmp_path / "in.mkv")
    with pytest.raises(UserError, match="expected an output other than the input"):
        upscale_video(session, path, path, UpscaleSettings(), "test")
    assert pictures(path)


class Failing(Session):
    """A session that fails at the fourth frame."""

    def __init__(self, error: Exception):
        self.error, self.calls = error, 0

    def preprocess(self, frame: np.ndarray) -> np.ndarray:
        self.calls += 1
        if self.calls == 4:
            raise self.error
        return frame

    def execute(self, inputs: np.ndarray) -> np.ndarray:
        return inputs.repeat(2, 0).repeat(2, 1)

    def postprocess(self, outputs: np.ndarray) -> np.ndarray:
        return outputs


def test_a_failure_in_the_middle_leaves_no_file_and_no_thread(tmp_path: Path) -> None:
    path = write_video(tmp_path / "in.y4m")
    before = threading.active_count()
    with pytest.raises(UserError, match="the device is gone"):
        upscale_video(
            Failing(UserError("the device is gone")), path, tmp_path / "out.mkv", UpscaleSettings(), ""
        )
    assert [file.name for file in tmp_path.iterdir()] == ["in.y4m"]
    assert threading.active_count() == before


OPTIONS = {"frames": "uint8"}


@pytest.fixture(scope="module")
def arm(tmp_path_factory) -> tuple[Engine, BuiltFrom]:
    """Build an OpenVINO engine for frames of 24 x 32 only."""
    folder = tmp_path_factory.mktemp("arm")
    export_onnx("espcn_anchor", pretrained("espcn_anchor"), folder / "plain.onnx")
    write_channels_last(folder / "plain.onnx", folder / "graph.onnx")
    source = BuiltFrom(str(folder / "graph.onnx"), None)
    return build(folder, "fp32", source, [24, 32]), source


def build(folder: Path, precision: str, source: BuiltFrom, size: list[int]) -> Engine:
    engine = Engine("openvino", precision, 1, OPTIONS, folder / "engine.bin", folder / "engine.json")
    sizes = dict.fromkeys(("smallest", "tuned", "largest"), size)
    settings: dict[str, Any] = {"options": OPTIONS, "sizes": sizes, "form": "channels_last"}
    outputs = {"engine": str(engine.path), "record": str(engine.record)}
    assert source.model is not None
    inputs = {"model": source.model}
    run_here(Job("build_engine", "openvino", precision, 1, inputs, outputs, settings))
    return engine


def test_frames_of_its_size_use_the_arms_engine(arm: tuple[Engine, BuiltFrom], capfd) -> None:
    engine, source = arm
    with open_for((24, 32), engine, source, "video") as session:
        assert session.run(np.zeros((24, 32, 3), np.uint8)).shape == (48, 64, 3)
    assert "building" not in capfd.readouterr().err


def test_frames_of_another_size_have_an_engine_built(arm: tuple[Engine, BuiltFrom], capfd) -> None:
    engine, source = arm
    before = engine.path.read_bytes(), engine.record.read_bytes()
    frame = np.random.default_rng(0).integers(0, 256, (30, 22, 3), np.uint8)
    with pytest.raises(UserError, match=r"expected frames \(1, 24, 32, 3\), .* found \(1, 30, 22, 3\)"):
        engine.open([frame.shape[:2]])[0].run(frame)
    with open_for((30, 22), engine, source, "video") as session:
        found = session.run(frame).copy()
    assert "video: building an engine for frames of 22x30" in capfd.readouterr().err
    assert (engine.path.read_bytes(), engine.record.read_bytes()) == before
    # Pixels beyond the network's reach don't matter: 7 pixels, including the interpolation.
    with open_for((24, 32), engine, source, "video") as session:
        padded = np.zeros((24, 32, 3), np.uint8)
        padded[:, :22] = frame[:24]
        same = session.run(padded)[: 2 * (24 - 7), : 2 * (22 - 7)]
    assert np.abs(same.astype(int) - found[: same.shape[0], : same.shape[1]]).max() <= 1


def test_an_arm_that_was_not_built_says_so(arm: tuple[Engine, BuiltFrom], tmp_path: Path) -> None:
    engine = build(tmp_path, "fp16", arm[1], [24, 32])
    with pytest.raises(UnsupportedError, match="not in f16"), open_for((30, 22), engine, arm[1], "video"):
        pass
