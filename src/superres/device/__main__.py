"""`python -m superres.device JOB.json` runs a job."""

import sys

from superres.device.tasks.worker import main

sys.exit(main(sys.argv[1:]))
