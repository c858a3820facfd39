"""A device's store: whole files only, room by age, a full disk said."""

import ctypes
import hashlib
import mmap
import os
import resource
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from superres.device.agent import store as store_module
from superres.device.agent.store import Store, forget_pages
from superres.device.base.errors import UserError


def add(store: Store, content: bytes, age: float = 0.0) -> str:
    sha256 = hashlib.sha256(content).hexdigest()
    with store.arrived(sha256, lambda: None) as arrival:
        arrival.write(content)
    assert arrival.accept()
    stamp = store.path(sha256).stat().st_mtime - age
    os.utime(store.path(sha256), (stamp, stamp))
    return sha256


def test_a_file_has_its_name_only_once_it_is_whole_and_right(tmp_path: Path):
    store = Store(tmp_path, 1000)
    sha256 = hashlib.sha256(b"whole").hexdigest()
    with store.arrived(sha256, lambda: None) as arrival:
        arrival.write(b"who")
    assert not store.has(sha256, 5)
    with store.arrived(sha256, lambda: None) as arrival:
        assert arrival.offset == 3
        arrival.write(b"le")
    assert arrival.accept() and store.has(sha256, 5) and not store.has(sha256, 6)
    other = hashlib.sha256(b"other").hexdigest()
    with store.arrived(other, lambda: None) as arrival:
        arrival.write(b"wrong")
    assert not arrival.accept()
    assert [path.name for path in tmp_path.iterdir()] == [sha256]


def test_what_was_used_longest_ago_makes_room(tmp_path: Path):
    store = Store(tmp_path, 300)
    old, used, needed, young = (add(store, bytes([i]) * 60, age) for i, age in enumerate((40, 30, 20, 10)))
    store.has(used, 60)
    store.make_room(160, {needed})
    assert {path.name for path in tmp_path.iterdir()} == {used, needed}
    with pytest.raises(UserError, match=r"store_limit_gb$"):
        store.make_room(250, {needed, used})
    assert store.path(used).exists() and not store.path(young).exists() and not store.path(old).exists()


@pytest.fixture
def small_files() -> Iterator[None]:
    """No file of this process may get larger than 100,000 bytes, as on a disk that fills."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_fills_while_a_file_arrives(tmp_path: Path, small_files: None):
    store = Store(tmp_path, 10**6)
    with pytest.raises(UserError, match=r"no space left: .*File too large.*clean_device"):
        add(store, bytes(150_000))
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_kept_where_others_still_read_it(tmp_path: Path):
    store = Store(tmp_path / "store", 1000)
    made = tmp_path / "engine.bin"
    made.write_bytes(b"engine")
    sha256 = hashlib.sha256(b"engine").hexdigest()
    store.keep(made, sha256)
    store.keep(made, sha256)
    made.unlink()
    assert store.path(sha256).read_bytes() == b"engine"


def test_a_disk_smaller_than_the_limit_is_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """16 GB of eMMC, and a store that may have 20: what was used longest ago goes before the disk is full."""
    store = Store(tmp_path, 20 * 10**9)
    old, young = add(store, b"o" * 60, age=20), add(store, b"y" * 60, age=10)

    def usage(_: str) -> SimpleNamespace:
        taken = sum(path.stat().st_size for path in tmp_path.iterdir())
        return SimpleNamespace(free=150 + (1 << 20) - taken)

    monkeypatch.setattr(store_module.shutil, "disk_usage", usage)
    store.make_room(80, set())
    assert not store.path(old).exists() and store.path(young).exists()
    with pytest.raises(UserError, match="no space left"):
        store.make_room(1000, {young})


def cached_bytes(path: Path) -> int:
    """Return how much of a file the system's cache holds, by mincore(2)."""
    size = path.stat().st_size
    with path.open("rb") as file, mmap.mmap(file.fileno(), size, prot=mmap.PROT_READ) as pages:
        libc = ctypes.CDLL(None, use_errno=True)
        resident = (ctypes.c_ubyte * -(-size // mmap.PAGESIZE))()
        view = np.frombuffer(pages, np.uint8)
        address, length = ctypes.c_void_p(view.ctypes.data), ctypes.c_size_t(size)
        assert libc.mincore(address, length, resident) == 0, os.strerror(ctypes.get_errno())
        found = sum(each & 1 for each in resident)
        del view
    return found * mmap.PAGESIZE


def test_uploads_leave_the_systems_cache(tmp_path: Path):
    """On a Jetson the cache and the GPU share one memory."""
    plain = tmp_path / "plain"
    plain.write_bytes(bytes(1 << 20))
    with plain.open("rb") as file:
        os.fsync(file.fileno())
        forget_pages(file.fileno())
    if cached_bytes(plain):
        pytest.skip("this file system lies in memory")
    store = Store(tmp_path / "store", 10**9)
    sha256 = add(store, bytes(1 << 20))
    assert cached_bytes(store.path(sha256)) == 0
    store.path(sha256).read_bytes()
    assert cached_bytes(store.path(sha256)) > 0
    store.leave_cache()
    assert cached_bytes(store.path(sha256)) == 0
