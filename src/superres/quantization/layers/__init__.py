"""Single layers. Doors: `sensitivity.measure_sensitivity`, `subsets.measure_subsets`, `subsets.time_subsets`,
`frontier.find_frontier`.

layers.py       which layers are quantised, by name, and what of them
executor.py     runs a graph that no arm is made of, in the form that arms have
sensitivity.py  what each layer loses
subsets.py      loss and time with some layers in float
frontier.py     loss against time, and the choice by a budget
schema.py       the columns of their tables
"""
