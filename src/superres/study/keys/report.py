"""Keys of what a study shows: its table, a detail of a frame, and a video."""

import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from superres.device.base.errors import UserError
from superres.keys import Index, Keys, mistake
from superres.study.keys.arms import Arm
from superres.upscale.codecs import Codec, chosen_codec

_WORST_CRF = 51


class Table(Keys):
    """How the table is laid out."""

    calibrated: str = Field(
        default="minmax",
        description='The calibration in the paper\'s column "INT8 w/ calibration"; the one called dummy '
        'stands in "INT8 w/o calibration", and any other gets a column of its own.',
    )


class Samples(Keys):
    """The picture that shows a detail of one frame as every precision makes it."""

    frame: Index = Field(
        default=0, description="Index of the frame, counted around in a clip that is shorter."
    )
    runtime: str = Field(
        default="openvino",
        description="The runtime whose arms are shown; no picture if the study doesn't have it.",
    )


class _Crf:
    """A quality of H.264, as a number or as a text of one."""

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


class Upscale(Keys):
    """A video that an arm upscales: from which file to which, and how it is encoded."""

    input: str = Field(
        default="", min_length=1, description="A video that FFmpeg reads; the target upscale asks for it."
    )
    output: str = Field(
        default="",
        min_length=1,
        description="What is written, without loss if the name ends in .mkv or .avi (FFV1), raw for .y4m, "
        "H.264 for .mp4 and .mov. By default it lies in results/{study}/upscaled and has the "
        "input's name and .mkv.",
    )
    runtime: str = Field(
        default="openvino",
        description="Runtime of the arm that upscales, on this machine; with model and precision it must be"
        " one of the study's arms.",
    )
    model: str = Field(default="espcn_anchor", description="Its model.")
    precision: str = Field(default="int8-entropy", description="Its precision.")
    codec: Codec = Field(
        default="auto", description="What the video is encoded with; auto goes by the name of the output."
    )
    crf: Annotated[int, _Crf()] = Field(
        default=16,
        description="Quality of H.264, 0 (without loss) to 51. As text too, as a command line gives it.",
    )

    def named(self, study: str) -> "Upscale":
        """With a name for the output; raises UserError for the input's, and one unfit for the codec."""
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
