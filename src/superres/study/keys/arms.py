"""Arms, and their keys: runtimes, precisions and measurements."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from superres.device.runtimes import RUNTIMES, about, refusal
from superres.device.runtimes.base import AS_WRITTEN
from superres.keys import Count, Index, Keys, ManyOnce, Maybe, Name, OneOf, OrWord, SomeOnce, Whole, mistake
from superres.models.graphs.uint8.forms import FORMS, FORMS_OF, PLAIN

Precision = Annotated[
    str,
    Field(
        pattern=r"^(fp32|fp16|bf16|uint8|as-is|int8-trt-[a-z0-9]+|int8-[a-z0-9]+(\+[a-z0-9]+)*)$",
        max_length=200,
    ),
]


IMPLICIT = "int8-trt-"


@dataclass(frozen=True, order=True)
class Arm:
    """One cell of the table: a model in a precision, run by a runtime on a target."""

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
        """The arm's folder in `arms/`."""
        return f"{self.target}/{self.runtime}/{self.model}/{self.precision}"

    @property
    def int8(self) -> str | None:
        """The name after `int8-`: a recipe, a name for one, or `trt-` and a calibration; else None."""
        return self.precision.removeprefix("int8-") if self.precision.startswith("int8-") else None

    @property
    def as_is(self) -> bool:
        """True for a network that others have quantised, as it is."""
        return self.precision == AS_WRITTEN

    @property
    def implicit(self) -> bool:
        """True if TensorRT finds the ranges itself, on the images of the calibration."""
        return self.precision.startswith(IMPLICIT)


_Rounds = Annotated[Whole, Field(ge=6)]


class Build(Keys):
    """Build options of engines, for tensorrt and tensorrt_rtx only."""

    workspace_mib: Maybe[Count] = Field(
        default=None,
        description="Most MiB of device memory for a layer's scratch space; unlimited by default. 32 is what "
        "torch2trt, the paper's tool, sets.",
    )
    fp16_fallback: bool = Field(
        default=False,
        description="If true, an INT8 engine may run in FP16 what it doesn't run in INT8. TensorRT 11 and "
        "RTX take every type from the ONNX file and have no fallback.",
    )
    optimization_level: Maybe[Annotated[Whole, Field(ge=0, le=5)]] = Field(
        default=None,
        description="Effort of the search for kernels, 0 to 5; TensorRT's own default if left out. Needs "
        "TensorRT 8.6 or later.",
    )
    dla_core: Maybe[Index] = Field(
        default=None,
        description="Run what this DLA core supports on it, the rest on the GPU. Only for fp16 and int8, "
        "and frames of one size. For INT8 take int8-trt-NAME: see docs/gpu.md.",
    )
    timing_cache: bool = Field(
        default=True, description="Keep the times of kernels on this device for the next build."
    )

    @property
    def options(self) -> dict[str, Any]:
        """The builder's options, without keys that are left out."""
        return self.model_dump(exclude_none=True)


