"""The part that runs on a target, alone: Python 3.8 or later, numpy, the standard library and one runtime.

The door is `tasks.worker.run_job(job)`; `python -m superres.device JOB.json`
calls it in a process of its own.

job.py       a worker's job, as JSON
tasks/       tasks of jobs: build an engine; measure quality, latency, operations and the machine
runtimes/    runtimes of engines, one module each
timing/      frames timed in turn with a reference, and ratios of their times
frames/      frame files, pixels, PSNR
machine/     facts of a machine, its disturbances, memory, the state of a Jetson
base/        errors, outputs, progress
agent/       serves jobs to a host over an SSH connection
"""
