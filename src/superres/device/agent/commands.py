"""The worker's file as a program, with the commands `serve`, `agent`, `work` and `probe`."""

import json
import sys
from typing import List

from superres.device.base.errors import UnsupportedError, UserError
from superres.device.runtimes import load_runtime


def main(arguments: List[str]) -> int:
    """Run a command; returns the exit code."""
    command, rest = arguments[0], arguments[1:]
    # Imports are local: only a worker needs numpy.
    if command == "serve":
        from superres.device.agent import serve

        return serve.main(*rest)
    if command == "agent":
        from superres.device.agent import watch

        return watch.main(rest)
    if command == "probe":
        return probe(rest[0], rest[1:])
    from superres.device.tasks import worker

    return worker.main(rest)


def probe(runtime: str, precisions: List[str]) -> int:
    """Print a JSON object: for each precision `yes`, or why the runtime won't run it here."""
    answers = {precision: will_run(runtime, precision) for precision in precisions}
    sys.stdout.write(json.dumps(answers) + "\n")
    return 0


def will_run(runtime: str, precision: str) -> str:
    """Return `yes`, or why a runtime won't run a precision here, as far as is known without a model."""
    try:
        load_runtime(runtime).check_precision(precision)
    except (UnsupportedError, UserError, ImportError) as error:
        return f"no: {error}"
    return "yes"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
