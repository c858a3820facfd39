"""Every bad input gets one clear line and exit code 1, and earlier results stay as they were."""

import copy
import runpy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from snakemake.utils import update_config

from project_copy import ROOT, Project
from superres.device.base.errors import UserError
from superres.study.check.files import check_study
from superres.study.check.left_out import leave_out_missing
from superres.study.keys.study import Study
from superres.study.load import load_study

from .bad_inputs import KINDS as FIRST_KINDS
from .bad_inputs import BadInput, png
from .more_bad_inputs import KEYS, KINDS_OF_FILES, PLACES

KINDS = (*FIRST_KINDS, KEYS, PLACES, KINDS_OF_FILES)
BAD_INPUTS: dict[str, BadInput] = {name: bad for kind in KINDS for name, bad in kind.items()}
DEFAULT = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
OUTPUTS = {
    "prepare_clip": ("hr", "index"),
    "prepare_calibration_set": ("frames", "index"),
    "export_onnx": ("onnx",),
    "quantize_onnx": ("onnx", "record"),
    "convert_fp16": ("onnx",),
}


class Named(SimpleNamespace):
    """Inputs, outputs and parameters as a script sees them."""

    def __getitem__(self, name: str) -> Any:
        return getattr(self, name)


def read_study(text: str) -> Study:
    """The study as Snakemake reads it: laid over config.yaml, parsed and checked."""
    config = copy.deepcopy(DEFAULT)
    update_config(config, yaml.safe_load(text) or {})
    study = leave_out_missing(load_study(config))
    check_study(study)
    return study


def run_script(bad: BadInput) -> None:
    """Run the workflow's script as a job does, with the parameters that the rule takes from the study."""
    params = dict(bad.params)
    if bad.script.startswith("prepare_"):
        study = read_study(bad.study)
        source = next(iter(study.clips.values()))
        images = {"name": "a", "sources": [source.source]}
        sets = (study.calibration_sets.get("photographs"),)
        params = {"images": images if bad.script == "prepare_clip" else sets, "wheels": "."}
    job = Named(
        input=Named(**bad.inputs),
        output=Named(**{name: f"results/{name}" for name in OUTPUTS[bad.script]}),
        params=Named(**params),
        wildcards=Named(model="espcn_rgb"),
        log=["job.log"],
        threads=1,
    )
    runpy.run_path(str(ROOT / f"workflow/scripts/{bad.script}.py"), init_globals={"snakemake": job})


def line_of(bad: BadInput, capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that a bad input gets."""
    if not bad.script:
        with pytest.raises(UserError) as caught:
            read_study(bad.study)
        return str(caught.value)
    with pytest.raises(SystemExit) as ended:
        run_script(bad)
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert "Traceback" not in said and said == Path("job.log").read_text(encoding="utf-8")
    (line,) = (line for line in said.splitlines() if line.startswith("error: "))
    return line.removeprefix("error: ")


@pytest.mark.parametrize("name", BAD_INPUTS)
def test_one_line_says_what_is_wrong(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    bad = BAD_INPUTS[name]
    monkeypatch.chdir(tmp_path)
    Path("results").mkdir()
    for output in OUTPUTS.get(bad.script, ("metrics",)):
        Path("results", output).write_text("earlier", encoding="utf-8")
    bad.make()
    line = line_of(bad, capsys)
    assert line.isprintable() and len(line) < 700
    for part in bad.parts:
        assert part in line
    # What, where, expected and found: where is what stands before the first colon.
    assert ": " in line and ("expected" in line or "unknown key" in line)
    assert {path.read_text(encoding="utf-8") for path in Path("results").iterdir()} == {"earlier"}


def test_there_are_enough_of_every_kind():
    assert len(BAD_INPUTS) == sum(map(len, KINDS)) >= 120
    assert min(map(len, KINDS)) >= 5


COMMANDS = {
    "a study": (
        "latency: {min_seconds: .inf}\n",
        "study error: latency.min_seconds: expected a finite number",
    ),
    "no YAML": ("clips: [\n", "studies/bad.yaml: expected YAML, found in line 2"),
    "no mapping": (
        "- clips\n",
        "studies/bad.yaml: expected a study with keys such as `study: NAME`, found a",
    ),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_command_says_the_line_too(project: Project, name: str):
    text, expected = COMMANDS[name]
    earlier = project.folder / "results/bad/metrics.csv"
    earlier.parent.mkdir(parents=True)
    earlier.write_text("earlier")
    done = project.snakemake("--cores", "1", "all", "--configfile", project.write_study("bad", text))
    assert done.returncode != 0
    assert sum(expected in line for line in done.stdout.splitlines()) == 1, done.stdout
    assert "Traceback" not in done.stdout
    assert [path for path in (project.folder / "results").rglob("*") if path.is_file()] == [earlier]


def test_a_job_that_meets_a_broken_file_leaves_the_other_results(project: Project):
    """What is made anew Snakemake deletes first; all else stays, and nothing is half-written."""
    (project.folder / "photos").mkdir()
    whole = png()
    for name, content in (("a.png", whole), ("b.png", whole[:-900])):
        (project.folder / "photos" / name).write_bytes(content)
    two = "study: bad\nclips:\n" + "".join(
        f"  - {{name: {name}, source: {{type: images, path: photos, include: [{name}.png]}}}}\n"
        for name in "ab"
    )
    study = project.write_study("bad", two)
    frames = [f"results/bad/frames/{name}.hr.npy" for name in "ab"]
    done = project.snakemake("--cores", "1", "--keep-going", *frames, "--configfile", study)
    assert done.returncode != 0 and "Traceback" not in done.stdout
    errors = [line for line in done.stdout.splitlines() if line.startswith("error: ")]
    assert done.stdout.splitlines()[-1].startswith(
        "  prepare_clip role=frames clip=b: photos/b.png: expected"
    )
    assert len(errors) == 1 and "photos/b.png: expected an image that can be decoded" in errors[0]
    made = {path.name for path in (project.folder / "results/bad/frames").iterdir()}
    assert made == {"a.hr.npy", "a.json"}
