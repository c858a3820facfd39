"""Combinations of settings by how close they come to a published figure, as CSV and as a page to read."""

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from superres.device.base.outputs import Outputs, write_csv

# Published figures have four decimals.
_SAME_DB = 0.0001
_ROWS = 15


@dataclass(frozen=True)
class Published:
    """The figures that are looked for."""

    psnr_db: float
    psnr_y_db: float


@dataclass(frozen=True)
class Combination:
    """Settings that a publication may not state; `average` is what becomes one figure: `frames` (PSNRs) or `error`."""

    downsampling: str
    upsampling: str
    matrix: str
    range: str
    average: str


@dataclass(frozen=True)
class Measured:
    """The figures of a combination."""

    combination: Combination
    psnr_db: float
    psnr_y_db: float


@dataclass(frozen=True)
class Ranked:
    """A combination with what its figures are above the published ones; `distance_db` is the larger of both, without sign."""

    measured: Measured
    off_db: float
    off_y_db: float
    distance_db: float

    @property
    def words(self) -> str:
        """The settings in one line."""
        settings = self.measured.combination
        average = {"frames": "mean of the frames' PSNRs", "error": "PSNR of the mean error"}[settings.average]
        return (
            f"{settings.downsampling} downsampling, {settings.upsampling} upsampling, {settings.matrix}, "
            f"{settings.range} range, {average}"
        )


def rank(measured: Sequence[Measured], published: Published) -> list[Ranked]:
    """The combinations, closest first; equally close ones in their order."""
    ranked = []
    for one in measured:
        off, off_y = one.psnr_db - published.psnr_db, one.psnr_y_db - published.psnr_y_db
        ranked.append(Ranked(one, off, off_y, max(abs(off), abs(off_y))))
    return sorted(ranked, key=lambda one: one.distance_db)


def write_tables(
    ranked: Sequence[Ranked], published: Published, clip: str, *, csv_out: Path, md_out: Path
) -> None:
    """Write all combinations as CSV and the closest as Markdown, and print what comes closest."""
    header = (
        *asdict(ranked[0].measured.combination),
        "psnr_db",
        "psnr_y_db",
        "off_db",
        "off_y_db",
        "distance_db",
    )
    rows = [
        (
            *asdict(one.measured.combination).values(),
            one.measured.psnr_db,
            one.measured.psnr_y_db,
            one.off_db,
            one.off_y_db,
            one.distance_db,
        )
        for one in ranked
    ]
    lines = conclude(ranked, published, clip)
    with Outputs({"csv": str(csv_out), "md": str(md_out)}) as outputs:
        write_csv(outputs["csv"], header, rows)
        text = "\n\n".join(["# What stands behind the published figures", *lines, _table(ranked[:_ROWS])])
        outputs["md"].write_text(text + "\n", encoding="utf-8")
    sys.stderr.write("".join(f"{line}\n" for line in lines))


def conclude(ranked: Sequence[Ranked], published: Published, clip: str) -> list[str]:
    """What can be said: what comes closest, how close, and whether anything else does as well."""
    first = ranked[0]
    figures = f"{first.measured.psnr_db:.4f} dB PSNR and {first.measured.psnr_y_db:.4f} dB PSNR_Y"
    looked_for = f"{published.psnr_db:.4f} and {published.psnr_y_db:.4f} dB"
    lines = [
        f"Bicubic upsampling of the clip {clip} in {len(ranked)} combinations; looked for: {looked_for}.",
        f"Closest: {first.words}: {figures}, {first.distance_db:.4f} dB off.",
    ]
    equal = [one for one in ranked[1:] if one.distance_db - first.distance_db < _SAME_DB]
    if first.distance_db > 10 * _SAME_DB:
        lines.append("None of them brings the published figures: something else differs as well.")
    elif equal:
        lines.append("As close within 0.0001 dB: " + "; ".join(one.words for one in equal) + ".")
    return lines


def _table(ranked: Sequence[Ranked]) -> str:
    lines = [
        "| downsampling | upsampling | matrix | range | averaged | PSNR [dB] | PSNR_Y [dB] | off [dB] | off, Y [dB] |",
        "| --- | --- | --- | --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for one in ranked:
        settings = " | ".join(asdict(one.measured.combination).values())
        figures = f"{one.measured.psnr_db:.4f} | {one.measured.psnr_y_db:.4f}"
        lines.append(f"| {settings} | {figures} | {one.off_db:+.4f} | {one.off_y_db:+.4f} |")
    return "\n".join(lines)
