"""Keys of results: the table, a detail of a frame, and a video."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from superres.device.base.errors import UserError
from superres.keys import Index, Keys, Maybe
from superres.study.keys.arms import Arm
from superres.upscale.codecs import Codec, chosen_codec


class Table(Keys):
    """Layout of the table."""

    calibrated: str = Field(
        default="minmax",
        description='The calibration in the paper\'s column "INT8 w/ calibration". dummy is in '
        '"INT8 w/o calibration", and any other has a column of its own.',
    )


class Samples(Keys):
    """The picture of a detail of one frame in every precision."""

    frame: Index = Field(default=0, description="Index of the frame, modulo the length of a shorter clip.")
    runtime: str = Field(
        default="openvino",
        description="The runtime whose arms are shown. A study without it has no picture.",
    )


_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Recommend(Keys):
    """What the arm to ship must reach. Without fps, loss_db and psnr_db, it is `loss_db: 0.1`."""

    fps: Maybe[_Positive] = Field(
        default=None, description="Frames per second, at least. With it, the best picture is taken."
    )
    loss_db: Maybe[_NotNegative] = Field(
        default=None,
        description="PSNR below the best FP32 of the target, at most, on the clip where an arm loses most.",
    )
    psnr_db: Maybe[_Positive] = Field(
        default=None, description="PSNR, at least, on the clip where it is least."
    )
    own_psnr_db: Maybe[Annotated[_Positive, Field(le=100)]] = Field(
        default=None,
        description="PSNR of the best FP32 network on your own pictures. Losses are then those that the "
        "squared error which an arm adds brings there, on the clip where this is most.",
    )


class Upscale(Keys):
    """A video that an arm upscales: input, output and encoding."""

    input: str = Field(default="", min_length=1, description="A video that FFmpeg can read.")
    output: str = Field(
        default="",
        min_length=1,
        description="The file to write: lossless for .mkv and .avi (FFV1), raw for .y4m, H.264 for .mp4 and "
        ".mov. By default results/{study}/upscaled/ and the input's name with .mkv.",
    )
    runtime: str = Field(
        default="openvino",
        description="Runtime of the arm that upscales, on this machine. With model and precision it must "
        "be an arm of the study.",
    )
    model: str = Field(default="plain_c16_m4", description="Its model.")
    precision: str = Field(default="int8-tuned", description="Its precision.")
    codec: Codec = Field(
        default="auto", description="Encoder of the video; auto follows the name of the output."
    )
    crf: Index = Field(default=16, le=51, description="Quality of H.264, 0 (lossless) to 51.")
    deinterlace: bool = Field(
        default=False,
        description="Make one frame of each pair of fields, by FFmpeg's bwdif. Without it, interlaced video "
        "is refused.",
    )

    def named(self, study: str) -> "Upscale":
        """Return a copy with an output. Raises UserError for the input's name and one unfit for the codec."""
        source = Path(self.input)
        # Snakemake would take braces for wildcards.
        stem = source.stem.replace("{", "(").replace("}", ")")
        output = self.output or f"results/{study}/upscaled/{stem}.mkv"
        if source.resolve() == Path(output).resolve():
            raise UserError(f"upscale.output: expected another file than the input, found {output}")
        try:
            chosen_codec(Path(output), self.codec)
        except UserError as error:
            raise UserError(f"upscale.output: {error}") from error
        return self.model_copy(update={"output": output})

    @property
    def arm(self) -> Arm:
        """The arm that upscales."""
        return Arm("local", self.runtime, self.model, self.precision)
