"""The time that a run still takes."""

import pytest

from superres.study.runs.plan import Plan, PlannedJob, describe_seconds


def job(number: int, guess_s: float, **facts: object) -> PlannedJob:
    return PlannedJob(number, str(facts.pop("rule", "work")), guess_s=guess_s, **facts)  # pyright: ignore


def test_work_is_shared_by_the_cores_and_a_chain_is_not():
    side_by_side = [job(n, 10) for n in range(4)]
    assert Plan(side_by_side, 2).left_s() == pytest.approx(20)
    chain = [job(n, 10, needs=frozenset({n - 1})) for n in range(4)]
    assert Plan(chain, 2).left_s() == pytest.approx(40)
    # All cores for a timed job, also where it asks for more than there are.
    timed = [job(n, 10, threads=8) for n in range(4)]
    assert Plan(timed, 2).left_s() == pytest.approx(40)


def test_jobs_of_one_device_wait_for_each_other_and_devices_work_at_once():
    jobs = [job(n, 10, device="north" if n % 2 else "south") for n in range(6)]
    assert Plan(jobs, 2).left_s() == pytest.approx(30)
    # More cores than devices don't help.
    assert Plan(jobs, 8).left_s() == pytest.approx(30)
    assert Plan(jobs, 1).left_s() == pytest.approx(60)


def test_what_a_job_took_last_time_counts_more_than_a_guess():
    assert Plan([job(0, 10, past_s=300.0)], 1).left_s() == 300
    # A job that isn't run again says what others of its rule take on this machine.
    done = [job(n, 10, past_s=30.0, runs=False) for n in range(1, 100)]
    plan = Plan([job(0, 10), *done], 1)
    assert list(plan.jobs) == [0]
    assert plan.left_s() == pytest.approx(30, rel=0.01)


def test_a_slow_machine_is_noticed_while_it_works():
    jobs = [job(n, 10) for n in range(20)] + [job(20, 10, rule="other")]
    plan = Plan(jobs, 1)
    assert plan.left_s() == pytest.approx(210)
    for number in range(10):
        plan.start(number, 100.0 * number)
        plan.end(number, 100.0 * number + 40)
    # Ten of its rule took four times as long: so will the others, and most likely another rule's job.
    assert 10 * 38 + 30 < plan.left_s(1000.0) < 11 * 40


def test_jobs_that_failed_teach_nothing_and_are_over():
    plan = Plan([job(0, 10), job(1, 10)], 1)
    plan.start(0, 0.0)
    plan.end(0, 0.1, failed=True)
    plan.end(0, 0.1)
    assert plan.left_s(1.0) == pytest.approx(10)
    # A number that Snakemake gave to another job.
    plan.start(7, 0.0)
    plan.end(7, 0.0)
    assert plan.ended == {0}


def test_a_running_job_tells_its_own_end():
    plan = Plan([job(0, 10)], 1)
    plan.start(0, 0.0)
    assert plan.left_s(4.0) == pytest.approx(6)
    # Longer than expected, without a word: a bit longer still.
    assert plan.left_s(100.0) == pytest.approx(10)
    plan.progress(0, 1, 4)
    assert plan.left_s(100.0) == pytest.approx(300)
    # The first step of many says nothing yet.
    plan.progress(0, 1, 1000)
    assert plan.left_s(100.0) == pytest.approx(10)


def test_nothing_to_do():
    assert Plan([], 4).left_s() == 0
    assert Plan([job(0, 0.0)], 4).left_s() == 0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "1 s"),
        (99.4, "99 s"),
        (100, "2 min"),
        (5940, "99 min"),
        (6100, "1 h 42 min"),
        (90_000, "25 h 00 min"),
    ],
)
def test_a_time_for_people(seconds: float, text: str):
    assert describe_seconds(seconds) == text
