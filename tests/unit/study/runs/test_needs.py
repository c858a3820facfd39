"""Every job that a cluster may run says what it needs, and asks for more when it is tried again."""

import re
from pathlib import Path

import pytest

from superres.study.runs.needs import NEEDS, needs

ROOT = Path(__file__).parents[4]
RULE = re.compile(r"^( *)rule (\w+):\n(.*?)(?=^\1\S|\Z)", re.M | re.S)
LOCAL = re.compile(r"^localrules:\n(.*?)^$", re.M | re.S)


def rules() -> dict[str, str]:
    """Return the text of each rule that isn't local, by name."""
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "Snakefile", *ROOT.glob("rules/*.smk"))]
    local = {name for text in texts for block in LOCAL.findall(text) for name in re.findall(r"\w+", block)}
    found = {name: body for text in texts for _, name, body in RULE.findall(text)}
    assert len(local) > 10
    return {name: body for name, body in found.items() if name not in local}


@pytest.mark.parametrize("name", sorted(rules()))
def test_a_rule_states_its_own_needs(name: str):
    assert f'resources:\n        **needs("{name}"),' in rules()[name].replace("    " * 3, "    " * 2)


def test_needs_are_those_of_rules():
    assert set(NEEDS) <= set(rules())


def test_what_takes_all_cores_by_the_clock_is_alone():
    timed = {name for name, body in rules().items() if name.startswith(("time_", "measure_")) and ALL in body}
    assert timed == {name for name, need in NEEDS.items() if need.alone}
    assert len(timed) == 4


ALL = "threads: workflow.cores"


def test_a_second_attempt_asks_for_twice_as_much():
    first, second = (
        {name: call(None, attempt) for name, call in needs("measure_quality").items() if callable(call)}
        for attempt in (1, 2)
    )
    assert first == {"mem_mb": 2000, "runtime": 120}
    assert second == {"mem_mb": 4000, "runtime": 240}


def test_a_timed_job_asks_for_a_whole_node_and_no_other_does():
    assert needs("measure_latency")["slurm_extra"] == "--exclusive"
    assert "slurm_extra" not in needs("measure_quality")


def test_without_a_second_attempt_needs_are_numbers():
    assert needs("measure_quality", again=False) == {"mem_mb": 2000, "runtime": 120}
    assert needs("measure_latency", again=False)["slurm_extra"] == "--exclusive"
