"""Put the conversion from and to uint8 frames into an ONNX graph, in each of several forms."""

from pathlib import Path

from superres.models.graphs.uint8.forms import FORMS
from superres.scripting import script_log

with script_log(snakemake.log[0]):
    for form, out in snakemake.output.items():
        FORMS[form](Path(snakemake.input.onnx), Path(out))
