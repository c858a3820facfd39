"""Whether a runtime will run some precisions on this machine, without a model."""

import json
import sys
from typing import List

from superres.device.base.errors import UnsupportedError, UserError
from superres.device.runtimes import load_runtime


def main(arguments: List[str]) -> int:
    """Print a JSON object for a runtime and its precisions: `yes`, or why not."""
    runtime, precisions = arguments[0], arguments[1:]
    answers = {precision: answer(runtime, precision) for precision in precisions}
    sys.stdout.write(json.dumps(answers) + "\n")
    return 0


def answer(runtime: str, precision: str) -> str:
    """`yes`, or why a runtime won't run a precision here."""
    try:
        load_runtime(runtime).check_precision(precision)
    except (UnsupportedError, UserError, ImportError) as error:
        return f"no: {error}"
    return "yes"
