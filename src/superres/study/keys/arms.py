"""Keys of arms: which runtimes execute them, in which precisions, and how they are measured."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from superres.device.runtimes import RUNTIMES, about, refusal
from superres.keys import Count, Index, Keys, Maybe, OneOf, SomeOnce, Whole, mistake
from superres.models.graphs.uint8.forms import FORMS, FORMS_OF, PLAIN

Precision = Annotated[
    str,
    Field(pattern=r"^(fp32|fp16|bf16|uint8|int8-trt-[a-z0-9]+|int8-[a-z0-9]+(\+[a-z0-9]+)*)$"),
]


IMPLICIT = "int8-trt-"


@dataclass(frozen=True, order=True)
class Arm:
    """One cell of the table."""

    target: str
    runtime: str
    model: str
    precision: str

    @property
    def cell(self) -> tuple[str, str, str, str]:
        """Target, runtime, model and precision."""
        return self.target, self.runtime, self.model, self.precision

    @property
    def folder(self) -> str:
        """The arm's place below `arms/`."""
        return f"{self.target}/{self.runtime}/{self.model}/{self.precision}"

    @property
    def int8(self) -> str | None:
        """What stands behind `int8-`: a recipe, a name for one, or `trt-` and a calibration; else None."""
        return self.precision.removeprefix("int8-") if self.precision.startswith("int8-") else None

    @property
    def implicit(self) -> bool:
        """Whether TensorRT finds the ranges of this precision itself, on the images of its calibration."""
        return self.precision.startswith(IMPLICIT)


class Build(Keys):
    """How engines of tensorrt and tensorrt_rtx are built; no other runtime has it."""

    workspace_mib: Maybe[Count] = Field(
        default=None,
        description="Most MiB of device memory for a layer's scratch space; all there is if left out.",
    )
    fp16_fallback: bool = Field(
        default=False,
        description="Whether an INT8 engine may run in FP16 what it doesn't run in INT8. TensorRT 11 and "
        "RTX take every type from the ONNX file, and have no fallback.",
    )
    optimization_level: Maybe[Annotated[Whole, Field(ge=0, le=5)]] = Field(
        default=None,
        description="How long kernels are searched for, 0 to 5; TensorRT's default if left out. TensorRT "
        "8.6 and later.",
    )
    dla_core: Maybe[Index] = Field(
        default=None,
        description="Run on this DLA core what it can, the rest on the GPU; fp16 and int8, frames of one "
        "size.",
    )
    timing_cache: bool = Field(
        default=True, description="Keep the times of kernels on this device for the next build."
    )

    @property
    def options(self) -> dict[str, Any]:
        """What the builder is told: keys that are left out aren't there."""
        return self.model_dump(exclude_none=True)


class Runtime(Keys):
    """What executes engines, and in which precisions."""

    name: Annotated[str, OneOf(lambda: RUNTIMES)] = Field(
        description="A runtime of this package; opencv runs bicubic, and nothing else does. pytorch is "
        "PyTorch as it comes, pytorch_tuned the same with channels_last and kept memory "
        "(docs/performance.md). openvino_throughput has several frames in flight: its FPS is "
        "that of the stream, its latency that of a frame in it."
    )
    precisions: SomeOnce[Precision] = Field(
        description="fp32, fp16, bf16, uint8 (opencv only), or int8-NAME for a calibration, one with steps "
        "(int8-minmax+center), or a name from quantizations. int8-trt-NAME (tensorrt only, up "
        "to TensorRT 10) has TensorRT find the ranges itself, on the images and by the method "
        "of the calibration NAME."
    )
    frames: Literal["uint8", "float32"] = Field(
        default="uint8",
        description="What its engines take and give. uint8: frames, the conversion from and to 8 bits is "
        "part of the graph; float32: planes, which are converted outside it. FP32 figures are "
        "the same to one level; uint8 is faster.",
    )
    form: Maybe[Annotated[str, OneOf(lambda: (PLAIN, *FORMS))]] = Field(
        default=None,
        description="How the conversion of uint8 frames is put into the graph, instead of the form that a "
        "table in the code has for the runtime. plain: the runtime does it itself (openvino). "
        "blocks: what comes out is brought into a frame outside (onnxruntime). levels: the same"
        " for the INT8 kernels of onnxruntime. channels_last: for the convolutions of openvino."
        " casts: for TensorRT, which has no other.",
    )
    build: Build = Build()

    @model_validator(mode="after")
    def _check(self) -> Self:
        facts = about(self.name)
        for precision in self.precisions:
            if text := refusal(self.name, precision):
                raise mistake(text, "precisions")
        if self.frames not in facts.frames:
            known = " or ".join(facts.frames)
            raise mistake(
                f"expected {known} for {self.name}, which knows no other, found {self.frames}", "frames"
            )
        forms = FORMS_OF.get(self.name, (PLAIN,))
        if self.form is not None and self.form not in forms:
            raise mistake(f"expected {' or '.join(forms)} for {self.name}, found {self.form}", "form")
        if not facts.build_options and "build" in self.model_fields_set:
            having = " or ".join(name for name in RUNTIMES if about(name).build_options)
            raise mistake(f"expected it with {having} only, found it with {self.name}", "build")
        return self


