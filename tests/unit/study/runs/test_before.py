"""The user's environment is put in order before anything reads it."""

import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from project_copy import ROOT
from superres.device.base.errors import UserError
from superres.study.runs.before import prepare_run, read_study, settle_environment


def test_variables_of_the_users_that_no_job_may_depend_on_are_gone(tmp_path: Path):
    kept = {"XDG_CACHE_HOME": str(tmp_path), "PATH": "/bin", "LC_ALL": "de_DE.UTF-8", "OMP_NUM_THREADS": "3"}
    hostile = {"MPLBACKEND": "nonsense", "MATPLOTLIBRC": "/nonexistent", "PYTHONOPTIMIZE": "2"}
    # Another product in numpy; no program of PyTorch; a crash of OpenVINO.
    hostile |= {"OPENBLAS_CORETYPE": "Prescott", "PYTORCH_JIT": "0", "ONEDNN_MAX_CPU_ISA": "AVX2"}
    environ = kept | hostile
    settle_environment(environ)
    assert environ == kept | {"PYTHONUTF8": "1"}


def test_an_error_instead_of_a_warning_ends_no_job():
    environ = {"PYTHONWARNINGS": "error", "XDG_CACHE_HOME": os.environ.get("TMPDIR", "/tmp")}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        settle_environment(environ)
        warnings.warn("old", DeprecationWarning, stacklevel=1)
        with pytest.warns(UserWarning):
            warnings.warn("shown", UserWarning, stacklevel=1)
    assert "PYTHONWARNINGS" not in environ


@pytest.mark.parametrize("home", ["/proc/none", "/dev/null", None], ids=["read-only", "a file", "none"])
def test_caches_have_a_folder_without_a_home(
    home: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("os.path.expanduser", lambda path: path.replace("~", home or "~"))
    environ = {} if home is None else {"HOME": home}
    settle_environment(environ)
    folder = tmp_path / ".snakemake/home"
    assert environ["XDG_CACHE_HOME"] == environ["MPLCONFIGDIR"] == str(folder)
    # Settings of others, such as pip's, stay those of the user.
    assert environ["HOME"] == (home or str(folder))
    assert not (tmp_path / "~").exists()


def test_python_starts_again_in_utf_8(tmp_path: Path):
    """Under a locale of another encoding, whose Python can't be told so while it runs."""
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\nfrom pathlib import Path\nfrom superres.study.runs.before import prepare_run\n"
        f"prepare_run(sys.argv[1:], Path({str(ROOT)!r}))\nprint(sys.flags.utf8_mode, sys.argv[1:])\n"
    )
    variables = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(
        [sys.executable, str(script), "a b", "c"],
        env={**os.environ, **variables, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "1 ['a b', 'c']\n", done.stderr


def test_python_in_a_folder_with_blanks_is_one_word_of_a_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "config.yaml").write_text("study: a\n")
    python = tmp_path / "it's a folder/python"
    python.parent.mkdir()
    python.symlink_to(sys.executable)
    monkeypatch.setattr(sys, "executable", str(python))
    for _ in range(2):
        prepare_run([], tmp_path)
        # As Snakemake starts a job.
        command = f"{sys.executable} -c 'import sys; print(sys.executable)'"
        done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
        assert done.stdout == f"{python}\n", done.stderr


@pytest.mark.parametrize("call", [["--config", "a=1", "all"], ["-C", "a=1", "b", "--cores", "2"]])
def test_a_target_behind_config_is_named(call: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "config.yaml").write_text("study: a\n")
    with pytest.raises(SystemExit) as ended:
        prepare_run(call, tmp_path)
    said = f"expected NAME=VALUE, found {call[2]!r}; name targets before --config"
    assert ended.value.code == f"study error: --config: {said}"


@pytest.mark.parametrize("option", ["--configfile", "--configfiles"])
def test_studies_of_a_call_are_checked(option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "config.yaml").write_text("study: a\n")
    (tmp_path / "bad.yaml").write_bytes(b"\xff\xfe")
    prepare_run(["-n", "all", "--config", "a=1"], tmp_path)
    for call in ([option, str(tmp_path / "bad.yaml")], [f"{option}={tmp_path / 'bad.yaml'}", "-n"]):
        with pytest.raises(SystemExit) as ended:
            prepare_run(["all", *call], tmp_path)
        assert str(ended.value.code).startswith("study error: ") and "UTF-16" in str(ended.value.code)


def test_a_folder_with_braces_is_no_place_for_scripts(tmp_path: Path):
    with pytest.raises(UserError, match=r"a\{b\}: expected a folder of the Snakefile without \{ and \}"):
        read_study({}, [], typed={}, root=tmp_path / "a{b}", own_environments=False)
    with pytest.raises(UserError, match=r"caf\\xe9': expected a folder whose path is UTF-8"):
        root = Path(os.fsdecode(b"/caf\xe9"))
        read_study({}, [], typed={}, root=root, own_environments=False)
