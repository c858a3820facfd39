"""Show a detail of one frame as every precision makes it."""

from pathlib import Path

from superres.device.frames.psnr import PsnrProtocol
from superres.report.plots.samples import plot_samples, read_samples
from superres.scripting import script_log

with script_log(snakemake.log[0]):
    samples = read_samples(
        Path(snakemake.input.hr),
        Path(snakemake.input.clip),
        snakemake.params.frame,
        dict(zip(snakemake.params.arms, map(Path, snakemake.input.samples), strict=True)),
    )
    plot_samples(samples, Path(snakemake.output.png), PsnrProtocol(**snakemake.params.quality))
