"""The base of all other rooms.

errors.py      errors that end a job without a result
outputs.py     files of tasks: outputs that appear together, JSON, CSV, SHA-256
progress.py    progress as lines on stderr
int8.py        the largest values of INT8 and UINT8
"""
