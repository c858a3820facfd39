"""A device over SSH. The door is `errand.run_on_device(job, device)`.

errand.py    a job there and back, through lost connections
parcel.py    a job as it travels: the worker, and files by their hashes
ssh.py       a connection by ssh
check.py     whether a device can be used, for people
"""
