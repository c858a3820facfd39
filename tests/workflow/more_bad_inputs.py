"""Further mistakes that people make: another spelling, a file of another kind, a number out of place."""

from pathlib import Path

from videos import write_video

from .bad_inputs import (
    FILE,
    HEADER,
    OF_ALL_IMAGES,
    BadInput,
    archive,
    clip,
    images,
    of_weights,
    packed,
    photo,
    png,
    raw,
    video,
    y4m,
)

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n"
VIDEO = video(HEADER)
VP = clip("type: video, path: a.mp4")

KEYS = {
    "model misspelt": BadInput(
        "models: [{name: espcn_rbg}]",
        ("models[0].name: expected one of", "did you mean espcn_rgb?", "found 'espcn_rbg'"),
    ),
    "models as a mapping": BadInput(
        "models: {espcn_rgb: {}}", ("models: expected a list, found {'espcn_rgb'",)
    ),
    "key in the singular": BadInput(
        "runtimes: [{name: openvino, precision: [fp32]}]",
        ("runtimes[0].precision: unknown key (did you mean precisions?)",),
    ),
    "frames in the singular": BadInput(
        clip("type: y4m, path: a.y4m, frame: {count: 1}"),
        ("clips[0].source.frame: unknown key (did you mean frames?)",),
    ),
    "source of an unknown type": BadInput(
        clip("type: folder, path: photos"),
        ("clips[0].source.type: expected one of images,", "found 'folder'"),
    ),
    "source without a type": BadInput(
        clip("path: photos"), ("clips[0].source.type: expected one of images,", "found None")
    ),
    "count in words": BadInput(
        y4m(", frames: {count: ten}"), ("frames.count: expected a whole number, found 'ten'",)
    ),
    "half a frame": BadInput(
        y4m(", frames: {count: 1.5}"), ("frames.count: expected a whole number, found 1.5",)
    ),
    "no step": BadInput(y4m(", frames: {stride: 0}"), ("frames.stride: expected 1 or more, found 0",)),
    "frame before the first": BadInput(
        y4m(", frames: {first: -1}"), ("frames.first: expected 0 or more, found -1",)
    ),
    "frames as a number": BadInput(
        y4m(", frames: 10"), ("clips[0].source.frames: expected a mapping of keys, found 10",)
    ),
    "runtime misspelt": BadInput(
        "runtimes: [{name: openvin, precisions: [fp32]}]",
        ("runtimes[0].name: expected one of", "did you mean openvino?"),
    ),
    "precision as a word": BadInput(
        "runtimes: [{name: openvino, precisions: fp32}]",
        ("runtimes[0].precisions: expected a list, found 'fp32'",),
    ),
    "precision in capitals": BadInput(
        "runtimes: [{name: openvino, precisions: [FP32]}]",
        ("runtimes[0].precisions[0]: expected a text of the form", "found 'FP32'"),
    ),
    "int8 without a recipe": BadInput(
        "runtimes: [{name: openvino, precisions: [int8]}]", ("precisions[0]: expected a text", "found 'int8'")
    ),
    "int8 in a runtime without it": BadInput(
        "models: [{name: espcn_rgb}]\nruntimes: [{name: pytorch, precisions: [int8-minmax]}]",
        ("runtimes[0].precisions: expected fp32, fp16 or bf16 for pytorch, found int8-minmax",),
    ),
    "int8 without its calibration": BadInput(
        "calibrations: []\nruntimes: [{name: openvino, precisions: [int8-minmax]}]",
        ("expected a recipe that begins with a name from `calibrations` (none), found 'minmax'",),
    ),
    "method that isn't known": BadInput(
        "calibrations: [{name: minmax, method: kl, data: {type: random, width: 64, height: 48}}]",
        ("calibrations[0].method: expected one of minmax, entropy,", "found 'kl'"),
    ),
    "calibration with a dash": BadInput(
        "calibrations: [{name: min-max, data: {type: random, width: 64, height: 48}}]",
        ("calibrations[0].name: expected a text of the form", "found 'min-max'"),
    ),
    "step that isn't known": BadInput(
        "quantizations: [{name: q, recipe: minmax+bias2}]",
        ("quantizations[0].recipe: expected steps among", "found 'bias2' in 'minmax+bias2'"),
    ),
    "weights as another word": BadInput(
        "models: [{name: espcn_rgb, weights: trained}]", ("models[0].weights: expected", "found 'trained'")
    ),
    "own model without a network": BadInput(
        "models: [{name: mine}]",
        ("models[0].name: expected one of", "or another name with the key architecture", "found 'mine'"),
    ),
    "scale that is no whole number": BadInput(
        "models: [{name: m, onnx: a.onnx, scale: 2.5}]", ("models[0].scale: expected a whole number",)
    ),
    "device without an address": BadInput(
        "targets: [{name: jetson}]", ("targets[0]: expected ssh, the address of jetson, found none",)
    ),
    "kernel of another tool": BadInput(
        "clips: [{name: a, downsampling: lanczos3, source: {type: y4m, path: a.y4m}}]",
        ("clips[0].downsampling: expected one of bicubic,", "did you mean lanczos?"),
    ),
    "clip twice": BadInput(
        "clips: [{name: a, source: {type: y4m, path: a.y4m}}, {name: a, source: {type: y4m, path: a.y4m}}]",
        ("clips[1].name: expected a name of its own, found 'a' a second time",),
    ),
    "path and file": BadInput(
        clip("type: y4m, path: a.y4m, file: b.y4m"), ("expected either path or file, found both",)
    ),
    "hash that is cut off": BadInput(
        f"files: [{{{FILE.replace('0' * 64, 'abc')}}}]", ("files[0].sha256: expected a text", "found 'abc'")
    ),
    "size with a unit": BadInput(
        f"files: [{{{FILE.replace('bytes: 9', 'bytes: 5 MB')}}}]",
        ("files[0].bytes: expected a whole number, found '5 MB'",),
    ),
    "address without http": BadInput(
        f"files: [{{{FILE.replace('http://', '')}}}]",
        ("files[0].url: expected an address that begins with http://", "found 'a.b/a.y4m'"),
    ),
    "speed with a unit": BadInput(
        "recommend: {fps: 30fps}", ("recommend.fps: expected a number, found '30fps'",)
    ),
    "chroma as a number": BadInput(
        "clips: [{name: a, chroma: 420, source: {type: y4m, path: a.y4m}}]",
        ("clips[0].chroma: expected one of upscaled, hr, hr-420 (did you mean hr-420?), found 420",),
    ),
    "width without a height": BadInput(
        images(", width: 16"), ("clips[0].source: expected width and height together, found only one",)
    ),
}

