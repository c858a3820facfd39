from superres.study.runs.during import FailedJob
from superres.study.runs.slurm import SlurmWatch

# Listens on a cluster; a local run has none.
SLURM = None


def watch_cluster():
    """On a cluster, say in one line why the scheduler ended a job."""
    global SLURM
    if not workflow.local_exec:
        SLURM = SlurmWatch()
        logger.addHandler(SLURM)


def failed_job(job):
    """A job of Snakemake's that failed, as the end of the run tells it."""
    lost = SLURM.why(job.log) if SLURM else None
    return FailedJob(job.rule.name, job.wildcards_dict, list(job.log), lost)
