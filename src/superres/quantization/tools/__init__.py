"""Others' quantisers, each with the FP32 graph in and its own Q/DQ graph out."""
