"""Compare a study's results with those of somebody else."""

from pathlib import Path

from superres.device.base.errors import UserError
from superres.report.archive.compare import compare_results
from superres.scripting import script_job

with script_job(snakemake.log[0]):
    params = snakemake.params
    if params.archive is None:
        raise UserError(
            "compare: expected results to compare with, found none; name them: --config archive=FILE, an "
            "archive of export_results or a folder of results"
        )
    results, other = Path(params.results), Path(str(params.archive)).expanduser()
    out = results / "compared" / other.absolute().stem
    compare_results(results, other, params.remedy, csv_out=Path(f"{out}.csv"), md_out=Path(f"{out}.md"))