PLACES = {
    "border wider than the frames": BadInput(
        f"quality: {{border: 4}}\n{y4m()}",
        ("quality.border: expected frames larger than a border of 4 pixels", "found 16x8 in the clip a"),
        VIDEO,
    ),
    "other size than the file's": BadInput(
        y4m(", width: 32, height: 8"),
        ("clip a: a.y4m: expected frames of 32x8, as width and height say, found 16x8",),
        VIDEO,
    ),
    "home folder by a tilde": BadInput(
        clip("type: images, path: ~/photos"),
        ("expected a folder at ~/photos, found nothing; write the home folder out",),
    ),
    "folder of Windows": BadInput(
        clip(r"type: images, path: 'C:\photos'"), (r"expected a folder at C:\photos, found nothing",)
    ),
    "image as y4m": BadInput(y4m(), ("a.y4m: expected a y4m file", r"found b'\x89PNG"), raw("a.y4m", png())),
    "frames of another chroma": BadInput(
        y4m(), ("expected whole frames, found 0", "lacks 192 bytes"), video(f"{HEADER} C444")
    ),
    "video that isn't there": BadInput(VP, ("clip a: video: expected a file at a.mp4, found nothing",)),
    "empty video": BadInput(VP, ("a.mp4: expected a video, found an empty file",), raw("a.mp4", b"")),
    "archive as video": BadInput(
        VP, ("a.mp4: expected a video, found a zip archive",), raw("a.mp4", b"PK\x03\x04" + bytes(99))
    ),
    "video whose end is missing": BadInput(
        VP,
        ("a.mp4: expected at least", "found 900: it was cut off"),
        lambda: (write_video(Path("a.mp4")), Path("a.mp4").write_bytes(Path("a.mp4").read_bytes()[:900])),
    ),
    "video to upscale that isn't there": BadInput(
        f"{y4m()}\nupscale: {{input: gone.mp4}}",
        ("upscale.input: expected a video, found no file gone.mp4",),
        VIDEO,
    ),
    "upscaled video as a text": BadInput(
        f"{y4m()}\nupscale: {{input: a.y4m, output: b.txt, precision: fp32}}",
        ("upscale.output: b.txt: expected a name that ends in .mkv,", "found .txt"),
        VIDEO,
    ),
    "upscaled video over its input": BadInput(
        f"{y4m()}\nupscale: {{input: a.y4m, output: a.y4m, precision: fp32}}",
        ("upscale.output: expected another file than the input, found a.y4m",),
        VIDEO,
    ),
}

