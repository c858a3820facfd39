"""A study: from its configuration to frozen models. Light: dry runs import it.

The doors are `load.load_study(config, data)`, the only reader of a configuration, and `paths.Paths(study)`.

load.py            reads a study
messages.py        one line for its first mistake
check/             checks references and files before any work starts, and says what is left out
recipes.py         the recipes of the INT8 precisions
engines.py         graph and form of each engine
graph_paths.py     files from images to graphs
paths.py           files of arms, tables and plots
job_settings.py    settings of each job
facts.py           what a manifest says of an arm
comparisons.py     precisions that differ in one setting
reference.py       writes docs/study.md and workflow/schemas/study.schema.json
keys/              every key, written once
"""
