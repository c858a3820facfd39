"""Single layers. Doors: `sensitivity.measure_sensitivity`, `subsets.measure_subsets`, `subsets.time_subsets`,
`frontier.find_frontier`.

executor.py     runs a graph without an arm, in the form that arms have
sensitivity.py  the loss of each layer
subsets.py      loss and time with some layers in float
frontier.py     loss against time, and the choice by a budget
schema.py       the columns of their tables, and how tables name layers
"""
