"""A file written whole is never seen in part."""

import threading
from pathlib import Path

from superres.device.base.outputs import write_whole


def test_a_reader_sees_the_old_or_the_new_file(tmp_path: Path):
    path = tmp_path / "folder" / "file"
    contents = {bytes([letter]) * 1_000_000 for letter in b"ab"}
    write_whole(path, min(contents))
    seen: set[bytes] = set()
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.add(path.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(20):
        for content in contents:
            write_whole(path, content)
    done.set()
    reader.join()
    assert seen and seen <= contents
    assert [file.name for file in path.parent.iterdir()] == ["file"]
