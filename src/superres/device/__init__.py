"""What runs on a target: Python 3.8 or later, numpy, the standard library and one runtime."""
