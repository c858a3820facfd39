"""Remove from a device all that jobs have put there."""

from superres.scripting import script_log
from superres.targets.remote.check import choose_target, clean_device

with script_log(snakemake.log[0]):
    clean_device(choose_target(snakemake.params.targets, snakemake.params.chosen))
