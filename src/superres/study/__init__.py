"""A study: from the checked configuration to frozen dataclasses.

The one place in the package that sees a configuration dictionary. Light: the workflow imports it for a dry run.
"""
