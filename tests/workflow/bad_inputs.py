"""Broken studies, clips, images, archives, weights and other files, each with what its one line has to say.

A study here is laid over config.yaml, as `--configfile` does it. Files lie in the working directory.
"""

import io
import json
import pickle
import shutil
import struct
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from safetensors.numpy import load_file, save_file

from superres.models.weights import PRETRAINED
from videos import write_video

# The default study's calibrations ask for 40 images of the set.
OF_ALL_IMAGES = """calibrations:
  - {name: dummy, data: {type: random, width: 64, height: 48}}
  - {name: minmax, data: &all {type: calibration-set, name: photographs}}
  - {name: entropy, method: entropy, data: *all}
  - {name: tuned, data: *all}
"""


@dataclass(frozen=True)
class BadInput:
    """A mistake: the study (YAML), what makes its files, and parts of the one line that is said.

    `script` is the script of the workflow that meets the mistake, with its inputs, parameters and wildcards.
    Without one the study is refused before any work starts.
    """

    study: str
    parts: tuple[str, ...]
    make: Callable[[], object] = lambda: None
    script: str = ""
    inputs: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)


def clip(source: str) -> str:
    return f"clips: [{{name: a, source: {{{source}}}}}]"


def images(more: str = "") -> str:
    return clip(f"type: images, path: photos{more}")


def y4m(more: str = "") -> str:
    return clip(f"type: y4m, path: a.y4m{more}")


def archive(more: str = "") -> str:
    return clip(f"type: zip-images, path: a.zip{more}")


def video(header: str, frames: bytes = b"FRAME\n" + bytes(192)) -> Callable[[], object]:
    return lambda: Path("a.y4m").write_bytes(header.encode() + b"\n" + frames)


def raw(name: str, content: bytes) -> Callable[[], object]:
    return lambda: Path(name).write_bytes(content)


def png(height: int = 32, width: int = 32) -> bytes:
    stream = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def photo(content: bytes, name: str = "a.png") -> Callable[[], object]:
    def make() -> None:
        Path("photos").mkdir()
        Path("photos", name).write_bytes(content)

    return make


def packed(*members: tuple[str, bytes], edit: Callable[[bytes], bytes] = bytes) -> Callable[[], object]:
    def make() -> None:
        with zipfile.ZipFile("a.zip", "w", zipfile.ZIP_DEFLATED) as opened:
            for name, content in members:
                opened.writestr(name, content)
        Path("a.zip").write_bytes(edit(Path("a.zip").read_bytes()))

    return make


def encrypted(content: bytes) -> bytes:
    at = content.index(b"PK\x01\x02") + 8
    return content[:at] + bytes([content[at] | 1]) + content[at + 1 :]


def weights(edit: Callable[[dict[str, np.ndarray]], object]) -> Callable[[], object]:
    """The shipped weights of ESPCN_RGB, after an edit of their tensors."""

    def make() -> None:
        tensors = load_file(PRETRAINED / "espcn_rgb.safetensors")
        edit(tensors)
        save_file(tensors, "w.safetensors")

    return make


def shipped_weights(model: str) -> Callable[[], object]:
    return lambda: shutil.copy(PRETRAINED / f"{model}.safetensors", "w.safetensors")


def float_tiff() -> None:
    Path("photos").mkdir()
    Image.fromarray(np.zeros((32, 32), np.float32)).save("photos/a.tif")


HEADER = "YUV4MPEG2 W16 H8 F50:1 Ip A1:1"
SHA = "0" * 64
FILE = f'name: a.y4m, url: "http://a.b/a.y4m", bytes: 9, sha256: "{SHA}"'

