"""Look whether everything that the manifests of a study name is still what it was."""

from pathlib import Path

from superres.report.verify import verify_study
from superres.scripting import script_log

with script_log(snakemake.log[0]):
    verify_study(Path(snakemake.params.results), snakemake.params.studies)
