"""Files from images to graphs: where they are, and which of them a job reads."""

import os
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path

from superres.code_version import ROOT
from superres.data.sources.source import Source
from superres.device.base.errors import UserError
from superres.models.adoption.statements import external_files
from superres.models.settings import is_baseline, weights_name
from superres.quantization.recipes import STEPS
from superres.quantization.settings import Calibration
from superres.study.keys.arms import Arm
from superres.study.keys.data import CalibrationSet, Clip, TrainingSet
from superres.study.keys.models import TRAINING_ROLES
from superres.study.keys.study import Study

PACKAGES = "resources/packages"
"""Downloaded wheels, shared by all studies."""
DOWNLOADS = "resources/downloads"
"""Downloaded files, shared by all studies."""

# 8-bit planes at 4:2:0 are half of their RGB frame.
_RGB_OF_PLANES = 2.0
# A file's name may have 255 bytes, and jobs add some.
_LONGEST_NAME = 240


class GraphPaths:
    """The images, weights, ONNX graphs and ranges of one study. `Paths` adds the rest."""

    def __init__(self, study: Study):
        self.study = study
        self.results = f"results/{study.name}"
        self.logs = f"{self.results}/logs"
        self.benchmarks = f"{self.results}/benchmarks"

    # Images

    @cached_property
    def of_clip(self) -> dict[str, str]:
        """The clips by the suffix that the files of an arm have for each; no suffix for a single clip.

        By name: the order in the study is no input.
        """
        clips = self.study.clips
        if len(clips) + len(self.study.left_out) == 1:
            return {"": next(iter(clips))}
        return {f".{name}": name for name in sorted(clips)}

    def named_clip(self, of_clip: str) -> str:
        """Return the clip of a suffix in `of_clip`; raises UserError for others, with names to ask for."""
        if of_clip in self.of_clip:
            return self.of_clip[of_clip]
        measured = ", ".join(f"quality{suffix}.csv" for suffix in self.of_clip)
        timed = ", ".join(f"latency{suffix}.csv" for suffix in self.timed)
        raise UserError(
            f"{self.results}: expected a file of one clip ({measured}; {timed}), found the ending "
            f"{of_clip or 'of none'}; write the clip into the file's name"
        )

    @cached_property
    def sizes(self) -> dict[str, tuple[int, int] | None]:
        """The size (height, width) of each clip's HR frames; None if it is known only later."""
        given = {name: clip.source.size for name, clip in self.study.clips.items()}
        step = self.study.multiple
        return {
            name: None if size is None else (size[0] // step * step, size[1] // step * step)
            for name, size in given.items()
        }

    def timed_clip(self, name: str) -> str:
        """Return the clip that arms are timed on for a clip: the first by name with frames of its size.

        A clip whose size isn't known before any work is timed on its own. By name: in any other order of the
        clips the same ones are timed.
        """
        size = self.sizes[name]
        return name if size is None else min(other for other, its in self.sizes.items() if its == size)

    @cached_property
    def timed(self) -> dict[str, str]:
        """The clips that arms are timed on, by the suffix of their files."""
        return {suffix: name for suffix, name in self.of_clip.items() if self.timed_clip(name) == name}

    def timed_suffix(self, of_clip: str) -> str:
        """Return the suffix of the files with the speed of a clip, by the suffix of its own files."""
        timed = self.timed_clip(self.named_clip(of_clip))
        return next(suffix for suffix, name in self.of_clip.items() if name == timed)

    def known_sizes(self, scale: int) -> list[list[int]]:
        """Return the sizes [height, width] of LR frames of clips whose size is known, in rising order."""
        return sorted(
            [size[0] // scale, size[1] // scale] for size in self.sizes.values() if size is not None
        )

    @property
    def listed_sizes(self) -> list[str]:
        """The indices of the other clips, which list the sizes of their frames, by name."""
        return [self.clip(name, "json") for name, size in sorted(self.sizes.items()) if size is None]

    def clip(self, name: str, kind: str) -> str:
        """Return a file of a clip: `hr.npy`, `x2.npy` (its LR twin at scale 2) or its index, `json`."""
        return f"{self.results}/frames/{name}.{kind}"

    def clips(self, kind: str) -> list[str]:
        """Return the same file of every clip."""
        return [self.clip(name, kind) for name in sorted(self.study.clips)]

    def twin(self, arm: Arm, of_clip: str) -> str:
        """Return the LR frames of a clip that an arm runs on."""
        return self.clip(self.named_clip(of_clip), f"x{self.study.scale_of(arm.model)}.npy")

    def twins(self, model: str) -> list[str]:
        """Return the LR frames of every clip that a model runs on."""
        return self.clips(f"x{self.study.scale_of(model)}.npy")

    def calibration_frames(self, calibration: Calibration | None, kind: str = "npy") -> list[str]:
        """Return the frames (`npy`) or the index (`json`) of a calibration; none for random data."""
        name = calibration.calibration_set if calibration is not None else None
        return [f"{self.results}/frames/calibration/{name}.{kind}"] if name is not None else []

    def training_set(self, model: str, role: str, kind: str) -> str:
        """Return a file of a model's `training_set` or `validation_set`, by the role's name."""
        return f"{self.results}/training/{getattr(self.study.models[model].training, role)}.{kind}"

    def training_inputs(self, model: str) -> dict[str, str]:
        """Return the inputs of a training: indices and frames of both sets, and a teacher's weights."""
        teacher = self.study.models[model].training.teacher
        twin = f"x{self.study.scale_of(model)}"
        kinds = {"": "json", "_hr": "hr.npy", "_lr": f"{twin}.npy", "_lr_index": f"{twin}.json"}
        inputs = {
            f"{role.removesuffix('_set')}{name}": self.training_set(model, role, kind)
            for role in TRAINING_ROLES
            for name, kind in kinds.items()
        }
        return inputs if teacher is None else {**inputs, "teacher": self.weights(teacher.model)}

    def image_set(self, role: str, name: str) -> Clip | TrainingSet:
        """Return the clip (folder `frames`) or training set (folder `training`) of a name."""
        return self.study.clips[name] if role == "frames" else self.study.training_sets[name]

    @staticmethod
    def sources_of(images: Clip | TrainingSet | CalibrationSet) -> tuple[Source, ...]:
        """Return the sources that images are read from."""
        return (images.source,) if isinstance(images, Clip) else tuple(images.sources)

    def read_by(self, images: Clip | TrainingSet | CalibrationSet) -> dict[str, list[str]]:
        """Return the inputs of a job that prepares images: wheels, and local or fetched files.

        Files that can't be inputs are in `unlisted`.
        """
        sources = self.sources_of(images)
        packages = [source.package for source in sources]
        wheels = {f"{PACKAGES}/{package.wheel}" for package in packages if package and package.wheel}
        return {
            "packages": sorted(wheels),
            "files": [file for source in sources for file in source.files if not has_braces(file)],
        }

    def unlisted(self, images: Clip | TrainingSet | CalibrationSet) -> list[tuple[str, int, int]]:
        """Return the files that images are read from and `read_by` leaves out, each with size and time."""
        return unlisted(file for source in self.sources_of(images) for file in source.files)

    def unlisted_of_set(self, role: str, name: str) -> list[tuple[str, int, int]]:
        """Return the same for a clip or a training set, by its folder and name."""
        return self.unlisted(self.image_set(role, name))

    def read_by_set(self, role: str, name: str) -> dict[str, list[str]]:
        """Return the same for a clip or a training set, by its folder and name."""
        return self.read_by(self.image_set(role, name))

    def room_for_frames(self, file: str) -> int:
        """Return the bytes of all frame files that a fetched file still has to be turned into."""
        made = frames_made_of(self.study, file)
        return sum(size for path, size in made if not Path(self.results, path).exists())

    def disjoint(self, arm: Arm, of_clip: str) -> list[str]:
        """Return the records that no frame of a clip is among an arm's training and calibration images."""
        return self._disjoint(arm.model, self.study.calibration_of(arm), of_clip)

    def disjoint_recipe(self, model: str, quantization: str) -> list[str]:
        """Return the same of all clips, for a model and the name after `int8-` in a precision."""
        calibration = self.study.calibrations[self.study.quantizations[quantization].recipe.calibration]
        return [file for of_clip in self.of_clip for file in self._disjoint(model, calibration, of_clip)]

    def _disjoint(self, model: str, calibration: Calibration | None, of_clip: str) -> list[str]:
        files, kind = [], f"disjoint{of_clip}.json"
        if weights_name(model) in self.trained:
            files += [self.training_set(model, role, kind) for role in TRAINING_ROLES]
        return files + self.calibration_frames(calibration, kind)

    # Models

    @cached_property
    def trained(self) -> list[str]:
        """The models that the study trains. A folded model has the weights of another."""
        models = self.study.models.items()
        return sorted(
            {weights_name(name) for name, m in models if m.weights == "train" and not is_baseline(name)}
        )

    @cached_property
    def adopted(self) -> list[str]:
        """The models that are networks of others."""
        return [name for name, model in self.study.models.items() if model.file is not None]

    @cached_property
    def checkpoints(self) -> list[str]:
        """The models that are checkpoints of others."""
        return [name for name, model in self.study.models.items() if model.checkpoint is not None]

    def foreign(self, model: str) -> str:
        """Return the ONNX file that a model is adopted from: the user's, or one made of a checkpoint."""
        return self.onnx(model, "checkpoint") if model in self.checkpoints else self.foreign_file(model)

    def foreign_file(self, model: str) -> str:
        """Return the user's file of an adopted model."""
        return str(self.study.models[model].file)

    def foreign_data(self, model: str) -> list[str]:
        """Return the files that the user's ONNX file keeps tensors in."""
        file = self.study.models[model].onnx
        return [] if file is None else external_files(Path(file))

    def weights(self, model: str) -> str:
        """Return the weights of a model: of the package, trained by this study, or a file of the user's."""
        name, weights = weights_name(model), self.study.models[model].weights
        if weights == "pretrained":
            return package_file(f"models/weights/{name}.safetensors")
        return f"{self.results}/weights/{name}.safetensors" if weights == "train" else weights

    def onnx(self, model: str, graph: str) -> str:
        """Return an ONNX file: `fp32`, `fp16`, `int8-NAME`, or one of these in a form (`fp32.blocks`)."""
        return f"{self.results}/onnx/{model}/{graph}.onnx"

    # Ranges, recipes, Q/DQ graphs

    def observed(self, model: str, calibration: str) -> list[str]:
        """Return the statistics that a calibration reads; none for a method without images."""
        name = self.study.calibrations[calibration].observed
        return [f"{self.results}/ranges/{model}/observed/{name}.npz"] if name is not None else []

    def observed_frames(self, images: str) -> list[str]:
        """Return the frames of the images that calibrations share under a name; none for random data."""
        return self.calibration_frames(self.observing(images)[0])

    def observing(self, images: str) -> list[Calibration]:
        """Return the calibrations that share one pass of images through the FP32 graph."""
        return [c for c in self.study.calibrations.values() if c.observed == images]

    def replayed_cache(self, calibration: str) -> list[str]:
        """Return the TensorRT calibration cache that a calibration replays; none for other methods."""
        path = self.study.calibrations[calibration].path
        return [path] if path is not None else []

    def recipe_onnx(self, model: str, recipe: str) -> str:
        """Return the FP32 graph that a recipe, such as `entropy+center`, results in."""
        return f"{self.results}/refined/{model}/{recipe}.onnx" if "+" in recipe else self.onnx(model, "fp32")

    def recipe_ranges(self, model: str, recipe: str) -> str:
        """Return the ranges that a recipe results in."""
        return f"{self.results}/{'refined' if '+' in recipe else 'ranges'}/{model}/{recipe}.json"

    def recipe_frames(self, recipe: str) -> list[str]:
        """Return the calibration frames of a recipe; none for random data."""
        return self.calibration_frames(self.recipe_calibration(recipe))

    def recipe_calibration(self, recipe: str) -> Calibration:
        """Return the calibration that a recipe begins with."""
        return self.study.calibrations[recipe.partition("+")[0]]

    def quantized(self, model: str, quantization: str) -> dict[str, str]:
        """Return the inputs of an INT8 graph: the FP32 graph and the ranges of its recipe."""
        recipe = str(self.study.quantizations[quantization].recipe)
        return {"onnx": self.recipe_onnx(model, recipe), "ranges": self.recipe_ranges(model, recipe)}

    def refined(self, model: str, recipe: str, step: str) -> dict[str, str | list[str]]:
        """Return the inputs of a step: the results of the recipe before it, images, and its measurement."""
        images = self.recipe_frames(recipe) if STEPS[step].images != "none" else []
        measured: list[str] = []
        if file := STEPS[step].measured:
            measured = [f"{self.results}/{file.format(model=model, recipe=recipe)}"]
        elif STEPS[step].observed:
            measured = self.observed(model, self.recipe_calibration(recipe).name)
        return {
            "onnx": self.recipe_onnx(model, recipe),
            "ranges": self.recipe_ranges(model, recipe),
            "frames": images,
            "measured": measured,
        }


def has_braces(path: str) -> bool:
    """Return whether Snakemake may take a part of a path for a wildcard."""
    return "{" in path or "}" in path


def unlisted(files: Iterable[str]) -> list[tuple[str, int, int]]:
    """Return the files that can't be inputs of a job, each with size and time, for the job's parameters.

    Snakemake would take the braces in their names for wildcards. A change of a parameter reruns the job too.
    """
    facts = [(file, Path(file).stat()) for file in files if has_braces(file)]
    return [(file, fact.st_size, fact.st_mtime_ns) for file, fact in facts]


def check_name(path: str) -> None:
    """Raise UserError for the path of an input or output that Snakemake can't handle."""
    if has_braces(path):
        raise UserError(f"{path}: expected a path without {{ and }}, found some; rename it")
    if len(os.fsencode(Path(path).name)) > _LONGEST_NAME:
        raise UserError(
            f"{path[:60]}...: expected a file name of at most {_LONGEST_NAME} bytes, found more; shorten it"
        )


def package_file(name: str) -> str:
    """Return a file of this package, relative to the working directory if it is below that."""
    file = ROOT / name
    return str(file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file)


def frames_made_of(study: Study, name: str) -> Iterator[tuple[str, int]]:
    """Yield each frame file in the study's folder with the most bytes of it that come from a fetched file.

    Before the file is there, only its size is known. Photographs in an archive count as PNGs, no smaller than
    planes of video. A part of a file (`count`) counts as 0. Preparing frames checks the exact size again.
    """
    for clip in study.clips.values():
        yield f"frames/{clip.name}.hr.npy", _frame_bytes([clip.source], name, _with_twins(study.scales))
    for images in study.calibration_sets.values():
        yield f"frames/calibration/{images.name}.npy", _frame_bytes(images.sources, name, _RGB_OF_PLANES)
    for training in study.training_sets.values():
        growth = _with_twins(study.training_scales(training.name))
        yield f"training/{training.name}.hr.npy", _frame_bytes(training.sources, name, growth)


def _with_twins(scales: Iterable[int]) -> float:
    """Return the bytes of RGB frames and their LR twins for each byte of planes."""
    return _RGB_OF_PLANES * (1 + sum(scale**-2 for scale in scales))


def _frame_bytes(sources: Sequence[Source], name: str, growth: float) -> int:
    pinned = [(source, file) for source in sources if (file := source.pinned) and file.name == name]
    return sum(
        int(file.bytes * growth / source.frames.stride)
        for source, file in pinned
        if source.frames.count is None
    )