STUDIES = {
    "name that is empty": BadInput('study: ""', ("study: expected a text of the form", "found ''")),
    "name that is too long for a folder": BadInput(
        f"study: {'a' * 300}", ("study: expected at most 100 characters",)
    ),
    "name that is a number": BadInput("study: 5", ("study: expected a text, found 5",)),
    "name that yaml takes for true": BadInput("study: yes", ("study: expected a text, found True",)),
    "name that yaml takes for a date": BadInput(
        "study: 2026-01-01", ("study: expected a text", "datetime.date")
    ),
    "name with a line break": BadInput(
        'study: "a\\n"', ("study: expected a text of the form", r"found 'a\n'")
    ),
    "no clip": BadInput("clips: []", ("clips: expected a list of 1 or more, found an empty one",)),
    "clips left blank": BadInput("clips:", ("clips: expected a list, found None",)),
    "clip without a source": BadInput(
        "clips: [{name: a}]", ("clips[0]: expected the key source, found name; add it",)
    ),
    "source that is a word": BadInput(
        "clips: [{name: a, source: park}]", ("clips[0].source: expected a mapping of keys, found 'park'",)
    ),
    "clip in capitals": BadInput(
        "clips: [{name: Park, source: {type: images, path: a}}]",
        ("clips[0].name: expected a text of the form", "'Park'"),
    ),
    "model as a word": BadInput(
        "models: [espcn_rgb]", ("models[0]: expected a mapping of keys, found 'espcn_rgb'",)
    ),
    "model twice": BadInput(
        "models: [{name: bicubic}, {name: bicubic}]",
        ("models[1].name: expected a name of its own", "a second time"),
    ),
    "runtime twice": BadInput(
        "models: [{name: espcn_rgb}]\n"
        "runtimes: [{name: openvino, precisions: [fp32]}, {name: openvino, precisions: [bf16]}]",
        ("runtimes[1].name: expected a name of its own, found 'openvino' a second time",),
    ),
    "no precision": BadInput(
        "runtimes: [{name: openvino, precisions: []}]",
        ("runtimes[0].precisions: expected a list of 1 or more",),
    ),
    "precision twice": BadInput(
        "runtimes: [{name: openvino, precisions: [fp32, fp32]}]",
        ("runtimes[0].precisions: expected each entry once, found 'fp32' twice",),
    ),
    "precision of 4 bits": BadInput(
        "runtimes: [{name: openvino, precisions: [int4-minmax]}]",
        ("runtimes[0].precisions[0]", "found 'int4-minmax'"),
    ),
    "no frame": BadInput(
        y4m(", frames: {count: 0}"), ("clips[0].source.frames.count: expected 1 or more, found 0",)
    ),
    "time without end": BadInput(
        "latency: {min_seconds: .inf}", ("latency.min_seconds: expected a finite number, found inf",)
    ),
    "time that is no number": BadInput(
        "latency: {max_seconds: .nan}", ("latency.max_seconds: expected a finite number, found nan",)
    ),
    "seed that no generator takes": BadInput(
        "steps: {qat: {seed: 99999999999}}",
        ("steps.qat.seed: expected 4294967295 or less, found 99999999999",),
    ),
    "negative border": BadInput("quality: {border: -1}", ("quality.border: expected 0 or more, found -1",)),
    "key that is a number": BadInput("1: 2", ("1: unknown key; known here: study,",)),
    "key with a line break": BadInput('"a\\nb": 1', (r"'a\nb': unknown key; known here: study,",)),
    "path with a null": BadInput(
        clip('type: y4m, path: "a\\0b"'),
        ("clips[0].source.path: expected printable characters only", r"'a\x00b'"),
    ),
    "address as a path": BadInput(
        clip('type: y4m, path: "http://user:pass@a.b/a.y4m?key=1"'),
        (
            "clips[0].source.path: expected a path on this machine, found the address 'http://a.b/a.y4m'; "
            "name it in `files`",
        ),
    ),
    "path that is too long": BadInput(
        clip(f"type: y4m, path: {'a' * 300}"),
        ("clip a: expected a file that can be read at aaa", "name too long"),
    ),
    "pattern that is no list": BadInput(
        images(", include: a.png"), ("clips[0].source.include: expected a list",)
    ),
    "calibration on nothing": BadInput(
        "calibrations: [{name: minmax, data: }]",
        ("calibrations[0].data: expected a mapping of keys, found None",),
    ),
    "recipe without a calibration": BadInput(
        "quantizations: [{name: q, recipe: +center}]",
        ("quantizations[0].recipe: expected a text of the form",),
    ),
    "sweep of an unknown calibration": BadInput(
        "sweep: {calibrations: [entropie], images: [1]}", ("sweep.calibrations[0]", "found 'entropie'")
    ),
    "package that isn't installed": BadInput(
        "packages: [{name: no-such-package}]\ncalibration_sets: []\ncalibrations: []\n"
        "models: [{name: bicubic}]\n"
        "runtimes: [{name: opencv, precisions: [uint8]}]\n"
        + clip('type: package-images, package: no-such-package, members: ["*"]'),
        ("clip a: package no-such-package: expected it to be installed", "found none"),
    ),
    "mirror that isn't there": BadInput(
        f"mirror: nowhere\nfiles: [{{{FILE}}}]",
        ("mirror: expected a folder or an address, found nothing at nowhere",),
    ),
    "file by ftp": BadInput(
        f"files: [{{{FILE.replace('http', 'ftp')}}}]",
        ("files[0].url: expected an address that begins with http://",),
    ),
    "file that leaves its folder": BadInput(
        f"files: [{{{FILE.replace('name: a', 'name: ../a')}}}]",
        ("files[0].name: expected a text", "'../a.y4m'"),
    ),
    "file of another size": BadInput(
        f"files: [{{{FILE}}}]\n" + clip("type: y4m, file: a.y4m"),
        ("clip a: resources/files/a.y4m: expected 9 bytes, found 6",),
        lambda: (Path("resources/files").mkdir(parents=True), raw("resources/files/a.y4m", b"FRAME\n")()),
    ),
}

