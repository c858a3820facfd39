"""What runs on a target, alone: Python 3.8 or later, numpy, the standard library and one runtime.

The door is `tasks.worker.run_job(job)`; `python -m
superres.device JOB.json` opens it in a process of its own.

job.py       a job: what a worker is asked to do, as JSON that can travel
tasks/       what a job can ask for: build an engine, measure quality, latency, operations and the machine
runtimes/    what executes an engine, one module for each runtime
timing/      frames timed in turn with a reference, and ratios of what was timed
frames/      frame files, pixels, PSNR
machine/     facts of a machine, what disturbs a timing, memory, the state of a Jetson
base/        errors, outputs, progress, hashes: what everything stands on
agent/       serves jobs to a host on the other side of an SSH connection
"""