KINDS_OF_FILES = {
    "pointer of Git LFS as image": BadInput(
        images(),
        ("photos/a.png: expected an image", "found: a pointer of Git LFS", "git lfs pull"),
        photo(POINTER),
    ),
    "pointer of Git LFS as archive": BadInput(
        archive(),
        ("a.zip: expected a zip archive, found a pointer of Git LFS", "git lfs pull"),
        raw("a.zip", POINTER),
    ),
    "pointer of Git LFS as weights": of_weights(
        raw("w.safetensors", POINTER), "expected weights (safetensors), found a pointer of Git LFS"
    ),
    "page of a browser as image": BadInput(
        images(),
        ("photos/a.png: expected an image", "found: a web page; fetch the file itself"),
        photo(b"<html>"),
    ),
    "drawing as image": BadInput(
        images(), ("photos/a.png: expected an image", "found: an SVG drawing"), photo(b"<svg xmlns=''/>")
    ),
    "photographs of a phone": BadInput(
        images(),
        (
            "photos: expected at least one image",
            "left out 1 picture of kinds that aren't read, such as 'a.heic'",
        ),
        photo(b"\0\0\0\x18ftypheic", "a.heic"),
    ),
    "HEIC under another name": BadInput(
        images(),
        ("photos/a.jpg: expected an image", "found: a HEIC or AVIF image"),
        photo(b"\0\0\0\x18ftypheic", "a.jpg"),
    ),
    "all images left out": BadInput(
        images(", exclude: ['*']"), ("photos: expected at least one image", "exclude ['*']"), photo(png())
    ),
    "images smaller than their cut": BadInput(
        images(", width: 64, height: 64"),
        ("photos/a.png: expected at least 64x64 pixels, as width and height say, found 32x32",),
        photo(png()),
    ),
    "RAR archive": BadInput(
        archive(),
        ("a.zip: expected a zip archive, found a RAR archive; pack it again",),
        raw("a.zip", b"Rar!\x1a\x07" + bytes(99)),
    ),
    "7-Zip archive": BadInput(
        archive(),
        ("a.zip: expected a zip archive, found a 7-Zip archive",),
        raw("a.zip", b"7z\xbc\xaf\x27\x1c" + bytes(99)),
    ),
    "tar archive": BadInput(
        archive(),
        ("a.zip: expected a zip archive, found a file of gzip, such as .tar.gz",),
        raw("a.zip", b"\x1f\x8b\x08" + bytes(99)),
    ),
    "archive of nothing": BadInput(archive(), ("found none among 0 members",), packed()),
    "archive of an archive": BadInput(archive(), ("found none among 1 member",), packed(("a.zip", b"PK"))),
    "web page as weights": of_weights(
        raw("w.safetensors", b"<!DOCTYPE html>"), "expected weights (safetensors), found a web page"
    ),
    "empty weights": of_weights(
        raw("w.safetensors", b""), "expected weights (safetensors), found an empty file"
    ),
    "calibration set of a clip": BadInput(
        "calibration_sets: [{name: photographs, width: 16, height: 16, sources: "
        f"[{{type: images, path: photos}}]}}]\n{OF_ALL_IMAGES}{images()}",
        ("both take photos/a.png",),
        photo(png()),
    ),
}
