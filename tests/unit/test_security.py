"""No study, archive or foreign file can make this code run commands, leave its folders or leak secrets."""

import ast
import os
import pickle
import re
import zipfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from snakemake.common.configfile import load_configfile

from superres.data.sources.registry import check_source
from superres.data.sources.source import FILES, Source
from superres.data.sources.y4m import Y4m
from superres.data.sources.zip_images import ZipImages, zip_members
from superres.device.base.errors import UserError
from superres.device.frames.files import open_frames
from superres.models.networks import build_network
from superres.models.training.checkpoint import load_checkpoint, save_checkpoint
from superres.models.weights import load_weights
from superres.quantization.ranges.observation import read_observed
from superres.study.check.files import check_study
from superres.study.check.left_out import leave_out_missing
from superres.study.load import load_study

ROOT = Path(__file__).parents[2]
FOLDERS = ("src", "workflow/scripts", "benchmarks", "docs/make")
SOURCES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
RULES = [ROOT / "Snakefile", *sorted((ROOT / "rules").rglob("*.smk"))]


@cache
def tree(path: Path) -> ast.AST:
    return ast.parse(path.read_text(encoding="utf-8"))


def calls() -> Iterator[tuple[str, str, ast.Call]]:
    """Every call in the code: where it is, what is called (dotted), and the call."""
    for path in SOURCES:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Call):
                yield f"{path.relative_to(ROOT)}:{node.lineno}", ast.unparse(node.func), node


def constant(call: ast.Call, name: str) -> object:
    """The constant value of a keyword of a call."""
    return next(
        (k.value.value for k in call.keywords if k.arg == name and isinstance(k.value, ast.Constant)), None
    )


def imports() -> Iterator[tuple[str, str]]:
    for path in SOURCES:
        for node in ast.walk(tree(path)):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            yield from ((str(path.relative_to(ROOT)), name.partition(".")[0]) for name in names)


# Pickles.


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, mark: Path):
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return os.mkdir, (str(self.mark),)


def npy(path: Path, bomb: Bomb) -> None:
    with path.open("wb") as file:
        np.save(file, np.array([bomb], object), allow_pickle=True)


def npz(path: Path, bomb: Bomb) -> None:
    with path.open("wb") as file:
        np.savez(file, bomb=np.array([bomb], object))


def in_torch(path: Path, bomb: Bomb) -> None:
    torch.save({"identity": "{}", "state": bomb}, path)


def plain(path: Path, bomb: Bomb) -> None:
    path.write_bytes(pickle.dumps(bomb))


READERS = {
    "frames": (npy, open_frames),
    "statistics": (npz, lambda path: read_observed(path, None)),
    "checkpoint": (in_torch, lambda path: load_checkpoint(path, {})),
    "bare checkpoint": (plain, lambda path: load_checkpoint(path, {})),
    "weights": (plain, lambda path: load_weights(build_network("espcn_rgb"), path)),
    "weights by torch": (in_torch, lambda path: load_weights(build_network("espcn_rgb"), path)),
}


@pytest.mark.parametrize("name", READERS)
def test_no_pickle_is_loaded(name: str, tmp_path: Path):
    write, read = READERS[name]
    write(tmp_path / "file", Bomb(tmp_path / "mark"))
    with pytest.raises(UserError):
        read(tmp_path / "file")
    assert not (tmp_path / "mark").exists()


def test_the_bomb_is_one(tmp_path: Path):
    pickle.loads(pickle.dumps(Bomb(tmp_path / "mark")))
    assert (tmp_path / "mark").exists()


def test_an_own_checkpoint_is_read(tmp_path: Path):
    save_checkpoint({"step": 3, "weights": torch.ones(2)}, {"model": "a"}, tmp_path / "c.pt")
    assert load_checkpoint(tmp_path / "c.pt", {"model": "a"})["step"] == 3


