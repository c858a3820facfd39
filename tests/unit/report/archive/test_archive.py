"""An archive says all that was edited or is missing, and what is none is refused, each in one line."""

import json
import re
import shutil
import stat
import subprocess
import zipfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from superres.device.base.errors import UserError
from superres.report.archive import pack as packing
from superres.report.archive.inspect import verify_archive
from superres.report.archive.reading import SUMS, sums_text

from . import small

Files = dict[str, bytes]
ARM = f"arms/{small.ARM.folder}"
QUALITY, MANIFEST = f"{ARM}/quality.csv", f"{ARM}/manifest.json"
TABLES = ["table1.csv", "table1.md", "paper/table1.tex"]
TASKS = [f"{ARM}/{task}.{kind}" for task in ("quality", "latency") for kind in ("csv", "json")]
PACKED = ["frames/park.json", *TASKS, f"{ARM}/engine.json", MANIFEST, "metrics.csv", *TABLES]
# Known by their hashes alone.
UNPACKED = ["frames/park.hr.npy", f"{ARM}/model.onnx"]


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    small.build()
    return small.pack()


def read(archive: Path) -> Files:
    with zipfile.ZipFile(archive) as opened:
        return {name.partition("/")[2]: opened.read(name) for name in opened.namelist()}


def write(files: Files, archive: Path, *, sums: bool = False, receipts: bool = False) -> None:
    """Write an archive again; whoever edited it may have edited its checksums and receipts too."""
    archive.with_name(f"{archive.name}.sha256").unlink(missing_ok=True)
    hashes = {name: sha256(content).hexdigest() for name, content in files.items() if name != SUMS}
    if receipts:
        for name in [name for name in files if name.startswith(".receipts/")]:
            receipt = json.loads(files[name])
            file = name.removeprefix(".receipts/").removesuffix(".json")
            receipt["sha256"] = hashes.get(file, receipt["sha256"])
            receipt["made_of"] = {
                source: hashes.get(source, old) for source, old in receipt["made_of"].items()
            }
            files[name] = json.dumps(receipt).encode()
            hashes[name] = sha256(files[name]).hexdigest()
    if sums:
        files[SUMS] = sums_text(hashes).encode()
    with zipfile.ZipFile(archive, "w") as opened:
        for name, content in files.items():
            opened.writestr(f"small/{name}", content)


def findings(archive: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The lines of an archive's verification, which has to fail."""
    capsys.readouterr()
    with pytest.raises(UserError, match=r"^archive \S+: expected all as it was packed, found \d+ difference"):
        verify_archive(archive)
    return [line for line in capsys.readouterr().err.splitlines() if ": expected " in line]


def test_an_archive_is_whole_and_the_same_bytes_each_time(archive: Path, tmp_path: Path, capsys):
    verify_archive(archive)
    assert "verified 26 files and 1 manifest: 0 differences" in capsys.readouterr().err
    files = read(archive)
    receipts = {f".receipts/{name}.json" for name in [*PACKED, *UNPACKED]}
    assert set(files) == {*PACKED, *receipts, "study.yaml", "run.yaml", SUMS}
    assert str(tmp_path).encode() not in b"".join(files.values())
    again = tmp_path / "again"
    # Copied results have other times, and the folder another name.
    shutil.copytree("results", again / "results")
    before = archive.read_bytes()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(again)
        assert small.pack().read_bytes() == before


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="no sha256sum")
def test_other_tools_check_it_too(archive: Path):
    check = ["sha256sum", "--check", "--strict", "--quiet"]
    subprocess.run([*check, f"{archive.name}.sha256"], cwd=archive.parent, check=True)
    with zipfile.ZipFile(archive) as opened:
        opened.extractall("out")
    subprocess.run([*check, SUMS], cwd="out/small", check=True)
    # An unpacked one is checked as well.
    verify_archive(Path("out/small"))
    Path("out/small", QUALITY).unlink()
    with pytest.raises(UserError, match="found 1 difference"):
        verify_archive(Path("out/small"))


