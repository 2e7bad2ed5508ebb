"""Tasks at once, whose programs end with the first error or signal."""

from __future__ import annotations

from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from uv_layers import process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

T = TypeVar("T")

# Seconds between two looks for a signal.
_TICK = 0.2


@contextmanager
def pool(workers: int) -> Iterator[ThreadPoolExecutor]:
    """Yield a pool whose programs end with the `with` block, at once when that is left by an error."""
    executor = ThreadPoolExecutor(workers)
    try:
        yield executor
    except BaseException:
        with process.stopped():
            executor.shutdown(cancel_futures=True)
        raise
    executor.shutdown()


def parallel(tasks: Sequence[Callable[[], T]], workers: int) -> list[T]:
    """Return the results of the tasks; the first error ends the others."""
    with pool(workers) as executor:
        futures = [executor.submit(task) for task in tasks]
        while True:
            done, open_ = wait(futures, _TICK, return_when=FIRST_EXCEPTION)
            failed = [future for future in done if future.exception()]
            if failed or not open_:
                return [future.result() for future in (*failed, *futures)]


def result(future: Future[T]) -> T:
    """Return the future's result. A signal that comes just before an endless wait would be noticed after it."""
    while not future.done():
        wait([future], _TICK)
    return future.result()
