"""Build the page of all results."""

import os
from pathlib import Path

from superres.data.download.addresses import redact
from superres.report.manifest import ArmOnClip
from superres.report.metrics.profiles import ProfileFiles
from superres.report.page.build import PageFiles, PageText, build_page, by_key
from superres.report.page.int8 import Int8Files
from superres.report.page.pictures import ClipFiles
from superres.report.page.provenance import shown_command
from superres.report.receipts import REPAIR_COMMAND
from superres.report.tables.cells import TableText
from superres.scripting import script_job

with script_job(snakemake.log[0], snakemake.input, snakemake.output):
    files, params = snakemake.input, snakemake.params
    command = shown_command(redact(os.environ.get(REPAIR_COMMAND, "snakemake --cores 4 repair")))
    build_page(
        PageFiles(
            metrics=Path(files.metrics),
            recommendation=Path(files.recommendation),
            manifests=[Path(path) for path in files.manifests],
            clips=[
                ClipFiles(clip, Path(hr), Path(index), params.frame)
                for clip, hr, index in zip(params.clips, files.hr, files.index, strict=True)
            ],
            samples=by_key(params.samples, files.samples),
            int8=Int8Files(
                observed=by_key(params.observed, files.observed),
                ranges=by_key(params.ranges, files.ranges),
                sensitivities=[Path(path) for path in files.sensitivities],
                frontiers=[Path(path) for path in files.frontiers],
            ),
            drawings=dict(zip(params.drawings, map(Path, files.drawings), strict=True)),
            profiles=[
                ProfileFiles(ArmOnClip(*arm), Path(profile), Path(record), None)
                for arm, profile, record in zip(
                    params.profiled, files.profiles, files.profile_records, strict=True
                )
            ],
        ),
        PageText(**{**params.text, "table": TableText(**params.text["table"])}),
        command=command.replace(" repair", " TARGET", 1),
        out=Path(snakemake.output.page),
    )
