"""Code that the runtimes `tensorrt` and `tensorrt_rtx` share; it checks features, not versions."""
