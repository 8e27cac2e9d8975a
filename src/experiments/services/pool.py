"""A pool of worker processes that outlives them: a time limit a window, one more try after a death, no shared state.

joblib and concurrent.futures give up the whole pool when a worker dies and know no time limit; pebble knows both, and
cannot be started from a script or notebook that has no main guard.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import IO, Any, Generic, TypeVar

import cloudpickle

from experiments.errors import InvalidInputError
from experiments.science.forecasting import WindowForecast, WindowsTask, forecast_windows
from experiments.science.models.registration import load_model_file, loaded_files

Tag = TypeVar("Tag")

_AHEAD = 2
"""Tasks a worker holds, so that it goes on while this process writes."""

_STARTING_SECONDS = 60
"""What a worker may take to start and to read its first task, beside the time limit."""

_IDLE_SECONDS = 300
"""What a worker waits for more to do before it ends."""

_SERVE = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[2]); "
    "from experiments.services.pool import serve; serve(int(sys.argv[1]))"
)
_ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
)


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run(
    tasks: Iterable[tuple[Tag, WindowsTask]], *, workers: int, time_limit: float
) -> Generator[tuple[Tag, int, WindowForecast]]:
    """Forecast the windows of tasks in worker processes, one thread each; results come as they are ready.

    Parameters
    ----------
    tasks : iterable of (object, WindowsTask)
        Taken as workers become free, in order; the object stays here and comes back with the results.
    workers : int
        Processes; with 0 everything runs in this one, where a debugger can follow it and no time limit holds.
    time_limit : float
        Seconds a window may take. One that takes longer fails; its worker is killed.

    Yields
    ------
    tuple of object, int, WindowForecast
        Every window of every task once, by its number in the task. One whose worker died is tried once more, then it
        has failed.
    """
    if workers == 0:
        for tag, task in tasks:
            yield from ((tag, number, forecast) for number, forecast in enumerate(forecast_windows(task)))
        return
    yield from run_packed(((tag, pack(task)) for tag, task in tasks), workers=workers, time_limit=time_limit)


@dataclass(frozen=True, kw_only=True)
class PackedTask:
    """A task as it travels: its content, and the model files this process has run, which it may name."""

    content: bytes
    files: tuple[str, ...]
    n_windows: int


def pack(task: WindowsTask) -> PackedTask:
    """A task to be read in another process."""
    return PackedTask(content=cloudpickle.dumps(task), files=tuple(loaded_files()), n_windows=len(task.positions))


def run_packed(
    tasks: Iterable[tuple[Tag, PackedTask]], *, workers: int, time_limit: float
) -> Generator[tuple[Tag, int, WindowForecast]]:
    """As `run`, in at least one worker; no task is read in this process."""
    pending = _Pending(iter(tasks))
    running: list[_Worker[Tag]] = []
    try:
        while True:
            for worker in running:
                worker.fill(pending)
            while len(running) < workers and (given := pending.next()) is not None:
                running.append(_idle_worker() or _Worker())
                running[-1].give(given)
            busy = [worker for worker in running if worker.queue]
            if not busy:
                _keep(running)
                running = []
                return
            patience = min(worker.deadline(time_limit) for worker in busy) - time.monotonic()
            wait([worker.connection for worker in busy], timeout=max(patience, 0))
            for worker in busy:
                yield from worker.results()
                if worker.queue and (worker.gone or time.monotonic() >= worker.deadline(time_limit)):
                    running.remove(worker)
                    yield from _lost(worker, pending, time_limit)
    finally:
        for worker in running:
            worker.kill()


_idle: list[_Worker[Any]] = []
"""Workers that wait for the next run: importing the models' libraries takes them seconds."""


def _idle_worker() -> _Worker[Any] | None:
    """One that has nothing to do and has not imported what was edited since."""
    while _idle:
        worker = _idle.pop()
        fresh = worker.path == sys.path and all(_edited(file) == at for file, at in worker.imported.items())
        if fresh and worker.process.poll() is None:
            return worker
        worker.kill()
    return None


def _keep(workers: Iterable[_Worker[Any]]) -> None:
    files = [str(module.__file__) for module in list(sys.modules.values()) if getattr(module, "__file__", None)]
    imported = {
        file: _edited(file) for file in files if {"site-packages", "dist-packages"}.isdisjoint(Path(file).parts)
    }
    for worker in workers:
        worker.imported = imported
        _idle.append(worker)


@atexit.register
def end_idle() -> None:
    """End the workers that wait."""
    while _idle:
        _idle.pop().kill()


def _edited(file: str) -> float | None:
    with contextlib.suppress(OSError):
        return Path(file).stat().st_mtime
    return None


class _Pending(Generic[Tag]):
    """Tasks that no worker has yet: those given back first, then new ones."""

    def __init__(self, new: Iterator[tuple[Tag, PackedTask]]) -> None:
        self._new = new
        self._back: deque[_Given[Tag]] = deque()

    def next(self) -> _Given[Tag] | None:
        if self._back:
            return self._back.popleft()
        return next((_Given(tag=tag, task=task) for tag, task in self._new), None)

    def give_back(self, given: Iterable[_Given[Tag]]) -> None:
        self._back.extendleft(reversed(list(given)))


