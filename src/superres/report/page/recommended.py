"""What a page takes from `recommendation.json`."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field, ValidationError

from superres.device.base.errors import UserError
from superres.device.base.outputs import read_json
from superres.report.recommendation.decide import Wish


class Chosen(BaseModel):
    """An arm to ship, or the nearest to it."""

    arm: str
    fps: float
    psnr_db: float
    loss_db: float
    losses_db: Annotated[Mapping[str, float], Field(min_length=1)]
    noisy: bool


class Int8(BaseModel):
    """INT8 of one network over its fastest float arm."""

    model: str
    arm: str
    over: str
    gain: float
    gain_low: float
    gain_high: float
    loss_db: float
    verdict: str


class Target(BaseModel):
    """What to ship on a target."""

    target: str
    ship: Chosen | None
    nearest: Chosen | None
    int8: Sequence[Int8]
    faulty: Mapping[str, Sequence[str]]

    @property
    def chosen(self) -> Chosen | None:
        """The arm to ship, else the nearest one."""
        return self.ship or self.nearest


class Recommendation(BaseModel):
    """A recommendation: its lines, what was asked for, and each target's."""

    summary: Annotated[Sequence[str], Field(min_length=1)]
    wish: Wish
    targets: Sequence[Target]


def read_recommendation(path: Path, arms: Collection[str]) -> Recommendation:
    """Read a recommendation from one of these arms' figures; raise UserError for an older or another one."""
    record = read_json(path, ("summary", "wish", "targets"))
    try:
        found = Recommendation.model_validate(record)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise UserError(
            f"{path}: expected a recommendation of this version, found {where}: {first['msg'].lower()}; "
            "delete it and run the study again"
        ) from error
    for chosen in (target.chosen for target in found.targets):
        if chosen is not None and chosen.arm not in arms:
            raise UserError(
                f"{path}: expected a recommendation of arms of metrics.csv, found {chosen.arm}; delete "
                "it and run the study again"
            )
    return found
