"""What executes an engine: one module for each runtime."""
