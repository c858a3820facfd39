"""Serves jobs on a device: what one SSH connection asks for, and an agent that outlives connections.

commands.py      the worker's file as a program: the room's door
serve.py         one connection: run a job, describe the device, clean up
watch.py         the agent: runs one job's worker
jobs.py          a job's folder
store.py         inputs by their hashes
connection.py    messages and files over a pair of pipes
locks.py         locks that end with their process
facts.py         what the device is and has
"""
