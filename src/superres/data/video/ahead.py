"""Read anything ahead in a thread."""

import threading
import weakref
from collections.abc import Iterable, Iterator
from queue import Empty, Full, Queue
from types import TracebackType
from typing import Any, Generic, TypeVar

T = TypeVar("T")

WAITING = 3
"""Items that wait at most: enough for a slow one, with little memory."""

_END = object()
_TICK_S = 0.1


class Ahead(Generic[T]):
    """The items of an iterable, read by a thread before they are asked for; its exceptions are raised here.

    An iterator and a context manager. Closing it, or forgetting it, ends the thread.
    """

    def __init__(self, items: Iterable[T], waiting: int = WAITING):
        self._queue: Queue[Any] = Queue(waiting)
        self._stopped = threading.Event()
        # The thread holds no reference to this object, so that it ends when nobody else does.
        self._thread = threading.Thread(
            target=_fill, args=(items, self._queue, self._stopped), name="decode", daemon=True
        )
        weakref.finalize(self, self._stopped.set)
        self._thread.start()

    def __enter__(self) -> "Ahead[T]":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        item = self._queue.get()
        if item is _END:
            # For whoever asks again.
            self._queue.put(_END)
            raise StopIteration
        if isinstance(item, BaseException):
            self._queue.put(_END)
            raise item
        return item

    def close(self) -> None:
        """End the thread; what waits is lost."""
        self._stopped.set()
        while True:
            try:
                self._queue.get_nowait()
            except Empty:
                break
        self._thread.join()
        self._queue.put(_END)


def _fill(items: Iterable[Any], queue: "Queue[Any]", stopped: threading.Event) -> None:
    try:
        for item in items:
            _put(item, queue, stopped)
            if stopped.is_set():
                return
        _put(_END, queue, stopped)
    except BaseException as error:  # noqa: BLE001 - raised again by the reader
        _put(error, queue, stopped)


def _put(item: Any, queue: "Queue[Any]", stopped: threading.Event) -> None:
    while not stopped.is_set():
        try:
            queue.put(item, timeout=_TICK_S)
            return
        except Full:
            continue