class Runtime(Keys):
    """A runtime that executes engines, and its precisions."""

    name: Annotated[str, OneOf(lambda: RUNTIMES)] = Field(
        description="A runtime of this package. Only opencv runs bicubic. pytorch is PyTorch with its "
        "defaults, pytorch_tuned adds channels_last and kept memory (docs/performance.md). "
        "openvino_throughput has several frames in flight: its FPS is that of the stream, its latency that "
        "of a frame."
    )
    precisions: SomeOnce[Precision] = Field(
        description="fp32, fp16, bf16, uint8 (opencv only), as-is (ONNX files that others have quantised, as "
        "they are), or int8-NAME: a calibration, one with steps (int8-minmax+center), or a name from "
        "quantizations. With int8-trt-NAME (tensorrt only, up to "
        "TensorRT 10), TensorRT finds the ranges itself, by the method and on the images of the calibration "
        "NAME."
    )
    models: Maybe[SomeOnce[Name]] = Field(
        default=None,
        description="The models that it runs, all if left out. Networks of this package that the study lacks "
        "are passed over, so that a study with other models may keep the runtimes of config.yaml.",
    )
    frames: Literal["uint8", "float32"] = Field(
        default="uint8",
        description="Type of an engine's input and output. uint8 are frames, and the graph converts from "
        "and to 8 bits. float32 are planes, which are converted outside the graph. FP32 results agree to one "
        "level; uint8 is faster.",
    )
    form: Maybe[Annotated[str, OneOf(lambda: (PLAIN, *FORMS))]] = Field(
        default=None,
        description="How the graph converts uint8 frames; by default the fastest form of the runtime. "
        "plain: the runtime converts by itself (openvino). blocks: the output is turned into a frame "
        "outside the graph (onnxruntime). levels: the same for INT8 kernels of onnxruntime. channels_last: "
        "for convolutions of openvino. casts: for TensorRT, its only form.",
    )
    rounds: Maybe[_Rounds] = Field(
        default=None,
        description="Rounds of its arms instead of `latency.rounds`: a slow runtime need not be timed for "
        "long if a wider interval is enough.",
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
        if self.build.dla_core is not None:
            self._check_dla()
        if not facts.build_options and "build" in self.model_fields_set:
            having = " or ".join(name for name in RUNTIMES if about(name).build_options)
            raise mistake(f"expected it with {having} only, found it with {self.name}", "build")
        return self

    def _check_dla(self) -> None:
        """Raise a mistake for what a DLA core can't run, before any work."""
        if self.name != "tensorrt":
            raise mistake(f"expected dla_core with tensorrt only, found it with {self.name}", "build")
        wide = [name for name in self.precisions if name in ("fp32", "bf16")]
        if wide:
            raise mistake(
                f"expected fp16 and int8 alone with build.dla_core, for a DLA computes in nothing else, "
                f"found {wide[0]}; take it out, or dla_core",
                "precisions",
            )


class Quality(Keys):
    """Protocol of PSNR. Defaults are the paper's Eq. 1 and 2; the literature uses studio-swing and scale."""

    luma: Literal["full-range", "studio-swing"] = Field(
        default="full-range",
        description="The luma of PSNR_Y, unrounded, with a peak of 255. full-range is BT.601 as in JPEG. "
        "studio-swing is MATLAB's rgb2ycbcr, which gives 1.32 dB more for the same picture.",
    )
    border: Annotated[Index, OrWord("scale")] = Field(
        default=0,
        description="HR pixels at each side that PSNR, PSNR_Y and SSIM_Y leave out. `scale` leaves out as "
        "many as a model's scale, as the literature does.",
    )

    def at(self, scale: int) -> dict[str, Any]:
        """Return the settings of `PsnrProtocol` for models of a scale."""
        return {"luma": self.luma, "border": scale if self.border == "scale" else self.border}


class ReferenceKeys(Keys):
    """The arm that all others of a target are timed in turn with, for ratios of speeds from one run.

    A target without it gets no ratios, and a note says so.
    """

    runtime: str = Field(default="openvino", description="Its runtime.")
    model: Maybe[str] = Field(default=None, description="Its model; the study's first one by default.")
    precision: str = Field(default="fp32", description="Its precision.")


class Noise(Keys):
    """Limits beyond which metrics.csv, the table and the plots mark a timing as noisy."""

    spread: float = Field(
        default=1.5, ge=1, description="Noisy if the 90th percentile is more than this many times the median."
    )
    busy_processors: float = Field(
        default=0.1,
        ge=0,
        description="Noisy if more processors than this were busy with other work, on average.",
    )


class Latency(Keys):
    """Duration and reference of timings; see docs/performance.md."""

    warmup_seconds: float = Field(
        default=1.0,
        ge=0,
        description="Frames run untimed until their times have settled, for at most this long (at least 2 "
        "frames).",
    )
    warmup_frames: Count = Field(
        default=5, description="Times have settled once the median of this many frames ..."
    )
    warmup_tolerance: float = Field(
        default=0.05,
        ge=0,
        description="... differs by at most this share from the median of as many frames before.",
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
        "are timed and, with a reference, `rounds` are over.",
    )
    rounds: _Rounds = Field(
        default=12,
        description="With a reference, timing takes at least this many rounds. More make the 95% interval of "
        "the ratio narrower; fewer than 6 have none.",
    )
    block_seconds: float = Field(
        default=0.2,
        ge=0,
        description="With a reference, a round is a block of frames of the arm and one of the reference. "
        "Each lasts about this long, at least one frame.",
    )
    reference: ReferenceKeys = ReferenceKeys()
    noise: Noise = Noise()

    @property
    def timing(self) -> dict[str, Any]:
        """The settings of a job that times an arm."""
        return self.model_dump(exclude={"reference", "noise"})


class Profile(Keys):
    """Times of single operations: of every arm by the target `profile`, of a few by `all`, for the page."""

    runs: Count = Field(
        default=10, description="Frames that run with counters; results are medians over them."
    )
    runtimes: ManyOnce[Annotated[str, OneOf(lambda: RUNTIMES)]] = Field(
        default=(),
        description="The runtimes whose operations are on the page. Without any, all times no operation.",
    )
    models: Maybe[SomeOnce[Name]] = Field(
        default=None, description="Of these models, as far as the study has them; all if left out."
    )
    precisions: Maybe[SomeOnce[Precision]] = Field(
        default=None, description="In these precisions, as far as the study has them; all if left out."
    )

    def shows(self, arm: Arm) -> bool:
        """Return whether the page shows the operations of an arm."""
        return (
            arm.runtime in self.runtimes
            and (self.models is None or arm.model in self.models)
            and (self.precisions is None or arm.precision in self.precisions)
        )


class Roofline(Keys):
    """Measurement of a target's limits by matrix products and memory copies; see docs/performance.md."""

    seconds: float = Field(
        default=0.4,
        ge=0,
        description="Seconds that each product and each copy is repeated; the fastest counts.",
    )
