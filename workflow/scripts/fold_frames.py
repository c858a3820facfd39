"""Put the conversion from and to uint8 frames into an ONNX graph."""

from pathlib import Path

from superres.models.fold_frames import fold_frames
from superres.scripting import script_log

with script_log(snakemake.log[0]):
    fold_frames(Path(snakemake.input.onnx), Path(snakemake.output.onnx))