@dataclass(kw_only=True)
class _Given(Generic[Tag]):
    """A task and how many of its windows are done; `tried` is whether the next of them cost a worker its life."""

    tag: Tag
    task: PackedTask
    done: int = 0
    tried: bool = False

    @property
    def finished(self) -> bool:
        """Whether every window is done."""
        return self.done == self.task.n_windows

    def finish_window(self, forecast: WindowForecast) -> tuple[Tag, int, WindowForecast]:
        self.done, self.tried = self.done + 1, False
        return self.tag, self.done - 1, forecast


@dataclass(kw_only=True)
class _Worker(Generic[Tag]):
    """A process, what it was given, and when it was last heard of."""

    queue: deque[_Given[Tag]] = field(default_factory=deque)
    imported: dict[str, float | None] = field(default_factory=dict)
    gone: bool = False

    def __post_init__(self) -> None:
        ours, theirs = socket.socketpair()
        self.path = list(sys.path)
        self.errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  closed by kill
        self.process = subprocess.Popen(  # noqa: S603  this Python, with our own code
            [sys.executable, "-c", _SERVE, str(theirs.fileno()), json.dumps(self.path)],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # what a model prints is no part of our output
            stderr=self.errors,
            env={**os.environ, **_ONE_THREAD, "PYTHONHASHSEED": "0"},
        )
        theirs.close()
        self.connection = Connection(ours.detach())
        self._heard_at = time.monotonic() + _STARTING_SECONDS

    def give(self, given: _Given[Tag]) -> None:
        if not self.queue:
            self._heard_at = max(self._heard_at, time.monotonic())
        self.queue.append(given)
        with contextlib.suppress(OSError):  # that it is gone is noticed when it is listened to
            self.connection.send_bytes(cloudpickle.dumps((given.task, given.done)))

    def fill(self, pending: _Pending[Tag]) -> None:
        while len(self.queue) < _AHEAD and not self.gone and (given := pending.next()) is not None:
            self.give(given)

    def deadline(self, time_limit: float) -> float:
        """Until when something must be heard."""
        return self._heard_at + time_limit

    def results(self) -> Iterator[tuple[Tag, int, WindowForecast]]:
        """What has arrived."""
        try:
            while self.connection.poll():
                message = cloudpickle.loads(self.connection.recv_bytes())
                self._heard_at = time.monotonic()
                if isinstance(message, WindowForecast):
                    yield self.queue[0].finish_window(message)
                elif message is not None:  # the task cannot be read there
                    while not self.queue[0].finished:
                        yield self.queue[0].finish_window(WindowForecast(error=message))
                if self.queue and self.queue[0].finished:
                    self.queue.popleft()
        except (EOFError, OSError):
            self.gone = True

    def kill(self) -> str:
        """End it; returns how it had ended, if it had."""
        if self.gone:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=1)
        ended = self.process.poll()
        self.process.kill()
        self.process.wait()
        self.connection.close()
        self.errors.seek(0)
        said = self.errors.read().decode(errors="replace").strip().splitlines()
        self.errors.close()
        if ended is None:
            return ""
        how = f"signal {signal.Signals(-ended).name}" if ended < 0 else f"exit code {ended}"
        return how + (f" ({said[-1].strip()[:200]})" if said and ended > 0 else "")


def _lost(worker: _Worker[Tag], pending: _Pending[Tag], time_limit: float) -> Iterator[tuple[Tag, int, WindowForecast]]:
    """Give back what a worker that died or took too long had not finished; its window fails, or is tried once more."""
    died, given = worker.gone, worker.queue[0]
    how = worker.kill()
    if not died:
        late = WindowForecast(error=f"TimeoutError: no forecast within {time_limit:g} s", fit_seconds=time_limit)
        yield given.finish_window(late)
    elif given.tried:
        yield given.finish_window(
            WindowForecast(error=f"WorkerDied: the process of this fit ended twice, the last time by {how}")
        )
    else:
        given.tried = True
    pending.give_back(one for one in worker.queue if not one.finished)


def serve(handle: int) -> None:
    """What a worker does: forecast the windows of the tasks that come in, until nobody is there any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that gave the tasks
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    with Connection(handle) as connection, contextlib.suppress(EOFError, OSError):
        while connection.poll(_IDLE_SECONDS):
            content = connection.recv_bytes()
            try:
                packed, done = cloudpickle.loads(content)
                task = _read(packed)
            except Exception as error:  # noqa: BLE001  a model's own code runs when it is read
                connection.send_bytes(cloudpickle.dumps(f"{type(error).__name__}: {error}"[:500]))
                continue
            connection.send_bytes(cloudpickle.dumps(None))  # what it took to read is not the model's time
            for forecast in forecast_windows(replace(task, positions=task.positions[done:])):
                connection.send_bytes(cloudpickle.dumps(forecast))


def _read(packed: PackedTask) -> WindowsTask:
    """A task; where something in it is named and not contained, such as a cached function, its file is run."""
    try:
        task: WindowsTask = cloudpickle.loads(packed.content)
    except ModuleNotFoundError:
        for file in packed.files:
            load_model_file(file)
        task = cloudpickle.loads(packed.content)
    return task


def _end_with_parent(parent: int) -> None:
    """Leave when the process that started this one is gone: a fit does not notice."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def check_time_limit(seconds: object) -> float:
    """Return a time limit as a number.

    Raises
    ------
    InvalidInputError
        If it is not a number above 0.
    """
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds > 0:
        msg = f"time_limit is {seconds!r}: give the seconds a fit may take, more than 0."
        raise InvalidInputError(msg)
    return float(seconds)
