"""What can follow a calibration; each step is a module with `apply(state, job) -> State`."""
