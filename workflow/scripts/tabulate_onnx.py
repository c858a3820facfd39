"""Turn a Q/DQ graph with power-of-two scales into tables of whole numbers."""

from pathlib import Path

from superres.quantization.fixed_point import tabulate_onnx
from superres.scripting import script_log

with script_log(snakemake.log[0]):
    tabulate_onnx(Path(snakemake.input.onnx), Path(snakemake.output.tables))
