"""One run of the demo that notes its own times for demo_overhead.py; prints one line of JSON.

Knows the inside of `experiments.services.backtest` (`_fit`, `_numbered`) and of the recorder.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

TRACE = "BENCHMARK_TRACE"


def traced_task(number: int, variant: Any, window: Any) -> tuple[int, Any]:
    """`backtest._numbered`, which also appends its times to the trace: it runs in a worker process."""
    from experiments.science.forecasting import forecast_window

    modules, cpu, began = len(sys.modules), time.thread_time(), time.monotonic()
    forecast = forecast_window(variant, window)
    ended, cpu = time.monotonic(), time.thread_time() - cpu
    note = {"worker": os.getpid(), "variant": variant.name, "began": began, "ended": ended, "cpu": cpu}
    with Path(os.environ[TRACE]).open("a") as trace:
        trace.write(json.dumps(note | {"modules": len(sys.modules) - modules}) + "\n")
    return number, forecast


def main() -> None:
    """Run the demo."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ledger", type=Path)
    parser.add_argument("trace", type=Path)
    given = parser.parse_args()
    os.environ[TRACE] = str(given.trace)

    import demo_traced  # by its name, so that workers import traced_task and need not unpickle it

    from experiments.services import backtest, recorder
    from experiments.services.answers import choose
    from experiments.services.demo import COMMODITY, run_demo
    from experiments.services.ledger import connect

    spent: Counter[str] = Counter()
    marks: dict[str, float] = {}

    def timed(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*arguments: Any, **named: Any) -> Any:
            started = time.perf_counter()
            try:
                return function(*arguments, **named)
            finally:
                spent[name] += time.perf_counter() - started

        return wrapper

    fit = backtest._fit

    def traced_fit(*arguments: Any) -> Iterator[Any]:
        marks["fitting"], cpu = time.monotonic(), time.process_time()
        yield from fit(*arguments)
        spent["cpu"] = time.process_time() - cpu

    backtest._fit = traced_fit
    backtest._numbered = demo_traced.traced_task
    recorder.Recorder.log = timed("hook", recorder.Recorder.log)
    recorder.merge_new = timed("writes", recorder.merge_new)
    with connect(given.ledger) as ledger:
        marks["ready"] = time.monotonic()
        run_demo(ledger)
        marks["finished"] = time.monotonic()
        choose(ledger, COMMODITY)
    print(json.dumps(marks | spent))


if __name__ == "__main__":
    main()
