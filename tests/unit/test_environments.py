"""Pins stand in several files for several installers; they have to agree."""

import importlib.util
import re
from pathlib import Path

import pytest
import yaml

ENVS = Path(__file__).parents[2] / "envs"
RULES = Path(__file__).parents[2] / "rules"


def pins(name: str) -> set[str]:
    lines = (ENVS / name).read_text(encoding="utf-8").splitlines()
    return {line.split(";")[0].strip() for line in lines if line and not line.startswith(("#", "-"))}


@pytest.mark.parametrize(
    "name",
    [
        "requirements.txt",
        "dev.txt",
        "requirements.in",
        "dev.in",
        "uv.txt",
        "types.txt",
        "checkpoints.txt",
        "gpu.txt",
        "cluster.txt",
        "others.in",
        "others.txt",
    ],
)
def test_every_requirement_is_pinned_and_names_no_address(name: str):
    for pin in pins(name):
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", pin), pin


@pytest.mark.parametrize(
    "asked, locked",
    [("requirements.in", "requirements.txt"), ("dev.in", "dev.txt"), ("others.in", "others.txt")],
)
def test_lock_holds_what_is_asked_for(asked: str, locked: str):
    assert pins(asked) <= pins(locked)


def test_a_card_gets_what_the_tests_run():
    assert pins("gpu.txt") <= pins("dev.txt")


def test_nvidias_packages_are_asked_for_only_where_there_are_any():
    for name in ("dev.in", "dev.txt"):
        lines = (ENVS / name).read_text(encoding="utf-8").splitlines()
        nvidia = [line for line in lines if line.startswith(("nvidia-", "tensorrt-"))]
        assert len(nvidia) >= 2
        for line in nvidia:
            assert "sys_platform == 'linux'" in line and "platform_machine == 'x86_64'" in line


def test_both_locks_agree():
    versions = dict(pin.split("==") for pin in pins("dev.txt"))
    shared = {pin for pin in pins("requirements.txt") if pin.split("==")[0] in versions}
    assert shared <= pins("dev.txt") | {pin for pin in shared if pin.startswith(("contourpy", "networkx"))}


def test_what_others_tools_need_leaves_the_pipelines_own_versions_alone():
    ours = dict(pin.split("==") for pin in pins("requirements.txt"))
    theirs = dict(pin.split("==") for pin in pins("others.txt"))
    differing = {
        name
        for name in ours.keys() & theirs.keys()
        if f"{name}=={theirs[name]}" not in pins("requirements.txt")
    }
    # networkx has two pins here, and the older one is NNCF's.
    assert differing == set()
    assert {"numpy", "networkx"} <= ours.keys() & theirs.keys()
    assert not {"onnx", "onnxruntime", "openvino", "torch"} & theirs.keys()


def test_conda_file_has_the_same_pins():
    dependencies = yaml.safe_load((ENVS / "workflow.yaml").read_text(encoding="utf-8"))["dependencies"]
    pip = next(entry["pip"] for entry in dependencies if isinstance(entry, dict))
    assert pip == (ENVS / "requirements.txt").read_text(encoding="utf-8").splitlines()


def test_contributing_says_why_each_requirement_is_there():
    lines = (ENVS.parent / "CONTRIBUTING.md").read_text(encoding="utf-8").splitlines()
    named = {
        name.strip() for line in lines if line.startswith("| ") for name in line.split("|")[1].split(",")
    }
    assert {pin.split("==")[0] for pin in pins("requirements.in")} <= named


def test_every_rule_with_a_script_names_its_environment():
    for path in RULES.glob("*.smk"):
        for rule in re.split(r"^rule ", path.read_text(encoding="utf-8"), flags=re.M)[1:]:
            if "script:" in rule:
                assert re.search(r'conda:\s+"\.\./envs/workflow\.yaml"', rule), rule


def test_every_script_is_called_by_the_rule_of_its_name():
    rules = {
        name: body
        for path in RULES.glob("*.smk")
        for name, body in re.findall(
            r"^ *rule (\w+):(.*?)(?=^ *rule |\Z)", path.read_text(encoding="utf-8"), flags=re.M | re.S
        )
        # `recommend` only asks for files.
        if "script:" in body
    }
    scripts = {path.stem for path in (RULES.parent / "workflow/scripts").glob("*.py")}
    assert scripts == set(rules)
    for name, body in rules.items():
        assert f"scripts/{name}.py" in body
        assert f"/{name}" in body.split("log:")[1]
        assert "threads:" in body


@pytest.mark.parametrize(
    "name", ["snakemake.dag", "torch", "superres.study.keys.study", "sqlalchemy.sql.schema"]
)
def test_the_environment_has_bytecode(name: str):
    """Where Python writes none, each of a study's hundreds of processes would compile what it imports."""
    spec = importlib.util.find_spec(name)
    assert spec is not None and Path(spec.cached or "").is_file(), "run make setup"
