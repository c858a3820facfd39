"""Choose the reading of a foreign network: run it on a photograph in each way that fits.

A wrong one can look plausible, so that each is compared with the original and with bicubic interpolation.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from math import ceil, isfinite
from typing import Any

import numpy as np
from PIL import Image

from superres.device.base.errors import UserError
from superres.models.adoption.ends import Ends
from superres.models.adoption.reading import (
    ACTIVATIONS,
    Reading,
    Run,
    Tried,
    enlarge,
    fits,
    psnr_of,
    readings,
    try_reading,
    usual_colour,
)
from superres.models.adoption.sizes import Sizes, runner
from superres.models.adoption.statements import Adoption

NO_PICTURE_DB = 3.0
"""A reading this far below bicubic interpolation is no picture."""

CLEARLY_DB = 0.3
"""Another reading that is better by this is worth a line."""

_SIDE = 192

# Levels of noise on the photograph that a network for x1 gets: bicubic interpolation changes nothing there.
_NOISE = 10.0


@dataclass(frozen=True)
class Choice:
    """The reading that is taken, all that were tried, bicubic interpolation's PSNR, and a doubt if any."""

    taken: Tried
    tried: Sequence[Tried]
    bicubic_db: float
    doubt: str

    @property
    def described(self) -> dict[str, Any]:
        """A record's part about it; None for a picture with NaN."""
        given = {
            str(one.reading): round(one.psnr_db, 4) if isfinite(one.psnr_db) else None for one in self.tried
        }
        figures = {"psnr_db": round(self.taken.psnr_db, 4), "bicubic_db": round(self.bicubic_db, 4)}
        return {**asdict(self.taken.reading), **figures, "readings": given}


@dataclass(frozen=True)
class Photograph:
    """A photograph, uint8 RGB, and its small twin, an integer number of times smaller; at x1 a noisy one."""

    hr: np.ndarray
    lr: np.ndarray

    @property
    def scale(self) -> int:
        """How many times smaller the twin is."""
        return self.hr.shape[0] // self.lr.shape[0]

    @property
    def usual(self) -> str:
        """What a picture is compared with."""
        return "bicubic interpolation" if self.scale > 1 else "the photograph with noise that the network got"


