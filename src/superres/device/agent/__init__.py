"""Serve jobs on a device: one SSH connection, and an agent that outlives it.

commands.py      the worker's file as a program: the room's door
serve.py         one connection: run a job, describe the device, clean up
watch.py         the agent: runs one job's worker
jobs.py          a job's folder, and locks that end with their process
store.py         inputs by their hashes
connection.py    messages and files over a pair of pipes
facts.py         what the device is and has
"""
