"""A job on the target that it is meant for."""

from superres.device.job import Job
from superres.targets import local
from superres.targets.remote import errand as remote
from superres.targets.settings import Device, Target


def run(job: Job, target: Target) -> None:
    """Run a job here or on a device, and wait for its outputs; what the worker says goes to stderr.

    Raises UserError for a user's mistake and for a device
    that can't be used, RuntimeError for a worker that broke.
    """
    if isinstance(target, Device):
        remote.run_on_device(job, target)
    else:
        local.run_here(job)
