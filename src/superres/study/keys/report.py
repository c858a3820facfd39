"""Keys of results: the table, a detail of a frame, and a video."""

import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from superres.device.base.errors import UserError
from superres.keys import Index, Keys, mistake
from superres.study.keys.arms import Arm
from superres.upscale.codecs import Codec, chosen_codec

_WORST_CRF = 51


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


class _Crf:
    """A quality of H.264, as a number or as text."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._number, core_schema.int_schema())

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"type": ["integer", "string"]}

    @staticmethod
    def _number(value: Any) -> Any:
        text = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
        if isinstance(value, bool) or not re.fullmatch(r"\d{1,2}", text) or int(text) > _WORST_CRF:
            raise mistake(f"expected a whole number from 0 to {_WORST_CRF}, found {{found}}")
        return int(text)


def _truth(value: Any) -> Any:
    """Return text of a command line as what YAML reads from it."""
    return {"true": True, "false": False}.get(value.lower(), value) if isinstance(value, str) else value


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
    model: str = Field(default="espcn_anchor", description="Its model.")
    precision: str = Field(default="int8-entropy", description="Its precision.")
    codec: Codec = Field(
        default="auto", description="Encoder of the video; auto follows the name of the output."
    )
    crf: Annotated[int, _Crf()] = Field(
        default=16,
        description="Quality of H.264, 0 (lossless) to 51; may be text, as from a command line.",
    )
    deinterlace: Annotated[bool, BeforeValidator(_truth)] = Field(
        default=False,
        description="Make one frame of each pair of fields, by FFmpeg's bwdif. Without it, interlaced video "
        "is refused. May be text, as from a command line.",
    )

    def named(self, study: str) -> "Upscale":
        """Return a copy with an output. Raises UserError for the input's name and one unfit for the codec."""
        source = Path(self.input)
        output = self.output or f"results/{study}/upscaled/{source.stem}.mkv"
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
