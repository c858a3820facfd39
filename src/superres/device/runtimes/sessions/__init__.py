"""Code that calls the packages of runtimes; it needs them and numpy, and is imported with an engine."""
