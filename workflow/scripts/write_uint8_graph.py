"""Write a graph in a form that takes and gives 8-bit frames."""

from pathlib import Path

from superres.models.graphs.uint8.forms import write_form
from superres.scripting import script_job

with script_job(snakemake.log[0], snakemake.input, snakemake.output):
    write_form(Path(snakemake.input.onnx), Path(snakemake.output.onnx), snakemake.wildcards.form)
