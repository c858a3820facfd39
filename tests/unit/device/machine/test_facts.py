"""Facts of the machine, and hashes."""

import json
import os
import platform

from superres.device.base.hashes import sha256_file
from superres.device.machine.disturbance import describe_load
from superres.device.machine.facts import describe_machine, usable_cpus


def test_facts_are_there_and_name_no_machine():
    facts = describe_machine()
    text = json.dumps(facts)
    assert facts["cpu"]
    assert facts["architecture"] == platform.machine()
    assert 1 <= facts["usable_cpus"] <= facts["cpus"]
    assert facts["memory_bytes"] > 2**28
    assert platform.node() not in text


def test_affinity_limits_the_usable_cpus():
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert usable_cpus() == 1
        assert describe_load()["usable_cpus"] == 1
    finally:
        os.sched_setaffinity(0, allowed)


def test_sha256_is_that_of_the_standard(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    (tmp_path / "a").write_bytes(b"a" * 1_000_000)
    # Both from FIPS 180-2, appendix B.
    assert sha256_file(tmp_path / "abc").startswith("ba7816bf8f01cfea414140de5dae2223b00361a3")
    assert sha256_file(tmp_path / "a").startswith("cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e")
