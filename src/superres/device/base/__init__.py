"""The base of all other rooms.

errors.py      errors that end a job without a result
outputs.py     files of tasks: outputs that appear together, JSON, CSV, SHA-256
progress.py    progress as lines on stderr
garbage.py     what Python's garbage collector needn't look through
conventions.py names and numbers that graphs, engines, ranges and training share
"""
