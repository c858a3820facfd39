"""Run jobs on their targets. The door is `run.run(job, device)`.

run.py         makes a job of a rule's files, and runs it here or on a device
local.py       runs the worker in a process of its own on this machine
outcome.py     how a worker ended
settings.py    the targets of a study
remote/        a device over SSH
"""
