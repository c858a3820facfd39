"""What the runtimes `tensorrt` and `tensorrt_rtx` share;
each part decides by what the module has, not by its version.
"""
