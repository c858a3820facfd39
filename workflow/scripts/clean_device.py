"""Remove from a device all that jobs have put there."""

from superres.scripting import script_job
from superres.targets.remote.check import choose_target, clean_device

with script_job(snakemake.log[0]):
    clean_device(choose_target(snakemake.params.targets, snakemake.params.chosen))