def test_no_code_could_load_a_pickle():
    loaders = {"pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
    # The one that names the error of a checkpoint that holds anything but tensors and plain values.
    assert {path for path, name in imports() if name in loaders} == {
        "src/superres/models/training/checkpoint.py"
    }
    found = {"np.load": 0, "torch.load": 0}
    for where, name, call in calls():
        assert not name.startswith("pickle."), where
        if name in ("np.load", "numpy.load"):
            assert constant(call, "allow_pickle") is False, where
            found["np.load"] += 1
        if name == "torch.load":
            assert constant(call, "weights_only") is True and "checkpoint" in where, where
            found["torch.load"] += 1
        assert name not in ("np.save", "np.savez") or constant(call, "allow_pickle") is not True, where
    assert min(found.values()) >= 1


# YAML.


def test_yaml_makes_no_objects(tmp_path: Path):
    text = f"study: !!python/object/apply:os.mkdir ['{tmp_path / 'mark'}']\n"
    (tmp_path / "study.yaml").write_text(text)
    # As Snakemake reads a study.
    with pytest.raises(Exception, match=r"could not determine a constructor|not valid JSON or YAML"):
        load_configfile(tmp_path / "study.yaml")
    assert not (tmp_path / "mark").exists()


def test_yaml_is_read_by_the_safe_loader_only():
    used = {name for _, name, _ in calls() if name.startswith("yaml.")}
    # compose makes nodes, and no objects of them.
    assert used == {"yaml.safe_load", "yaml.safe_dump", "yaml.compose"}


# Shells.


def test_no_shell_is_ever_called():
    forbidden = {
        "os.system",
        "os.popen",
        "subprocess.getoutput",
        "subprocess.getstatusoutput",
        "eval",
        "exec",
        "shell",
    }
    for where, name, call in calls():
        # Python starts itself again, by its own path, where it needs another encoding.
        restart = name == "os.execv" and ast.unparse(call.args[0]) == "sys.executable"
        assert restart or not name.startswith(("os.exec", "os.spawn")), where
        assert name not in forbidden, where
        assert constant(call, "shell") in (None, False), where
        if name in ("subprocess.run", "subprocess.Popen"):
            # A list of arguments, or a name for one: never a text that a shell might take apart.
            assert isinstance(call.args[0], ast.List | ast.Name), where
    for path in RULES:
        text = path.read_text(encoding="utf-8")
        assert re.findall(r"^\s*(shell|run|wrapper|cwl|notebook)\s*:|\bshell\(", text, flags=re.M) == [], path


def test_what_a_shell_would_run_is_only_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    for path in ("$(mkdir mark).y4m", "`mkdir mark`.y4m", "a.y4m; mkdir mark", "a.y4m|mkdir mark", "-o mark"):
        with pytest.raises(UserError, match=re.escape(f"expected a file at {path}, found nothing")):
            check_source(Source(Y4m(path=path)))
    assert list(tmp_path.iterdir()) == []


# Names that become parts of paths.

LEADING_OUT = (
    "../up",
    "..",
    "/etc/passwd",
    "a/b",
    "a\\b",
    "",
    ".",
    ".hidden",
    "a\n",
    "~",
    "a\0b",
    "-a/../../b",
)
DEFAULT = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
FILE = {"name": "a.y4m", "url": "http://a.b/a.y4m", "bytes": 9, "sha256": "0" * 64}
SOURCE = {"type": "images", "path": "a"}
NAMED = {
    "study": lambda name: {"study": name},
    "file": lambda name: {"files": [{**FILE, "name": name}]},
    "clip": lambda name: {"clips": [{"name": name, "source": SOURCE}]},
    "calibration set": lambda name: {
        "calibration_sets": [{"name": name, "width": 16, "height": 16, "sources": [SOURCE]}]
    },
    "training set": lambda name: {"training_sets": [{"name": name, "sources": [SOURCE]}]},
    "calibration": lambda name: {"calibrations": [{"name": name, "method": "fixed"}]},
    "quantization": lambda name: {"quantizations": [{"name": name, "recipe": "minmax"}]},
    "precision": lambda name: {"runtimes": [{"name": "openvino", "precisions": [f"int8-{name}"]}]},
    "package": lambda name: {"packages": [{"name": name}]},
    "version": lambda name: {"packages": [{"name": "psychopy", "version": name, "sha256": "0" * 64}]},
}


@pytest.mark.parametrize("kind", NAMED)
def test_names_stay_in_their_folder(kind: str):
    for name in LEADING_OUT:
        with pytest.raises(UserError, match=r"expected (a text of the form|printable)"):
            load_study({**DEFAULT, **NAMED[kind](name)})


def test_archives_stay_in_theirs(tmp_path: Path):
    for i, name in enumerate(name for name in LEADING_OUT if re.search(r"\.\.|^/|\\", name)):
        with zipfile.ZipFile(tmp_path / f"{i}.zip", "w") as archive:
            archive.writestr("a.png", b"")
            archive.writestr(name, b"")
        with pytest.raises(UserError, match="expected names that stay inside the archive"):
            zip_members(str(tmp_path / f"{i}.zip"), ZipImages())


# Credentials.

SECRETS = (
    "http://user:s3cr3t@a.b/a.y4m",
    "https://s3cr3t@a.b/a.y4m",
    "ftp://user:s3cr3t@a.b/a",
    "http://user:s3cr3t/x@a.b/a.y4m",
    "http://a.b:port/?token=s3cr3t",
)


@pytest.mark.parametrize("address", SECRETS)
def test_no_message_says_a_secret(address: str):
    """Whatever is wrong with an address or with what stands where an address belongs."""
    studies = (
        {"files": [{**FILE, "url": address}]},
        {"files": [FILE], "mirror": address},
        {"files": [{**FILE, "url": [address]}]},
        {"files": [{**FILE, "name": address}]},
        {"files": [{**FILE, address: 1}]},
        {"clips": [{"name": "a", "source": {"type": "y4m", "file": address}}]},
        {"clips": [{"name": "a", "source": {"type": "y4m", "path": address}}]},
        {"clips": [{"name": "a", "source": {"type": "images", "path": address}}]},
        {"clips": [{"name": "a", "optional": True, "source": {"type": "video", "path": address}}]},
        {"table": {"calibrated": [address]}},
    )
    for study in studies:
        with pytest.raises(UserError) as caught:
            check_study(leave_out_missing(load_study({**DEFAULT, **study})))
        assert "s3cr3t" not in str(caught.value)
    with pytest.raises(UserError) as caught:
        load_study({**DEFAULT, "files": [FILE]}, address)
    assert "s3cr3t" not in str(caught.value)


def test_what_is_written_of_a_file_has_no_secret():
    """Manifests and Snakemake's own records are made of these."""
    study = load_study({**DEFAULT, "files": [{**FILE, "url": f"{FILE['url']}?token=s3cr3t#s3cr3t"}]})
    download = study.files["a.y4m"]
    assert download.places[-1].endswith("?token=s3cr3t#s3cr3t")
    assert "s3cr3t" not in repr(study) + repr((download,)) + str(download.file.url)
    assert download.file.path == f"{FILES}/a.y4m"
