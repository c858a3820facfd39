"""Put the conversion from and to uint8 frames into an ONNX graph, as TensorRT reads it."""

from pathlib import Path

from superres.models.graphs.uint8.casts import fold_casts
from superres.scripting import script_log

with script_log(snakemake.log[0]):
    fold_casts(Path(snakemake.input.onnx), Path(snakemake.output.onnx))
