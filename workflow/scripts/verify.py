"""Look whether every file behind what a study shows is still as its job left it; or an archive of results."""

from pathlib import Path

from superres.report.verify import verify_study
from superres.scripting import script_job

with script_job(snakemake.log[0]):
    [wanted] = snakemake.params.wanted
    if snakemake.params.archive is None:
        verify_study(wanted, snakemake.params.remedy)
    else:
        # Tables are read for an archive alone.
        from superres.report.archive.inspect import verify_archive

        verify_archive(Path(str(snakemake.params.archive)).expanduser())
