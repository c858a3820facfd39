"""Find which unstated settings bring a published figure of bicubic upsampling."""

from pathlib import Path

from superres.device.frames.psnr import PsnrProtocol
from superres.forensics.search import Candidates, search_protocol
from superres.forensics.table import Published
from superres.scripting import script_log

with script_log(snakemake.log[0]):
    wanted, source = snakemake.params.search
    search_protocol(
        source,
        Candidates(wanted.matrices, wanted.ranges, wanted.downsampling, wanted.upsampling),
        Published(wanted.psnr_db, wanted.psnr_y_db),
        PsnrProtocol(**snakemake.params.quality),
        clip=wanted.clip,
        csv_out=Path(snakemake.output.csv),
        md_out=Path(snakemake.output.md),
        threads=snakemake.threads,
    )
