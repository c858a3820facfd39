"""The machine that runs an arm.

facts.py          processor, memory, system, and the memory of this process
disturbance.py    load, clocks and other processes during a measurement
jetson.py         power mode, clocks, temperatures and throttling of a Jetson
power.py          power of a Jetson's rails while an arm runs
"""
