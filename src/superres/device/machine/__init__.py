"""The machine that an arm runs on.

facts.py               processor, memory, system
runtime_versions.py    what an engine on this machine depends on besides its graph
disturbance.py         what else the machine does while something is timed
memory.py              memory of this process
jetson.py              power mode, clocks, temperatures and power of a Jetson
"""