@pytest.mark.parametrize("name", PACKED)
def test_an_edited_or_missing_file_is_named(archive: Path, capsys, name: str):
    whole = read(archive)
    was, now = sha256(whole[name]).hexdigest(), sha256(whole[name] + b" ").hexdigest()
    write({**whole, name: whole[name] + b" "}, archive)
    assert findings(archive, capsys) == [f"{name}: expected sha256 {was}, found sha256 {now}"]
    write({other: content for other, content in whole.items() if other != name}, archive)
    assert findings(archive, capsys) == [f"{name}: expected sha256 {was}, found nothing"]
    # With its checksum.
    write({**whole, name: whole[name] + b" "}, archive, sums=True)
    assert any(line.startswith(f"{name}: expected it as ") for line in findings(archive, capsys))
    write({other: content for other, content in whole.items() if other != name}, archive, sums=True)
    assert any(line.startswith(f"{name}: expected it as ") for line in findings(archive, capsys))


def test_an_added_file_is_named(archive: Path, capsys):
    write({**read(archive), "plots/added.svg": b"<svg/>"}, archive)
    assert findings(archive, capsys)[0].startswith("plots/added.svg: expected nothing, found sha256 ")
    write({**read(archive), "plots/added.svg": b"<svg/>"}, archive, sums=True)
    assert findings(archive, capsys) == [
        "plots/added.svg: expected a receipt of the job that made it, found nothing"
    ]


def test_nothing_of_an_archive_reaches_the_terminal_but_text(archive: Path, capsys):
    """A receipt whose words would clear the screen."""
    receipt = f".receipts/{QUALITY}.json"
    files = read(archive)
    said = json.loads(files[receipt]) | {"job": "\x1b[2J/x", "sha256": "\x1b[31m\nall is well"}
    write({**files, receipt: json.dumps(said).encode()}, archive, sums=True)
    lines = findings(archive, capsys)
    assert all(line.isprintable() for line in lines)
    assert any(
        r"expected it as \x1b[2J made it, sha256 \x1b[31m\nall is well, found" in line for line in lines
    )


def edited(files: Files, name: str, old: str, new: str) -> Files:
    text, number = re.subn(old, new, files[name].decode(), count=1, flags=re.M)
    assert number == 1
    return {**files, name: text.encode()}