CLIPS = {
    "empty y4m": BadInput(y4m(), ("a.y4m: expected a y4m file", "found b''"), raw("a.y4m", b"")),
    "mp4 as y4m": BadInput(
        y4m(), ("a.y4m: expected a y4m file", "ftyp"), raw("a.y4m", b"\0\0\0\x18ftypmp42")
    ),
    "header without an end": BadInput(
        y4m(),
        ("a.y4m: expected a header line of at most 4096 bytes", "shorten its comments"),
        raw("a.y4m", b"YUV4MPEG2 " + b"X" * 9000),
    ),
    "no width": BadInput(
        y4m(), ("a.y4m: expected a width and a height", "found W H8"), video("YUV4MPEG2 H8")
    ),
    "negative height": BadInput(y4m(), ("a.y4m: expected a width", "H-8"), video("YUV4MPEG2 W16 H-8")),
    "interlaced": BadInput(
        y4m(), ("expected a progressive file (Ip), found It",), video(HEADER.replace("Ip", "It"))
    ),
    "10 bits": BadInput(y4m(), ("expected an 8-bit colour space", "C420p10"), video(f"{HEADER} C420p10")),
    "no frames": BadInput(y4m(), ("expected at least one frame, found none",), video(HEADER, b"")),
    "junk between frames": BadInput(
        y4m(),
        ("expected the word FRAME at byte 229, after 1 whole frames",),
        video(HEADER, b"FRAME\n" + bytes(192) + b"JUNK\n"),
    ),
    "larger than any video": BadInput(
        y4m(), ("of 1 to 65536", "found W99999998 H8"), video(HEADER.replace("W16", "W99999998"))
    ),
    "folder as y4m": BadInput(
        y4m(), ("clip a: y4m: expected a file at a.y4m, found a folder",), lambda: Path("a.y4m").mkdir()
    ),
    "text as video": BadInput(
        clip("type: video, path: a.mp4"),
        ("a.mp4: expected a video",),
        raw("a.mp4", b"no video" * 99),
    ),
    "frames that a video hasn't": BadInput(
        clip("type: video, path: a.mp4, frames: {first: 4, count: 5}"),
        ("clip a: a.mp4: expected a frame at index 8", "found 8 frames"),
        lambda: write_video(Path("a.mp4")),
    ),
    "interlaced video": BadInput(
        clip("type: video, path: a.mkv"),
        ("clip a: a.mkv: expected progressive frames", "deinterlace: true"),
        lambda: write_video(Path("a.mkv"), options={"x264-params": "tff=1"}),
    ),
    "an interlaced video to upscale": BadInput(
        f"{y4m()}\nupscale: {{input: a.mkv, precision: fp32}}",
        ("upscale.input: a.mkv: expected progressive frames",),
        lambda: (video(HEADER)(), write_video(Path("a.mkv"), options={"x264-params": "tff=1"})),
    ),
}

