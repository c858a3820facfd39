"""Say what a target is and has, and which of the study's arms will work there."""

from superres.scripting import script_job
from superres.targets.remote.check import check_device, choose_target

with script_job(snakemake.log[0]):
    target = choose_target(snakemake.params.targets, snakemake.params.chosen)
    check_device(target, snakemake.params.runtimes[target.name])
