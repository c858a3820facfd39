"""A study: from its configuration to frozen models. Light: the workflow imports it for a dry run.

load.load_study(config, data) -> Study    DOOR: the one place in the package that sees a configuration
check.leave_out_missing, check_study      what can be known of a study's files before any work starts
keys/                                     every key, written once
reference.py                              writes docs/study.md and workflow/schemas/study.schema.json
"""