IMAGES = {
    "folder that isn't there": BadInput(
        images(), ("clip a: images: expected a folder at photos, found nothing",)
    ),
    "file as folder": BadInput(images(), ("expected a folder at photos, found a file",), raw("photos", b"")),
    "no image that matches": BadInput(
        images(", include: ['*.jpg']"),
        ("photos: expected at least one image", "['*.jpg']", "found none"),
        photo(png()),
    ),
    "empty image": BadInput(images(), ("photos/a.png: expected an image that can be decoded",), photo(b"")),
    "one pixel": BadInput(
        images(), ("photos/a.png: expected an image of at least 2x2 pixels, found 1x1",), photo(png(1, 1))
    ),
    "cut off": BadInput(
        images(),
        ("photos/a.png: expected an image that can be decoded, found:",),
        photo(png()[:-900]),
        "prepare_clip",
    ),
    "billions of pixels": BadInput(
        images(),
        ("photos/a.png: expected an image that can be decoded",),
        photo(png().replace(struct.pack(">II", 32, 32), struct.pack(">II", 400_000, 250_000), 1)),
    ),
    "floating point": BadInput(
        images(),
        ("photos/a.tif: expected 8 or 16 bits a channel, found floating point",),
        float_tiff,
    ),
    "too small to calibrate on": BadInput(
        "calibration_sets:\n"
        "  - {name: photographs, width: 64, height: 48, sources: [{type: images, path: photos}]}\n"
        f"{OF_ALL_IMAGES}"
        "clips: [{name: a, source: {type: y4m, path: a.y4m}}]",
        ("calibration image a.png: expected at least 64x48, found 32x32", "exclude it"),
        lambda: (photo(png())(), video(HEADER)()),
        "prepare_calibration_set",
    ),
    "the same image twice": BadInput(
        "calibration_sets:\n"
        "  - {name: photographs, width: 16, height: 16, sources: [{type: images, path: photos}]}\n"
        f"{OF_ALL_IMAGES}"
        "clips: [{name: a, source: {type: y4m, path: a.y4m}}]",
        ("calibration set photographs: expected different images, found b.png to be the same as a.png",),
        lambda: (photo(png())(), raw("photos/b.png", png())(), video(HEADER)()),
        "prepare_calibration_set",
    ),
}

ARCHIVES = {
    "archive that isn't there": BadInput(
        archive(), ("clip a: a.zip: expected a zip archive, found nothing there",)
    ),
    "web page as archive": BadInput(
        archive(), ("a.zip: expected a zip archive, found a web page; fetch",), raw("a.zip", b"<html>")
    ),
    "name that leads out": BadInput(
        archive(),
        ("expected names that stay inside the archive, found '../a.png'",),
        packed(("../a.png", png())),
    ),
    "archive without images": BadInput(archive(), ("found none among 1 member",), packed(("a.txt", b"a"))),
    "bomb": BadInput(
        archive(), ("a.zip: expected photographs, found a.bmp with",), packed(("a.bmp", bytes(32 << 20)))
    ),
    "encrypted": BadInput(archive(), ("found a.png encrypted",), packed(("a.png", png()), edit=encrypted)),
    "cut off archive": BadInput(
        archive(), ("found it damaged or cut off",), packed(("a.png", png()), edit=lambda b: b[:-30])
    ),
    "range outside": BadInput(
        archive(", frames: {first: 1}"),
        ("a.zip: expected a frame at index 1", "found 1 frame;"),
        packed(("a.png", png())),
    ),
    "damaged member": BadInput(
        archive(),
        ("a.zip: expected a.png whole, found it damaged",),
        packed(("a.png", png()), edit=lambda b: b[:900] + bytes(9) + b[909:]),
        "prepare_clip",
    ),
    "text as image": BadInput(
        archive(),
        ("a.zip: a.png: expected an image that can be decoded",),
        packed(("a.png", b"text")),
        "prepare_clip",
    ),
}


