"""The code and the libraries behind a result."""

import ast
import cProfile
import hashlib
import pstats
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from superres import code_version
from superres.code_version import (
    ROOT,
    Checkout,
    code_commit,
    code_digest,
    describe_code,
    describe_libraries,
    find_checkout,
    libraries_behind,
    modules_behind,
)


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b.c")
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """This code in a folder of its own."""
    path = tmp_path / "src/code_version.py"
    path.parent.mkdir()
    shutil.copy(code_version.__file__, path)
    monkeypatch.setattr(code_version, "__file__", str(path))
    return path


def test_commit_with_and_without_changes(tmp_path: Path, module: Path):
    assert code_commit() == "unknown" and find_checkout() == Checkout(None, None)
    git(tmp_path, "init", "-q")
    # A repository around this code that doesn't have it.
    assert find_checkout() == Checkout(None, None)
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "all")
    commit = git(tmp_path, "rev-parse", "HEAD")
    assert find_checkout() == Checkout(commit, False) and code_commit() == commit
    (tmp_path / "docs.md").write_text("decides over nothing")
    assert find_checkout().changed is False
    module.write_text("changed")
    assert find_checkout() == Checkout(commit, True) and code_commit() == f"{commit}+changes"


@pytest.mark.parametrize("path", ["rules/new.smk", "workflow/scripts/new.py", "src/new.py", "Snakefile"])
def test_a_new_file_is_a_change(tmp_path: Path, module: Path, path: str):
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "all")
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).write_text("new")
    assert find_checkout().changed is True


def test_commit_without_git_installed_is_unknown(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "")
    assert code_commit() == "unknown"


def test_code_is_named_by_its_content_without_git(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(code_version, "ROOT", tmp_path)
    for name in "ab":
        (tmp_path / f"{name}.py").write_text(name)
    code = describe_code(["b.py", "a.py", "gone.py"])
    digests = {f"{name}.py": hashlib.sha256(name.encode()).hexdigest() for name in "ab"}
    assert (code["commit"], code["changed"], code["modules"]) == (None, None, digests)
    # What sha256sum prints of both files.
    text = f"{digests['a.py']}  a.py\n{digests['b.py']}  b.py\n"
    assert code["sha256"] == hashlib.sha256(text.encode()).hexdigest()


def test_libraries_are_named_as_they_are_installed():
    found = describe_libraries(["cv2", "PIL", "numpy"])
    names = ("numpy", "opencv-python-headless", "pillow")
    assert {name: found[name] for name in names} == {name: metadata.version(name) for name in names}
    assert next(iter(found)) == "python" and "torch" not in found


# Modules behind others.


@pytest.mark.parametrize("entry", ["study/check/files.py", "data/clips.py", "device/frames/psnr.py"])
def test_all_that_python_loads_is_named(entry: str):
    name = "superres." + entry.removesuffix(".py").replace("/", ".")
    program = (
        f"import sys, {name}\n"
        "print(*[m.__file__ for n, m in sys.modules.items() if n.startswith('superres.')])"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout
    files = {file.removeprefix(f"{ROOT}/") for file in loaded.split() if not file.endswith("__init__.py")}
    assert entry in files
    assert files <= set(modules_behind(entry))


def test_nothing_else_is_named():
    assert "models/networks.py" not in modules_behind("data/clips.py")
    assert all((ROOT / path).is_file() for path in modules_behind("data/clips.py"))


def test_imports_inside_functions_count():
    assert "data/sources/pictures.py" in modules_behind("data/sources/images.py")
    # Every kind of source stands behind a clip.
    assert {"data/sources/y4m.py", "data/video/yuv.py"} <= set(modules_behind("data/clips.py"))


def test_missing_module_is_an_error():
    with pytest.raises(FileNotFoundError):
        modules_behind("data/clips_of_old.py")


def test_libraries_are_those_that_are_imported_anywhere_in_a_module():
    # torch only inside functions; hashlib and pathlib are Python's own, superres is this package.
    assert libraries_behind(["device/tasks/roofline.py"]) == ["numpy", "torch"]
    assert libraries_behind(["data/sources/reading.py", "report/tables/paper_table1.csv"]) == ["numpy"]


def test_a_file_is_parsed_once_for_all_rules(monkeypatch: pytest.MonkeyPatch):
    """A dry run asks for the code of every job: parsing is most of what that costs."""
    for cached in (code_version._read, code_version._closure):
        cached.cache_clear()
    parsed: list[bytes] = []
    parse = ast.parse
    monkeypatch.setattr(ast, "parse", lambda source: parsed.append(source) or parse(source))
    for entry in ("data/clips.py", "device/tasks/quality.py", "data/clips.py", "report/verify.py"):
        code_digest(entry)
        modules_behind(entry)
    assert len(parsed) == len(set(parsed)) > 20


def test_a_digest_takes_one_pass_over_the_code():
    """Counted, not timed: a dry run takes the digests of 120 modules."""
    for cached in (code_version._read, code_version._closure):
        cached.cache_clear()
    with cProfile.Profile() as profile:
        code_digest("study/check/files.py")
    modules = [ROOT / module for module in modules_behind("study/check/files.py") if module.endswith(".py")]
    nodes = sum(1 for module in modules for _ in ast.walk(ast.parse(module.read_bytes())))
    # 13 calls a node here, 37 in three passes.
    assert pstats.Stats(profile).total_calls < 20 * nodes  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize(
    "edit, counts",
    [
        ('"""Adds."""\nSTEP = Field(1, description="How far.")\n', False),
        ('"""Adds one."""\n\n\nSTEP = Field(1)  # by default\n"""Its step."""\n', False),
        ('"""Adds one."""\nSTEP = Field(2, description="How much is added.")\n', True),
        ('"""Adds one."""\nSTEP = Field(1, default="How much is added.")\n', True),
    ],
)
def test_a_digest_is_of_what_is_computed_and_not_of_what_people_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, edit: str, counts: bool
):
    monkeypatch.setattr(code_version, "ROOT", tmp_path)
    module = tmp_path / "step.py"

    def digest(text: str) -> str:
        module.write_text(text, encoding="utf-8")
        for cached in ("_read", "_closure"):
            getattr(code_version, cached).cache_clear()
        return code_digest("step.py")

    before = digest('"""Adds one."""\nSTEP = Field(1, description="How much is added.")\n')
    assert (digest(edit) != before) == counts
