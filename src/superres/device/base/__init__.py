"""What everything stands on.

errors.py      the two ways in which a job ends without a result
outputs.py     outputs that appear together; JSON and CSV
progress.py    progress as lines on stderr
hashes.py      SHA-256 of files
cache.py       where this machine keeps what it need not work out again
int8.py        the largest values of INT8 and UINT8
"""
