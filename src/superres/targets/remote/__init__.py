"""A device over SSH. The door is `errand.run_on_device(job, device)`.

errand.py    a job there and back, through lost connections
parcel.py    a job as it travels
pack.py      the worker as one file
ssh.py       a connection by ssh
check.py     whether a device can be used, for people
hashes.py    SHA-256 of inputs, remembered while a file is the same
"""
