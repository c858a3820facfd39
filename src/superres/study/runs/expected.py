"""What is known of jobs before they run: their seconds, as a first guess, and the bytes they download."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from superres.data.download.addresses import is_address
from superres.data.sources.source import Source
from superres.device.base.words import counted
from superres.quantization.settings import Calibration, RandomData
from superres.study.graph_paths import DOWNLOADS
from superres.study.paths import Paths
from superres.study.runs.plan import Plan, describe_seconds

# Seconds of a job on two cores of a server, and further ones for each megapixel of frames. They only have to
# be of the right order: `Plan` corrects them by the times that jobs take here.
_SECONDS = {
    "adopt_onnx": 2.0,
    "calibrate_ranges": 0.5,
    "check_disjoint_images": 0.3,
    "convert_fp16": 1.0,
    "draw_plot": 2.0,
    "export_onnx": 2.5,
    "export_program": 3.0,
    "measure_quality": 0.5,
    "measure_sensitivity": 60.0,
    "measure_subsets": 60.0,
    "observe_activations": 0.4,
    "prepare_calibration_set": 0.6,
    "prepare_clip": 0.4,
    "downsample_clip": 0.4,
    "quantize_by_tool": 20.0,
    "quantize_onnx": 0.3,
    "refine_onnx adaround": 15.0,
    "refine_onnx bias": 5.0,
    "refine_onnx pow2search": 60.0,
    "refine_onnx qat": 90.0,
    "time_subsets": 60.0,
    "write_uint8_graph": 0.3,
}
_SECONDS_A_MEGAPIXEL = {
    "measure_quality": 0.17,  # PSNR, SSIM and faults; the runtime's own are below
    "observe_activations": 1.2,
    "prepare_calibration_set": 0.17,
    "prepare_clip": 0.06,
    "downsample_clip": 0.03,
}
# Of a runtime, for a megapixel of an upscaled frame: the paper's networks in FP32 on two cores. A card's are
# a guess, as nothing has run on one.
_RUNTIME_SECONDS_A_MEGAPIXEL = {
    "pytorch": 0.26,
    "pytorch_tuned": 0.07,
    "onnxruntime": 0.06,
    "openvino": 0.06,
    "openvino_throughput": 0.06,
    "tensorrt": 0.02,
    "tensorrt_rtx": 0.02,
    "opencv": 0.001,
}
# TensorRT tries kernels for minutes.
_BUILD_SECONDS = {"tensorrt": 60.0, "tensorrt_rtx": 20.0}
_BUILD_OTHERWISE = 0.8
# How much longer processors of a device, such as a Jetson's, take than two cores of a server.
_SLOWER_DEVICE = 2.0
_OTHERWISE = 1.0
# To start a job that times, and its runtime.
_START = 1.5
_TRAINING_STEP = 0.05
_BYTES_A_SECOND = 10e6
# A clip of which nothing is known before: one second of Full HD.
_FRAMES, _SIZE = 24, (1080, 1920)
# Bytes of a file for each pixel of its frames: y4m in 4:2:0, a video at 0.16 bits; and of a picture in an
# archive, those of DIV2K.
_BYTES_A_PIXEL = {"y4m": 1.5, "video": 0.02}
_BYTES_A_PICTURE = 4.4e6
# Rules that do a part of another's work.
_WHOLE = {"prepare_shard": "prepare_clip", "measure_quality_shard": "measure_quality"}


class Expected:
    """The expectations of one study's jobs, by rule and wildcards."""

    def __init__(self, paths: Paths):
        self.paths, self.study = paths, paths.study

    def seconds(self, rule: str, wildcards: Mapping[str, str]) -> float:
        """Return the seconds of a job. Jobs that time know theirs from the study."""
        rule = rule.removesuffix("_on_device")
        rule = _WHOLE.get(rule, rule)
        if "target" in wildcards:
            return self._seconds_on_target(rule, wildcards)
        match rule:
            case "train_model":
                return _TRAINING_STEP * self.study.models[wildcards["model"]].training.steps
            case "download_package" | "fetch_file":
                return _OTHERWISE + (self.bytes(rule, wildcards) or 0) / _BYTES_A_SECOND
        each = _SECONDS_A_MEGAPIXEL.get(rule, 0.0)
        # Most steps of recipes only rewrite a graph.
        named = f"{rule} {wildcards['step']}" if "step" in wildcards else rule
        return _SECONDS.get(named, _OTHERWISE) + (each and each * self._megapixels(rule, wildcards))

    def _seconds_on_target(self, rule: str, wildcards: Mapping[str, str]) -> float:
        slower = _SLOWER_DEVICE if wildcards["target"] in self.paths.devices else 1.0
        runtime = _RUNTIME_SECONDS_A_MEGAPIXEL.get(wildcards.get("runtime", ""), 0.0)
        match rule:
            case "build_engine":
                return slower * _BUILD_SECONDS.get(wildcards["runtime"], _BUILD_OTHERWISE)
            case "measure_quality":
                each = _SECONDS_A_MEGAPIXEL[rule] + runtime
                return slower * (_SECONDS[rule] + each * self._megapixels(rule, wildcards))
            case "measure_latency":
                return self._timing_seconds(slower * runtime, slower, wildcards["of_clip"])
            case "measure_roofline":
                # Some 80 products and copies; the largest take longer.
                return 6 + 110 * self.study.roofline.seconds
            case "measure_profile":
                return _START + 0.1 * self.study.profile.runs
        return _SECONDS.get(rule, _OTHERWISE)

    def bytes(self, rule: str, wildcards: Mapping[str, str]) -> int | None:
        """Return the bytes that a job downloads: 0 if it downloads nothing, None if that isn't known."""
        if rule == "download_package":
            return next(p.bytes for p in self.study.packages.values() if p.wheel == wildcards["wheel"])
        if rule != "fetch_file":
            return 0
        wanted = self.study.files[wildcards["file"]]
        whole, part = (Path(DOWNLOADS, f"{wanted.file.name}{end}") for end in ("", ".part"))
        local = (Path(place) for place in wanted.places if not is_address(place))
        if any(place.exists() for place in (whole, *local)):
            return 0
        return wanted.file.bytes - (part.stat().st_size if part.exists() else 0)

    def _timing_seconds(self, each: float, slower: float, of_clip: str) -> float:
        """Return the seconds of an arm and its reference: warm-up, then the least time and rounds.

        `each` are the arm's seconds a megapixel. A round has at least one frame of both, however long they
        take.
        """
        keys = self.study.latency
        height, width = self.study.clips[self.paths.named_clip(of_clip)].source.size or _SIZE
        both = each, slower * _RUNTIME_SECONDS_A_MEGAPIXEL.get(keys.reference.runtime, 0.0)
        a_round = sum(max(keys.block_seconds, seconds * height * width / 1e6) for seconds in both)
        least = max(2 * keys.min_seconds, 2 * keys.rounds * keys.block_seconds)
        timed = max(keys.rounds * a_round, min(least, keys.max_seconds))
        return _START + 1.5 * keys.warmup_seconds + timed

    def _megapixels(self, rule: str, wildcards: Mapping[str, str]) -> float:
        """Return the pixels of the frames that a job goes through, in millions."""
        if rule == "measure_quality":
            return self._of_clip("frames", self.paths.named_clip(wildcards["of_clip"]), wildcards)
        if rule in ("prepare_clip", "downsample_clip"):
            return self._of_clip(wildcards["role"], wildcards["clip"], wildcards)
        if rule == "prepare_calibration_set":
            return self._of_set(wildcards["images"], None)
        calibration = (
            self.paths.observing(wildcards["images"])[0]
            if rule == "observe_activations"
            else self.paths.recipe_calibration(wildcards["recipe"])
        )
        return self._of_calibration(calibration)

    def _of_clip(self, role: str, name: str, wildcards: Mapping[str, str]) -> float:
        total = 0.0
        for source in self.paths.sources_of(self.paths.image_set(role, name)):
            height, width = source.size or _SIZE
            total += _frames(source) * height * width / 1e6
        return total / len(self.paths.shards(role, name)) if "shard" in wildcards else total

    def _of_set(self, name: str, images: int | None) -> float:
        found = self.study.calibration_sets[name]
        numbers = [_frames(source) for source in found.sources]
        count = sum(numbers) if images is None else images
        return count * found.width * found.height / 1e6

    def _of_calibration(self, calibration: Calibration) -> float:
        if isinstance(calibration.data, RandomData):
            return calibration.data.images * calibration.data.width * calibration.data.height / 1e6
        name = calibration.calibration_set
        return 0.0 if name is None else self._of_set(name, calibration.images)


