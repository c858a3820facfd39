# What surrounds a run: the lock, what is shown while jobs run, and what is said at the end.
import atexit

from superres.study.check.notes import planned_notes
from superres.study.runs import during
from superres.study.runs.display import explain, show
from superres.study.runs.during import lock_study
from superres.study.runs.expected import Expected, describe_cost
from superres.study.runs.plan import Plan, PlannedJob
from superres.report.times import settle_times

EXPECTED = Expected(PATHS)
# Kept open for as long as Snakemake runs.
LOCK = None


def begin_run(names=()):
    """Keep a second run away from this study. The system frees the lock when this process ends.

    `names` are the rules of the run. Results that nobody can write to may be verified without it.
    """
    global LOCK
    if set(names) != {"verify"} or os.access(RESULTS, os.W_OK):
        with study_error():
            LOCK = lock_study(STUDY.name, Path(RESULTS))


def end_failed_run(logs):
    """Repeat the errors of failed jobs, as the last lines of the run."""
    groups = (
        [failed_job(job) for job in getattr(group, "jobs", [group])]
        for group in workflow.scheduler.failed
    )
    during.tell_failures(
        (job for group in groups for job in during.culprits(group)), logs
    )


def end_run():
    """Say at the end what this run brought."""
    video = STUDY.upscale and STUDY.upscale.output
    or_say(lambda: during.tell_end(workflow.dag.jobs, Path(RESULTS), video))


def lift_job_limit():
    """Lift the limit on submissions a second, which is for clusters and has no option that switches it off.

    For its sake Snakemake 9.27 looks at all ready jobs once more each second for every job that has finished
    (`JobScheduler.schedule`): after some hundred jobs that takes a processor of its own.
    """
    if workflow.local_exec:
        workflow.scheduler.job_rate_limiter = None


def planned_job(job, runs):
    """What is known of a job before it runs; a target without a script takes no time."""
    name, wildcards = job.rule.name, job.wildcards_dict
    record = workflow.persistence.metadata(job.output[0]) if job.output else None
    return PlannedJob(
        workflow.dag.jobid(job),
        name,
        wildcards,
        tuple(job.log),
        threads=job.threads,
        device=target if (target := wildcards.get("target")) in PATHS.devices else None,
        needs=frozenset(map(workflow.dag.jobid, workflow.dag.job_dependencies(job))),
        guess_s=EXPECTED.seconds(name, wildcards) if job.log else 0.0,
        past_s=record and during.seconds_between(record.starttime, record.endtime),
        runs=runs,
    )


def planned():
    """The jobs that will run, and what those that won't took."""
    needed = set(workflow.dag.needrun_jobs(exclude_finished=False))
    return Plan(
        (planned_job(job, job in needed) for job in workflow.dag.jobs), workflow.cores
    )


def tell_notes():
    """Say which ratios and columns there won't be, if what was asked for has any."""
    names = {job.rule.name for job in workflow.dag.jobs}
    for note in planned_notes(STUDY, names):
        during.tell(f"study {STUDY.name}: {note}\n")


def tell_cost():
    """Say at the end what a run would take that was only planned, and got as far as a scheduler."""
    plan = planned() if workflow.dryrun and workflow.scheduler else None
    if plan is not None and plan.jobs:
        tell_notes()
        sizes = [EXPECTED.bytes(job.rule, job.wildcards) for job in plan.jobs.values()]
        during.tell(f"{describe_cost(plan, sizes, STUDY.name)}\n")


def unknown():
    """A line for each target that this study doesn't make, with the nearest one that it does."""
    asked = workflow.dag_settings.targets if workflow.dag_settings else ()
    targets = [rule.name for rule in workflow.rules if not rule.output]
    known = [rule.name for rule in workflow.rules]
    lines = during.unknown_targets(asked, known, targets)
    jobs = workflow.dag.jobs if workflow.dag else ()
    return [*lines, *during.unknown_files(asked, jobs, workflow.rules)]


def tell_unknown():
    """Say these lines as the last ones of this process."""
    for line in unknown():
        during.tell(f"study {STUDY.name}: {line}\n")


if workflow.is_main_process:
    explain(workflow.logger_manager.get_log_handlers(), unknown, RESULTS)
    atexit.register(tell_unknown)
    atexit.register(tell_cost)
    for note in settle_times(Path(RESULTS)):
        print(f"study {STUDY.name}: {note}", file=sys.stderr)
