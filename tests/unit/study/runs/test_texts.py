"""Studies as texts: encodings, broken YAML, and keys that stand twice."""

import os
from pathlib import Path

import pytest

from superres.device.base.errors import UserError
from superres.study.runs.texts import check_study_text

WRONG = {
    "utf-16-le": ("study: a\n".encode("utf-16-le"), "expected UTF-8, found UTF-16 or UTF-32; save it"),
    "utf-16-be": (b"\xfe\xff" + "study: a\n".encode("utf-16-be"), "expected UTF-8, found UTF-16 or UTF-32"),
    "utf-32": ("study: a\n".encode("utf-32"), "expected UTF-8, found UTF-16 or UTF-32"),
    "windows-1252": (
        "study: a\r\n# “\r\n".encode("cp1252"),
        "expected UTF-8, found the byte 0x93 in line 2, as in Latin-1",
    ),
    "twice": (b"a: 1\nb: {c: 1}\na: 2\n", "expected the key a once, found it in lines 1 and 3"),
    "twice inside": (
        b"a:\n  - b: 1\n    c: 2\n    b: 3\n",
        "expected the key b once, found it in lines 2 and 4",
    ),
    "twice in a line": (b"a: {b: 1, b: 2}\n", "expected the key b once, found it twice in line 1"),
    "a colon too many": (
        b"a: 1\nb: c: d\n",
        "expected YAML, found in line 2: mapping values are not allowed",
    ),
    "a tab": (b"a:\n\tb: 1\n", "expected YAML, found in line 2: "),
    "a control character": (b"a: 1\nb: \x01\n", "expected YAML, found in line 2: "),
    "broken JSON": (b'{"a": 1,\n "b": }\n,', "expected YAML, found in line "),
    "two documents": (b"a: 1\n---\nb: 1\n", "expected YAML, found in line 2: "),
    "a tag of Python": (b"a: 1\nb: !!python/name:os.system\n", "expected YAML, found in line 2: could not"),
    "a list as key": (b"a: 1\n[b]: 1\n", "expected YAML, found in line 2: "),
    "a date that isn't one": (b"a: 2026-13-45\n", "expected YAML, found a value that is none: month must be"),
    "an anchor in itself": (
        b"a: 1\nb: &x {c: [*x]}\n",
        "expected a study, found the anchor of line 2 inside",
    ),
    "too deep": (b"a: " + b"[" * 5000 + b"]" * 5000, "expected a study, found lists nested too deeply"),
    "nothing": (b"", "expected a study with keys such as `study: NAME`, found an empty file"),
    "a list": (b"- a\n", "expected a study with keys such as `study: NAME`, found a sequence"),
}

RIGHT = {
    "utf-8": "study: ü\n".encode(),
    "a byte order mark": "study: ü\n".encode("utf-8-sig"),
    "line ends of Windows": b"study: a\r\nclips:\r\n  - b\r\n",
    "no line end": b"study: a",
    "json": b'{\n\t"study": "a",\n\t"clips": []\n}\n',
    "the same key elsewhere": b"a: {b: 1}\nc: {b: 1}\nd: [{b: 1}, {b: 1}]\n",
    "aliases and merges": b"a: &x {b: 1}\nc: *x\nd: {<<: *x, b: 2}\n",
    # 9^12 lists if each was looked at wherever it stands.
    "aliases of aliases": b"a0: &a0 [1]\n"
    + b"".join(b"a%d: &a%d [%s]\n" % (i + 1, i + 1, b", ".join([b"*a%d" % i] * 9)) for i in range(12)),
}


@pytest.mark.parametrize("name", WRONG)
def test_one_line_says_what_is_wrong_and_in_which_line(name: str, tmp_path: Path):
    content, expected = WRONG[name]
    study = tmp_path / "study.yaml"
    study.write_bytes(content)
    with pytest.raises(UserError) as said:
        check_study_text(study)
    assert str(said.value).startswith(f"{study}: {expected}")
    assert str(said.value).isprintable()


@pytest.mark.parametrize("name", RIGHT)
def test_what_snakemake_reads_passes(name: str, tmp_path: Path):
    (tmp_path / "study.yaml").write_bytes(RIGHT[name])
    check_study_text(tmp_path / "study.yaml")


def test_a_study_that_is_not_there(tmp_path: Path):
    with pytest.raises(
        UserError, match=r"all: expected a study, found no file; .* targets before --configfile"
    ):
        check_study_text(tmp_path / "all")


def test_a_target_that_is_a_file_is_no_study(tmp_path: Path):
    for name, end in (
        ("index.html", "; correct it, or name targets before --configfile"),
        ("a.yaml", "; correct it"),
    ):
        (tmp_path / name).write_text("<style>\na: b: c\n", encoding="utf-8")
        with pytest.raises(UserError) as said:
            check_study_text(tmp_path / name)
        assert str(said.value).endswith(end)
    with pytest.raises(UserError, match="expected a study, found: Is a directory; correct its path"):
        check_study_text(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match="expected a study in a file, found a pipe or a device; write it"):
        check_study_text(tmp_path / "pipe")