def of_weights(make: Callable[[], object], *parts: str) -> BadInput:
    network = {"network": {"chroma_upsampling": "bicubic"}}
    return BadInput(
        "", ("w.safetensors: ", *parts), make, "export_onnx", {"weights": "w.safetensors"}, network
    )


WEIGHTS = {
    "weights that aren't there": of_weights(
        lambda: None, "expected weights (safetensors), found something else"
    ),
    "text as weights": of_weights(raw("w.safetensors", b"weights" * 9), "expected weights (safetensors)"),
    "pickle as weights": of_weights(
        raw("w.safetensors", pickle.dumps({"a": 1})), "expected weights (safetensors)"
    ),
    "cut off weights": of_weights(
        lambda: (
            shipped_weights("espcn_rgb")(),
            raw("w.safetensors", Path("w.safetensors").read_bytes()[:-9])(),
        ),
        "expected weights (safetensors)",
    ),
    "weights of another network": of_weights(
        shipped_weights("espcn_ycbcr"),
        "expected 96x3x5x5, found 96x1x5x5",
        "these are weights of espcn_ycbcr",
    ),
    "tensor missing": of_weights(
        weights(lambda tensors: tensors.pop(sorted(tensors)[0])), "expected 96, found no such tensor"
    ),
    "infinite weights": of_weights(
        weights(lambda tensors: tensors[sorted(tensors)[0]].fill(np.inf)),
        "expected finite values, found NaN or infinity",
    ),
}


def of_graph(name: str, content: bytes | None, *parts: str) -> BadInput:
    """A graph of two convolutions' ranges that aren't its own."""
    files = {"onnx": "g.onnx", "ranges": "r.json"}
    make = (lambda: None) if content is None else raw(name, content)
    return BadInput("", parts, make, "quantize_onnx", files, {"float_layers": []})


OTHERS = {
    "cache that isn't there": BadInput(
        "models: [{name: espcn_rgb}]\ncalibrations: [{name: jetson, method: cache, path: gone.cache}]\n"
        f"runtimes: [{{name: openvino, precisions: [int8-jetson]}}]\n{y4m()}",
        ("calibration jetson: gone.cache: expected a TensorRT calibration cache",),
        video(HEADER),
    ),
    "cache of something else": BadInput(
        "models: [{name: espcn_rgb}]\ncalibrations: [{name: jetson, method: cache, path: a.cache}]\n"
        f"runtimes: [{{name: openvino, precisions: [int8-jetson]}}]\n{y4m()}",
        ("calibration jetson: a.cache: expected",),
        lambda: (video(HEADER)(), raw("a.cache", b"\xff\xfe")()),
    ),
    "no ranges": of_graph("r.json", None, "r.json: expected a ranges file, found something else"),
    "ranges of something else": of_graph(
        "r.json", json.dumps([1]).encode(), "r.json: expected a ranges file"
    ),
    "text as graph": BadInput(
        "", ("g.onnx: expected an ONNX file",), raw("g.onnx", b"no graph"), "convert_fp16", {"onnx": "g.onnx"}
    ),
}

KINDS = (STUDIES, CLIPS, IMAGES, ARCHIVES, WEIGHTS, OTHERS)