class Quality(Keys):
    """How PSNR is measured. Defaults are the paper's Eq. 1 and 2; the literature's studio-swing and 2."""

    luma: Literal["full-range", "studio-swing"] = Field(
        default="full-range",
        description="What PSNR_Y is measured on, unrounded, with a peak of 255. full-range is BT.601 as in "
        "JPEG; studio-swing is MATLAB's rgb2ycbcr, which gives 1.32 dB more for the same "
        "picture.",
    )
    border: Index = Field(
        default=0, description="HR pixels at each side that are left out of PSNR and PSNR_Y."
    )


class ReferenceKeys(Keys):
    """The arm that all others of a target are timed in turn with, so that ratios of speeds are of one run.

    A target whose study doesn't have it gets no ratios, and that is said.
    """

    runtime: str = Field(default="openvino", description="Its runtime.")
    model: Maybe[str] = Field(default=None, description="Its model; the study's first one if left out.")
    precision: str = Field(default="fp32", description="Its precision.")


class Noise(Keys):
    """From when on a timing is called noisy, in metrics.csv, the table and the plots."""

    spread: float = Field(
        default=1.5, ge=1, description="The 90th percentile is more than this many times the median."
    )
    busy_processors: float = Field(
        default=0.1, ge=0, description="More processors than this were busy with something else, on average."
    )


class Latency(Keys):
    """How long an arm is timed, and against what; docs/performance.md."""

    warmup_seconds: float = Field(
        default=1.0,
        ge=0,
        description="Frames are run untimed until their times have settled, for at most so long (and at "
        "least 2 of them).",
    )
    warmup_frames: Count = Field(
        default=5, description="Times have settled once the median of so many frames ..."
    )
    warmup_tolerance: float = Field(
        default=0.05, ge=0, description="... differs by no more than this share from that of as many before."
    )
    min_seconds: float = Field(
        default=3.0, ge=0, description="Timed frames take at least this long together ..."
    )
    min_iterations: Annotated[Whole, Field(ge=5)] = Field(
        default=50, description="... and are at least this many ..."
    )
    max_seconds: float = Field(
        default=10.0,
        gt=0,
        description="... but timing ends after this long, the reference's frames included, once 5 frames "
        "are timed (in 5 rounds with a reference).",
    )
    ratio_tolerance: float = Field(
        default=0.03,
        ge=0,
        description="With a reference, timing goes on beyond that while the 95% interval of the ratio is "
        "wider than this share to either side, as it is on a busy machine, ...",
    )
    extended_seconds: float = Field(default=20.0, ge=0, description="... but ends after this long.")
    block_seconds: float = Field(
        default=0.2,
        ge=0,
        description="With a reference, a round is a block of frames of the arm and one of the reference's; "
        "each lasts about this long, and one frame at least.",
    )
    reference: ReferenceKeys = ReferenceKeys()
    noise: Noise = Noise()

    @property
    def timing(self) -> dict[str, Any]:
        """What a job that times an arm is told."""
        return self.model_dump(exclude={"reference", "noise"})


class Profile(Keys):
    """How the target `profile` times the operations of every arm."""

    runs: Count = Field(
        default=10, description="How many frames are run with counters; figures are medians over them."
    )


class Roofline(Keys):
    """How the limits of a target are measured: matrix products, copies of memory; docs/performance.md."""

    seconds: float = Field(
        default=0.4, ge=0, description="How long each product and each copy is repeated; the fastest counts."
    )
