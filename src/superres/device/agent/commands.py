"""The worker's file as a program: `serve` a connection, watch a job as its `agent`, `work` on one, `probe` a runtime."""

import sys
from typing import List


def main(arguments: List[str]) -> int:
    """Run a command; returns the exit code."""
    command, rest = arguments[0], arguments[1:]
    # Each imports what it needs: only a worker needs numpy.
    if command == "serve":
        from superres.device.agent import serve

        return serve.main(*rest)
    if command == "agent":
        from superres.device.agent import watch

        return watch.main(rest)
    if command == "probe":
        from superres.device.agent import probe

        return probe.main(rest)
    from superres.device.tasks import worker

    return worker.main(rest)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