FORGED = {
    "a figure": (
        lambda files: edited(files, "metrics.csv", r"(int8-minmax,park,3,3),[\d.]+,", r"\1,59.5,"),
        r"metrics\.csv: local/openvino/espcn_rgb/int8-minmax on park: psnr_db: "
        r"expected \d[\d.]+, as its records say, found 59\.5$",
    ),
    "a cell of the table": (
        lambda files: edited(files, "table1.md", r"\b34\.\d+", "39.99"),
        r"table1\.md: expected the figures of metrics\.csv, found others in line \d+$",
    ),
    "a cell of LaTeX": (
        lambda files: edited(files, "paper/table1.tex", r"34\.\d+", "39.99"),
        r"paper/table1\.tex: expected the figures of metrics\.csv",
    ),
    "a frame's error with its PSNR": (
        lambda files: edited(files, QUALITY, r"^0,f0,4,6,10.0,[\d.]+,", "0,f0,4,6,1.0,48.1308036086791,"),
        r"metrics\.csv: local/.* on park: expected records that it comes from, found "
        r".*quality\.csv: expected sha256 \w+, as manifest\.json says",
    ),
    "a time": (
        lambda files: edited(files, f"{ARM}/latency.csv", "45.0", "4.5"),
        r".*latency\.csv: expected sha256 \w+, as manifest\.json says",
    ),
    "the threads of a manifest": (
        lambda files: edited(files, MANIFEST, '"threads": 2', '"threads": 4'),
        r"metrics\.csv: local/.* on park: threads: expected 4, as its records say, found 2$",
    ),
    "the study of a manifest": (
        lambda files: edited(files, MANIFEST, '"seed": 7', '"seed": 8'),
        r"arms/.*/manifest\.json: study_sha256: expected \w+, found \w+$",
    ),
    "a manifest of something else": (
        lambda files: edited(files, MANIFEST, r'"session": \{\}', '"session": []'),
        r"metrics\.csv: local/.* on park: expected records that it comes from, found "
        r".*: expected records, found something else: AttributeError",
    ),
    "a manifest without an end": (
        lambda files: {**files, MANIFEST: b"[" * 100_000},
        r".*manifest\.json: expected a manifest, found ",
    ),
    "an arm elsewhere": (
        lambda files: edited(files, "metrics.csv", r"^local,", "../../../../local,"),
        r"metrics\.csv: \.\./.*: expected records that it comes from, found .*expected the names of an arm",
    ),
    "a run of something else": (
        lambda files: edited(files, "run.yaml", r"^table: \{\}$", "table: [1]"),
        r"figures: expected those of a study, found TypeError",
    ),
    "a receipt of something else": (
        lambda files: {
            **files,
            ".receipts/table1.md.json": files[".receipts/table1.md.json"].replace(b"{}", b"[1]"),
        },
        r"table1\.md: expected a receipt of the job that made it, found nothing",
    ),
    "no figures": (
        lambda files: {**files, "metrics.csv": b"target\n"},
        r"figures: expected those of a study",
    ),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_figure_is_named_though_all_hashes_fit(archive: Path, capsys, name: str):
    change, line = FORGED[name]
    write(change(read(archive)), archive, sums=True, receipts=True)
    found = findings(archive, capsys)
    assert any(re.match(line, one) for one in found), found


def test_the_table_of_another_version_is_only_hashed(archive: Path, capsys):
    files = edited(read(archive), "run.yaml", r"table_code: \w+", "table_code: other")
    write(files, archive, sums=True)
    verify_archive(archive)
    said = capsys.readouterr().err
    assert "note: Table 1 is of another version: only the hashes of its files are checked" in said
    assert "note: no small.zip.sha256 beside the archive: only its content is checked" in said


def test_the_checksum_beside_it_counts(archive: Path):
    archive.write_bytes(archive.read_bytes() + b" ")
    with pytest.raises(UserError, match=r"expected sha256 \w+, as small\.zip\.sha256 says, found \w+; fetch"):
        verify_archive(archive)


def member(name: str, mode: int = 0o100644, flags: int = 0) -> zipfile.ZipInfo:
    found = zipfile.ZipInfo(name)
    found.external_attr, found.flag_bits = mode << 16, flags
    return found


FOREIGN: dict[str, tuple[list[zipfile.ZipInfo], str]] = {
    "absolute": ([member("/etc/passwd")], "expected names that stay inside the archive, found '/etc/passwd'"),
    "parent": ([member("small/../../a")], "expected names that stay inside the archive"),
    "backslash": ([member(r"small\..\a")], "expected names that stay inside the archive"),
    "drive": ([member("C:a")], "expected names that stay inside the archive"),
    "link": ([member("small/a", stat.S_IFLNK | 0o777)], "expected files, found 'small/a', which is a link"),
    "device": ([member("small/a", stat.S_IFCHR | 0o666)], "expected files, found 'small/a'"),
    "twice": ([member("small/a"), member("small/a")], "expected each name once, found 'small/a' twice"),
    "file and folder": ([member("small/a"), member("small/a/b")], "'small/a/b', which is both"),
    "folder and file": ([member("small/a/b"), member("small/a")], "'small/a', which is both"),
    "long": ([member(f"small/{'a' * 300}")], "expected names that fit into a file system, found one of 306"),
    "line break": ([member("small/a\nb")], "expected names in UTF-8 without line breaks"),
    "two folders": ([member("small/a"), member("b/a")], "expected one folder in it, found 2 entries"),
    "a file alone": ([member("a")], "expected one folder in it, found a file"),
    "other": ([member("small/a")], f"expected one of export_results, found no {SUMS} in it"),
    "empty": ([], "expected one folder in it, found nothing"),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", FOREIGN)
def test_what_is_no_archive_is_refused_in_one_line(tmp_path: Path, name: str):
    members, line = FOREIGN[name]
    path = tmp_path / "in/a.zip"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        for one in members:
            archive.writestr(one, b"a")
    refused(path, line)
    assert [found.name for found in tmp_path.rglob("*")] == ["in", "a.zip"]


def refused(path: Path, line: str) -> None:
    with pytest.raises(UserError, match=re.escape(line)) as error:
        verify_archive(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["a" * 300 + ".zip", "a\0.zip", "loop.zip"])
def test_a_path_that_the_system_cannot_look_at_is_refused_in_one_line(tmp_path: Path, name: str):
    (tmp_path / "loop.zip").symlink_to("loop.zip")
    refused(tmp_path / name, "expected a zip archive, found: ")


def test_an_archive_of_many_files_is_opened_once(archive: Path, monkeypatch: pytest.MonkeyPatch):
    """Each opening reads the list of all files: a study of 2,000 arms has 50,000."""
    opened = []
    whole = zipfile.ZipFile.__init__

    def counted(self: zipfile.ZipFile, *arguments: Any, **keys: Any) -> None:
        opened.append(arguments)
        whole(self, *arguments, **keys)

    monkeypatch.setattr(zipfile.ZipFile, "__init__", counted)
    verify_archive(archive)
    assert len(opened) == 1


def headed(path: Path, change: Callable[[bytearray, int, int], None]) -> Path:
    """Write an archive of one file with changed headers: at its beginning, and in the list at its end."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("small/a", b"a")
    content = bytearray(path.read_bytes())
    change(content, 0, content.index(b"PK\x01\x02"))
    path.write_bytes(content)
    return path


def test_huge_encrypted_and_damaged_archives_are_refused(tmp_path: Path, archive: Path):
    def huge(content: bytearray, _: int, central: int) -> None:
        content[central + 24 : central + 28] = (2**31).to_bytes(4, "little")

    def encrypted(content: bytearray, local: int, central: int) -> None:
        content[local + 6] |= 1
        content[central + 8] |= 1

    refused(
        headed(tmp_path / "a.zip", huge), "expected figures and plots, found 'small/a' with 2147483648 bytes"
    )
    refused(
        headed(tmp_path / "a.zip", encrypted),
        "expected files that anyone can read, found 'small/a' encrypted",
    )
    whole = archive.read_bytes()
    (tmp_path / "a.zip").write_bytes(whole[: len(whole) // 2])
    refused(tmp_path / "a.zip", "expected a zip archive, found it damaged or cut off")
    (tmp_path / "a.zip").write_bytes(whole.replace(b"hr_sha256", b"hr_sha255"))
    refused(tmp_path / "a.zip", "small/frames/park.json whole, found it damaged")
    refused(tmp_path / "b.zip", "expected a zip archive, found nothing")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", f"expected an archive of export_results, found a folder without {SUMS}")
    files = {**read(archive), SUMS: b"no hash\n"}
    write(files, archive)
    refused(
        archive, "SHA256SUMS: expected a hash and a name of its own in each line, found in line 1: 'no hash'"
    )


def test_what_was_edited_isnt_packed(archive: Path, capsys):
    before = small.METRICS.read_bytes()
    small.METRICS.write_bytes(before.replace(b"0.3", b"0.4", 1))
    with pytest.raises(UserError, match="expected every file as its job left it, found 1 difference"):
        small.pack()
    # A figure that its receipt knows, and no record.
    small.made("collect_metrics", [small.MANIFEST], small.METRICS)
    small.made("write_table", [small.METRICS, small.MANIFEST], *small.TABLES.values())
    with pytest.raises(
        UserError, match="expected tables that say what their records say, found 1 difference"
    ):
        small.pack()
    assert "build_seconds: expected 0.3, as its records say, found 0.4" in capsys.readouterr().err
    small.METRICS.unlink()
    shutil.rmtree(small.RESULTS / ".receipts/paper")
    with pytest.raises(UserError):
        small.pack()


def test_a_place_of_this_machine_isnt_packed(archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    index = small.RESULTS / "frames/park.json"
    index.write_text(json.dumps({"hr_sha256": ["ab"], "path": f"{tmp_path}/clip.mp4"}))
    small.made("prepare_clip", [], index, small.RESULTS / "frames/park.hr.npy")
    line = f"park.json: expected no folder of this machine in what others get, found {tmp_path}; name files"
    with pytest.raises(UserError, match=re.escape(line)):
        small.pack()


def test_names_of_what_is_packed():
    assert packing.is_packed("arms/local/openvino/espcn_rgb/fp32/quality.csv")
    for name in (
        "frames/a.hr.npy",
        "onnx/a/fp32.onnx",
        "arms/a/engine.bin",
        "programs/a.pt",
        "weights/a.safetensors",
    ):
        assert not packing.is_packed(name)
