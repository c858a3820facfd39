"""Arms: the cells of the table, each a target, a runtime, a model and a precision."""

from dataclasses import dataclass

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
