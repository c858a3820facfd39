"""What a study consists of."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from superres.data.sources.source import Download, PackageFile, Source
from superres.quantization.recipes import Recipe
from superres.quantization.tools.presets import TOOLS
from superres.targets.settings import Target

TRAINING_ROLES = ("training_set", "validation_set")
IMPLICIT = "int8-trt-"


@dataclass(frozen=True)
class Clip:
    """What is evaluated: a source of HR frames and the kernel that makes their LR twins.

    An `optional` clip is left out of the study where its file or folder isn't there.
    """

    name: str
    description: str
    source: Source
    downsampling: str
    optional: bool


@dataclass(frozen=True)
class CalibrationSet:
    """Centre crops, width x height, of the images of some sources."""

    name: str
    width: int
    height: int
    sources: tuple[Source, ...]


@dataclass(frozen=True)
class TrainingSet:
    """Images that a model is trained or validated on."""

    name: str
    sources: tuple[Source, ...]
    downsampling: str


@dataclass(frozen=True)
class Calibration:
    """A way to get INT8 ranges; it makes the precision `int8-{name}`.

    `data` holds the settings of a random tensor (`type: random`) or of a calibration set, None for a method
    that looks at no image; `settings` are those of the method.
    """

    name: str
    method: str
    data: Mapping[str, Any] | None
    settings: Mapping[str, Any]

    @property
    def tool(self) -> str | None:
        """The quantiser of others that makes the whole graph; None where this pipeline does."""
        return self.method if self.method in TOOLS else None

    @property
    def calibration_set(self) -> str | None:
        """Name of the calibration set that is used, None for random data and without images."""
        if self.data is None or self.data["type"] != "calibration-set":
            return None
        return self.data["name"]

    @property
    def observed(self) -> str | None:
        """Name of the images that the FP32 graph is fed with, the same for all calibrations that share a pass.

        How many of them a calibration uses doesn't matter. Random tensors have a hyphen in theirs, which no
        calibration set can have. None without images, and for tools, which look at images themselves.
        """
        if self.data is None or self.tool is not None:
            return None
        if self.data["type"] == "random":
            return "random-{kind}-{seed}-{width}x{height}".format(**self.data)
        return self.data["name"]


@dataclass(frozen=True)
class Quantization:
    """What an INT8 precision stands for: a recipe, and the layers whose convolutions stay in float."""

    recipe: Recipe
    float_layers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Model:
    """An architecture and where its weights come from; `training` says how they are trained.

    `kernel` is how the model bicubic interpolates.
    """

    name: str
    weights: Literal["pretrained", "train"]
    chroma_upsampling: str
    kernel: str
    training: Mapping[str, Any]


@dataclass(frozen=True, order=True)
class Arm:
    """One cell of the table."""

    target: str
    runtime: str
    model: str
    precision: str

    @property
    def folder(self) -> str:
        """The arm's place below `arms/`."""
        return f"{self.target}/{self.runtime}/{self.model}/{self.precision}"

    @property
    def int8(self) -> str | None:
        """What stands behind `int8-`: a recipe, a name for one, or `trt-` and a calibration; None for any other precision."""
        return self.precision.removeprefix("int8-") if self.precision.startswith("int8-") else None

    @property
    def implicit(self) -> bool:
        """Whether TensorRT finds the ranges of this INT8 precision itself, on the images of its calibration."""
        return self.precision.startswith(IMPLICIT)


@dataclass(frozen=True)
class Reference:
    """The arm that all others of a target are timed in turn with."""

    runtime: str
    model: str
    precision: str

    def on(self, target: str) -> Arm:
        """The reference of a target, whether or not the study has it there."""
        return Arm(target, self.runtime, self.model, self.precision)


@dataclass(frozen=True)
class Sensitivity:
    """Models whose layers' sensitivity is measured, what stands behind `int8-` there, and the runtime that executes it.

    `frames` is how many frames of each clip, None for all.
    """

    recipe: str
    runtime: str
    models: tuple[str, ...]
    frames: int | None = None


@dataclass(frozen=True)
class Forensics:
    """A published figure of bicubic upsampling, and the settings that may stand behind it: all combinations are tried."""

    clip: str
    psnr_db: float
    psnr_y_db: float
    downsampling: tuple[str, ...]
    upsampling: tuple[str, ...]
    matrices: tuple[str, ...]
    ranges: tuple[str, ...]


@dataclass(frozen=True)
class Upscale:
    """A video that an arm upscales: from which file to which, and how it is encoded."""

    input: str
    output: str
    arm: Arm
    codec: str
    crf: int


@dataclass(frozen=True)
class Study:
    """A study with all defaults filled in.

    `left_out` are clips that it goes on without, `missing` the calibrations whose tool isn't installed. `swept` are arms of
    the sweep, which are evaluated but neither timed nor in Table 1. `frames` says what the engines of each runtime take and
    give, `forms` in which form of the graph, or that it is measured for `form_seconds` each, `builds` how TensorRT's are built. `quantizations` has those of all INT8 arms, by what stands behind `int8-`;
    `steps` are the settings of their steps. `latency` says how long arms are timed, `noise` from when on that is called noisy, `far_db` how far from FP32 a picture is marked. `upscale` is None if no video is named.
    """

    name: str
    description: str
    packages: Mapping[str, PackageFile]
    files: Mapping[str, Download]
    clips: Mapping[str, Clip]
    left_out: Mapping[str, Clip]
    calibration_sets: Mapping[str, CalibrationSet]
    calibrations: Mapping[str, Calibration]
    quantizations: Mapping[str, Quantization]
    steps: Mapping[str, Mapping[str, Any]]
    sensitivity: Sensitivity | None
    forensics: Forensics | None
    training_sets: Mapping[str, TrainingSet]
    models: Mapping[str, Model]
    targets: Mapping[str, Target]
    arms: tuple[Arm, ...]
    swept: tuple[Arm, ...]
    missing: Mapping[str, Calibration]
    quality: Mapping[str, Any]
    frames: Mapping[str, Literal["uint8", "float32"]]
    forms: Mapping[str, str]
    form_seconds: float
    upscale: Upscale | None
    builds: Mapping[str, Mapping[str, Any]]
    latency: Mapping[str, Any]
    reference: Reference
    noise: Mapping[str, float]
    far_db: float
    roofline: Mapping[str, float]
    profile: Mapping[str, int]
    table: Mapping[str, Any]
    samples: Mapping[str, Any]

    def reference_of(self, arm: Arm) -> Arm | None:
        """The arm that another is timed in turn with; None for the reference itself, and where the study has none."""
        reference = self.reference.on(arm.target)
        return reference if reference in self.arms and reference != arm else None

    def calibration_of(self, arm: Arm) -> Calibration | None:
        """The calibration behind an INT8 arm, None for any other."""
        return (
            None if arm.int8 is None else self.calibrations[self.quantizations[arm.int8].recipe.calibration]
        )