def take_photograph(sizes: Sizes) -> Photograph:
    """Return a detail of a photograph that a dependency carries, of a size that a network takes."""
    path = files("matplotlib") / "mpl-data" / "sample_data" / "grace_hopper.jpg"
    with path.open("rb") as file, Image.open(file) as image:
        side = max(_SIDE // sizes.scale // sizes.multiple, 1) * sizes.multiple
        height, width = sizes.own or (side, side)
        across, down = 160 + width * sizes.scale, 60 + height * sizes.scale
        whole = image.convert("RGB")
        if across > whole.width or down > whole.height:
            more = max(across / whole.width, down / whole.height)
            whole = whole.resize((ceil(more * whole.width), ceil(more * whole.height)))
        hr = whole.crop((160, 60, across, down))
        lr = np.asarray(hr.resize((width, height), Image.Resampling.BICUBIC))
    if sizes.scale == 1:
        noise = np.random.default_rng(0).normal(0, _NOISE, lr.shape)
        lr = np.clip(np.rint(lr + noise), 0, 255).astype(np.uint8)
    return Photograph(np.asarray(hr), lr)


def choose(sizes: Sizes, ends: Ends, stated: Adoption, photograph: Photograph, where: str) -> Choice:
    """Return the reading to take.

    Raises UserError if none of those that are stated or usual fits the network's ends, for NaN, and if the
    best gives no picture, unless colour and range are both stated.
    """
    run = runner(sizes.model, ends)

    def tries(of: Iterable[Reading]) -> list[Tried]:
        pictures = ((each, try_reading(run, ends, each, photograph.lr, sizes.scale)) for each in of)
        return [Tried(each, psnr_of(picture, photograph.hr)) for each, picture in pictures]

    tried = tries(readings(ends))
    usual = psnr_of(enlarge(photograph.lr / 255.0, sizes.scale), photograph.hr)
    if not any(fits(one.reading, stated, ends) and one.psnr_db >= usual - NO_PICTURE_DB for one in tried):
        # Rare, and many ways: only of the colours that are meant.
        colour = stated.colour or usual_colour(ends)
        others = (each for each in readings(ends, mixed=True) if each.colour == colour)
        tried += tries(each for each in others if each not in [one.reading for one in tried])
    possible = [one for one in tried if fits(one.reading, stated, ends)]
    _check(possible, tried, stated, where)
    taken, doubt = _taken(tried, possible)
    if taken.psnr_db < usual - NO_PICTURE_DB:
        doubt = _no_picture(taken, tried, photograph, usual)
        if max(one.psnr_db for one in tried) < usual - NO_PICTURE_DB:
            doubt += _lacking(run, ends, photograph, sizes.scale, usual)
        if stated.colour is None or stated.range is None:
            raise UserError(f"{where}: {doubt}")
    return Choice(taken, tried, usual, doubt)


def _check(possible: Sequence[Tried], tried: Sequence[Tried], stated: Adoption, where: str) -> None:
    """Raise UserError without a reading that is possible, and if all that are give NaN."""
    if not possible:
        keys = ("colour", "range", "output_range", "swing")
        said = ", ".join(f"{key}: {getattr(stated, key)}" for key in keys if getattr(stated, key) is not None)
        known = "; ".join(str(one.reading) for one in tried)
        raise UserError(
            f"{where}: expected a reading that fits the network ({known}), found {said} stated; leave it "
            "out, or state one of these"
        )
    if not any(isfinite(one.psnr_db) for one in possible):
        raise UserError(
            f"{where}: expected finite values, found NaN or infinity in the picture by each reading "
            f"({'; '.join(str(one.reading) for one in possible)}); check the weights"
        )


def _taken(tried: Sequence[Tried], possible: Sequence[Tried]) -> tuple[Tried, str]:
    """Return the reading to take, and a doubt about it, or an empty text."""
    best = max(tried, key=lambda one: one.psnr_db)
    taken = _first_of_the_best(possible)
    if best.psnr_db <= taken.psnr_db + CLEARLY_DB:
        return taken, ""
    return taken, (
        f"{best.reading} would give {best.psnr_db:.2f} dB, {taken.reading} gives {taken.psnr_db:.2f}: "
        "state colour, range or swing if that is meant"
    )


def _first_of_the_best(tried: Sequence[Tried]) -> Tried:
    """Return the first that is as good as any: a network that is linear gives one picture in every range."""
    enough = max(one.psnr_db for one in tried) - CLEARLY_DB
    return next(one for one in tried if one.psnr_db >= enough)


def _no_picture(taken: Tried, tried: Sequence[Tried], photograph: Photograph, usual: float) -> str:
    each = "; ".join(f"{one.reading}: {one.psnr_db:.1f} dB" for one in tried)
    best = _first_of_the_best(tried)
    remedy = "check the weights, or state what it takes: with both colour and range it is taken"
    if best.psnr_db >= usual - NO_PICTURE_DB:
        remedy = f"state colour: {best.reading.colour} and range: {best.reading.range}, which gives one"
    return (
        f"expected a picture close to {photograph.usual} ({usual:.1f} dB), found none by {taken.reading} "
        f"({taken.psnr_db:.1f} dB); each way gave: {each}; {remedy}"
    )


def _lacking(run: Run, ends: Ends, photograph: Photograph, scale: int, usual: float) -> str:
    """Return which activation behind the network would make a picture of its output; empty if none does."""
    for name, activation in ACTIVATIONS.items():
        ended = _ended(run, activation)
        pictures = [try_reading(ended, ends, reading, photograph.lr, scale) for reading in readings(ends)]
        best = max(psnr_of(picture, photograph.hr) for picture in pictures)
        if best >= usual - NO_PICTURE_DB:
            return f"; with a last {name}, which the file lacks, {best:.1f} dB: state last_activation: {name}"
    return ""


def _ended(run: Run, activation: Run) -> Run:
    return lambda batch: activation(run(batch).astype(np.float64))