def _frames(source: Source) -> int:
    """Return the frames of a source: as its keys tell, its bytes, one for each member, or a guess."""
    return source.kind.number(source) or _frames_by_bytes(source) or _members(source) or _FRAMES


def _members(source: Source) -> int:
    return len(getattr(source.kind, "members", ()))


def _frames_by_bytes(source: Source) -> int:
    """Return the frames that a file's size tells, of those that the study takes; 0 without a file or size.

    The file may be fetched later: the study says its size. y4m of other sampling than 4:2:0 has fewer.
    """
    if source.pinned is not None:
        size = source.pinned.bytes
    elif source.path is not None and Path(source.path).is_file():
        size = Path(source.path).stat().st_size
    else:
        return 0
    height, width = source.size or _SIZE
    pixels = _BYTES_A_PIXEL.get(getattr(source.kind, "type", ""))
    each = _BYTES_A_PICTURE if pixels is None else pixels * height * width
    taken = round(size / each) - source.frames.first
    return max(1, -(-taken // source.frames.stride))


def describe_cost(plan: Plan, downloads: Iterable[int | None], study: str) -> str:
    """Return one line about a run that is only planned: its jobs, time and downloads.

    `downloads` are the bytes of each job, 0 for one that downloads nothing, None if they aren't known.
    """
    wanted = [size for size in downloads if size != 0]
    known = sum(size for size in wanted if size is not None)
    unknown = wanted.count(None)
    sizes = [*([describe_bytes(known)] * bool(known)), *([f"{unknown} of unknown size"] * bool(unknown))]
    fetched = f"{' and '.join(sizes)} in {counted(len(wanted), 'file')}" if wanted else "nothing"
    jobs, cores = counted(len(plan.jobs), "job"), counted(plan.cores, "core")
    return f"study {study}: {jobs}, about {describe_seconds(plan.left_s())} on {cores}; downloads {fetched}"


def describe_bytes(size: int) -> str:
    """Return a size for people: `3 kB`, `76 MB`, `1.2 GB`."""
    for unit, name, digits in ((1e9, "GB", 1), (1e6, "MB", 0), (1e3, "kB", 0)):
        if size >= unit:
            return f"{size / unit:.{digits}f} {name}"
    return f"{size} bytes"
