"""Run tasks in parallel. The first error or signal ends their programs."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from uv_layers.system import process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


T = TypeVar("T")


@contextmanager
def pool(workers: int) -> Iterator[ThreadPoolExecutor]:
    """Yield a pool; an error in the `with` block ends its programs."""
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
        for done in as_completed(futures):
            error = done.exception()
            # Stopped means that another task failed.
            if error is not None and not isinstance(error, process.Stopped):
                raise error
        return [future.result() for future in futures]
