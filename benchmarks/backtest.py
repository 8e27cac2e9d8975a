"""The backtest against the sum of its fits, and against the loops of statsforecast, sktime and statsmodels.

A section for each of: `grid`, every variant that can run, and the re-run of the finished backfill; `statsforecast`, its
`cross_validation` of one series; `series`, the same of many; `sktime`, its `evaluate`; `statsmodels`, a loop over its
SARIMAX; `growth`, ten times the windows and the series. Every side is a process of its own (backtest_ours.py,
backtest_peer.py), in alternation where it runs more than once. Seconds are those of the call, without imports; for us
with the start of the workers and their imports (but see `--warm`), all writing and the comparison, but with the ledger
open. Peers' libraries get one thread
a process, as ours do: by default, on few cores, statsmodels is several times slower.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from backtest_task import HORIZON, MODELS, length
from common import HERE, Report, alternate, answer, experiments, parser, say

CORES = os.cpu_count() or 1
ONE_THREAD = ["env", *(f"{name}_NUM_THREADS=1" for name in ("OMP", "OPENBLAS", "MKL"))]
PANEL = ("ARIMA", "AutoTheta", "OptimizedTheta")
WRAPPED = ("AutoETS", "AutoTheta")
TEN_TIMES = 10
RERUNS = 3
FITS = """
    select r.model_type, count(distinct r.model_name) as variants, count(*) as n,
      sum(w.fit_seconds + w.predict_seconds) as seconds, max(w.fit_seconds + w.predict_seconds) as slowest,
      count_if(w.status = 'failed') as failed
    from run_windows as w
    inner join model_runs as r on w.experiment_id = r.experiment_id
    group by r.model_type
    order by seconds desc
"""

Side = dict[str, Any]


class Bench:
    """The data, the sizes and the report that the sections share."""

    def __init__(self, given: argparse.Namespace, folder: Path) -> None:
        from experiments.services.sources import read_covariates, read_prices

        shown = {name: value for name, value in vars(given).items() if name not in ("prices", "covariates")}
        self.given = given
        self.folder = folder
        self.report = Report(argparse.Namespace(**shown))
        self.prices = read_prices(given.prices, ledger=None).frame[["ds", "y"]].dropna()
        self.covariates = read_covariates(given.covariates, ledger=None)
        files = ", ".join(Path(name).name for name in (given.prices, *given.covariates))
        self.report.note(f"{files}; horizon and step {HORIZON}, training on {given.train:,} observations")
        self._made = 0

    def panel(self, n_windows: int, n_series: int = 1) -> str:
        """A file with the last rows of the prices, and as further series earlier stretches of them."""
        import pandas as pd

        n = length(n_windows, self.given.train)
        spare = len(self.prices) - n
        if spare < n_series - 1:
            needed = n + n_series - 1
            sys.exit(f"{n_series} series of {n_windows} windows need {needed} prices, {len(self.prices)} are given")
        shift = spare // max(n_series - 1, 1)
        ends = [len(self.prices) - number * shift for number in range(n_series)]
        dates = self.prices["ds"].to_numpy()[-n:]
        values = self.prices["y"].to_numpy()
        made = [
            pd.DataFrame({"unique_id": f"s{number:03}", "ds": dates, "y": values[end - n : end]})
            for number, end in enumerate(ends)
        ]
        path = self.folder / f"panel_{n_windows}_{n_series}.csv"
        (pd.concat(made) if n_series > 1 else made[0][["ds", "y"]]).to_csv(path, index=False)
        return str(path)

    def side(self, task: Mapping[str, Any], peer: str | None = None, *, threads: bool = False) -> Side:
        """What a side found, with the seconds of its whole process; ours leaves no ledger behind."""
        self._made += 1
        path = self.folder / f"task_{self._made}.json"
        path.write_text(json.dumps(task), encoding="utf-8")
        script = [HERE / "backtest_ours.py", path] if peer is None else [HERE / "backtest_peer.py", path, peer]
        started = time.perf_counter()
        found = answer([*([] if threads or peer is None else ONE_THREAD), sys.executable, *script])
        found["process"] = time.perf_counter() - started
        if found.get("failed"):
            sys.exit(f"{found['failed']} windows failed: {task}")
        return dict(found)

    def task(self, prices: str, models: Sequence[str], n_windows: int, **more: Any) -> dict[str, Any]:
        """A task without covariates; by default of windows that do not overlap."""
        plain = {"prices": prices, "covariates": [], "models": list(models), "windows": n_windows, "step": HORIZON}
        return plain | {"train": self.given.train, "register": True, "warm": self.given.warm} | more


def main() -> None:
    """Run the sections asked for, print and keep."""
    options = parser(__doc__)
    options.add_argument("--prices", default="example:wti", help="a source of prices (%(default)s)")
    options.add_argument(
        "--covariates", nargs="*", default=["example:vix"], help="sources of covariates (%(default)s)", metavar="SOURCE"
    )
    options.add_argument("--only", help=f"sections, as in grid,sktime; by default all: {', '.join(SECTIONS)}")
    options.add_argument("--windows", type=int, default=40, help="windows a series (%(default)s)")
    options.add_argument("--train", type=int, default=1000, help="observations to train on (%(default)s)")
    options.add_argument("--runs", type=int, default=3, help="runs of the sides of one series (%(default)s)")
    options.add_argument("--series", type=int, default=100, help="series of `series` and `growth` (%(default)s)")
    options.add_argument("--series-windows", type=int, default=10, help="windows of each in `series` (%(default)s)")
    options.add_argument(
        "--sarimax-windows", type=int, default=8, help="windows of `statsmodels`, spread over the others (%(default)s)"
    )
    options.add_argument(
        "--warm", action="store_true", help="let our workers and loky's do a few windows before the seconds begin"
    )
    given = options.parse_args()
    chosen = given.only.split(",") if given.only else list(SECTIONS)
    if unknown := set(chosen) - set(SECTIONS):
        options.error(f"--only {', '.join(unknown)}: accepted are {', '.join(SECTIONS)}")
    with tempfile.TemporaryDirectory(prefix="bench-") as temporary:
        bench = Bench(given, Path(temporary))
        for name in chosen:
            say(f"section {name}")
            bench.report.lines += ["", f"### {name}", ""]
            SECTIONS[name](bench)
        bench.report.finish()


def grid(bench: Bench) -> None:
    """Every variant that can run, as a cold command, and the command again."""
    given, report = bench.given, bench.report
    ledger, config = bench.folder / "grid", bench.folder / "grid.toml"
    sources = [_source(name) for name in (given.prices, *given.covariates)]
    config.write_text(
        f'[[backtest]]\ncommodity = "Benchmark"\ndata = {json.dumps(sources[0])}\n'
        f"covariates = {json.dumps(sources[1:])}\nwindows = {given.windows}\ntrain_size = {given.train}\n"
    )
    command = [*experiments(), "backfill", config, "--path", ledger, "--json"]
    started = time.perf_counter()
    first = answer(command)[0]
    wall = time.perf_counter() - started
    if first["error"]:
        sys.exit(f"the backfill failed: {first['error']}")
    kinds = answer([*experiments(), "sql", FITS, "--path", ledger, "--json"])
    fits = sum(kind["seconds"] for kind in kinds)
    again = {"the same command again": []}
    n_again = 0
    for turn in range(RERUNS):
        say(f"re-run {turn + 1} of {RERUNS}")
        started = time.perf_counter()
        n_again += answer(command)[0]["n_fits"]
        again["the same command again"].append(time.perf_counter() - started)
    report.note(f"{first['n_fits']} fits, {sum(kind['failed'] for kind in kinds)} of them failed")
    for note in first["notes"]:
        report.note(f"said: {note}")
    report.table(
        ("type of model", "variants", "fits", "seconds", "slowest fit"),
        [
            [kind["model_type"], *(f"{kind[name]}" for name in ("variants", "n"))]
            + [f"{kind[name]:.1f}" for name in ("seconds", "slowest")]
            for kind in kinds
        ],
    )
    report.seconds(
        {
            "whole command `experiments backfill`": [wall],
            "its backtest": [first["seconds"]],
            "sum of fit and predict seconds": [fits],
            f"sum ÷ {CORES} cores": [fits / CORES],
            **again,
        }
    )
    report.ratio("efficiency: (fits ÷ cores) ÷ backtest", fits / CORES / first["seconds"], least=0.9)
    report.ratio("(fits ÷ cores) ÷ whole command", fits / CORES / wall)
    report.ratio("minutes of the whole command", wall / 60, most=6)
    report.note(f"minutes that no order of the fits could do without: {fits / CORES / 60:.2f}")
    report.ratio("fits of the re-runs", n_again, most=0)
    report.ratio("seconds of a re-run, the whole process", median(again["the same command again"]), most=3)


def one_series(bench: Bench) -> None:
    """All windows of one series, through statsforecast and through us."""
    given = bench.given
    task = bench.task(bench.panel(given.windows), MODELS, given.windows)
    found = _compared(bench, task, {"statsforecast": "statsforecast"}, runs=given.runs)
    _faster(bench, found, "statsforecast", least=1.7)


def many_series(bench: Bench) -> None:
    """The same for many series, where statsforecast has something to divide between the cores."""
    given = bench.given
    task = bench.task(bench.panel(given.series_windows, given.series), PANEL, given.series_windows)
    bench.report.note(f"{given.series} series, stretches of the prices that begin at different rows, on the same dates")
    found = _compared(bench, task, {"statsforecast": "statsforecast"}, runs=1)
    _faster(bench, found, "statsforecast", least=1)


def through_sktime(bench: Bench) -> None:
    """The same models through wrappers of sktime, and apart from them its SARIMAX, which is statsmodels'."""
    given, report = bench.given, bench.report
    prices = bench.panel(given.windows)
    backends = {"sktime, serial": "sktime-serial", "sktime, loky": "sktime-loky"}
    for models, what in ((WRAPPED, "its wrappers of statsforecast"), (("arima",), "its SARIMAX (1, 1, 1), our arima")):
        report.lines += ["", f"- **{what}**"]
        found = _compared(bench, bench.task(prices, models, given.windows), backends, runs=given.runs)
        better = min(backends, key=lambda name: median(run["seconds"] for run in found[name]))
        _faster(bench, found, better, least=1.7)


def sarimax(bench: Bench) -> None:
    """The SARIMAX variants whose covariates are given; the loop is handed the orders our searches find."""
    from experiments.science.models import choose

    given, report = bench.given, bench.report
    models = [one.name for one in choose(None, list(bench.covariates))[0] if one.type == "SARIMAX"]
    task = bench.task(
        _source(given.prices),
        models,
        given.sarimax_windows,
        covariates=[_source(name) for name in given.covariates],
        step=HORIZON * max(given.windows // given.sarimax_windows, 1),
        register=False,
    )
    say("ours")
    ours = bench.side(task)
    task |= {"cutoffs": ours["cutoffs"], "prepared": str(bench.folder / "windows.pickle")}
    say("what the loop is given")
    bench.side(task, "windows")
    say("statsmodels, one thread")
    loop = bench.side(task, "statsmodels")
    say("statsmodels as it comes")
    plain = bench.side(task, "statsmodels", threads=True)
    report.note(
        f"{len(models)} variants, {len(ours['cutoffs'])} cutoffs spread over {given.windows} windows; the loop gets "
        "prices and covariates in their own units, lagged as ours, and for the automatic variants the order (and the "
        "constant) that our search found in that window: it need not search; only `fit` and `forecast` are timed"
    )
    report.table(
        ("variant", "ours, sum of fits", "loop, one thread", "loop as it comes", "MAE ours", "MAE loop", "ours ÷ loop"),
        [
            [
                f"`{name}`",
                *(f"{spent[name]:.2f}" for spent in (ours["fit_seconds"], loop["each"], plain["each"])),
                *(f"{mae:.4f}" for mae in (ours["mae"][name], loop["mae"][name])),
                f"{ours['mae'][name] / loop['mae'][name]:.4f}",
            ]
            for name in models
        ],
    )
    sides = {"our whole backtest": ours, "loop, libraries held to one thread": loop, "loop as people write it": plain}
    report.seconds({name: [side["seconds"]] for name, side in sides.items()})
    report.ratio("loop as people write it ÷ ours", plain["seconds"] / ours["seconds"], least=10)
    report.ratio("loop with one thread ÷ ours", loop["seconds"] / ours["seconds"], least=10)
    for name, side in (("as people write it", plain), ("with one thread", loop)):
        report.ratio(f"loop {name}, if it ran on {CORES} cores ÷ ours", side["seconds"] / CORES / ours["seconds"])
    report.ratio(
        "sum of the loop's fits, one thread ÷ sum of ours, searches included",
        loop["seconds"] / sum(ours["fit_seconds"].values()),
    )
    fixed = [name for name in models if "auto" not in name]
    report.ratio(
        "variants without a search: the loop's fits, one thread ÷ (our fits ÷ cores)",
        sum(loop["each"][name] for name in fixed) / (sum(ours["fit_seconds"][name] for name in fixed) / CORES),
    )
    mean = {name: sum(side["mae"].values()) / len(models) for name, side in (("ours", ours), ("loop", loop))}
    report.ratio("mean MAE, ours against the loop's, in percent", 100 * (mean["ours"] / mean["loop"] - 1), most=1)


def growth(bench: Bench) -> None:
    """The variant arima on ten times the windows, and on ten times the series."""
    given, report = bench.given, bench.report
    few = max(given.series // TEN_TIMES, 1)
    sizes = {
        "windows": ((given.windows, 1), (TEN_TIMES * given.windows, 1)),
        "series": ((given.windows, few), (given.windows, TEN_TIMES * few)),
    }
    found = {
        size: bench.side(bench.task(bench.panel(*size), ["arima"], size[0]))
        for size in dict.fromkeys(size for pair in sizes.values() for size in pair)
    }
    report.table(
        ("arima", "fits", "seconds", "sum of fits ÷ cores", "beside the fits", "peak MiB, main", "peak MiB, a worker"),
        [
            [f"{n_series} series, {n_windows} windows", f"{one['n_fits']}", f"{one['seconds']:.2f}"]
            + [f"{_share(one):.2f}", f"{one['seconds'] - _share(one):.2f}"]
            + [f"{one['memory'][whose]:.0f}" for whose in ("parent", "worker")]
            for (n_windows, n_series), one in found.items()
        ],
    )
    for what, (less, more) in sizes.items():
        small, large = found[less], found[more]
        report.ratio(f"seconds, ten times the {what}", large["seconds"] / small["seconds"], most=10.5)
        report.ratio(f"sum of the fits, ten times the {what}", _share(large) / _share(small))
        for whose, name in (("parent", "the main process"), ("worker", "a worker")):
            if small["memory"][whose]:
                ratio = large["memory"][whose] / small["memory"][whose]
                report.ratio(f"peak memory of {name}, ten times the {what}", ratio, most=1.25)


def _compared(bench: Bench, task: dict[str, Any], peers: Mapping[str, str], *, runs: int) -> dict[str, list[Side]]:
    """Ours and the peers in alternation, with a table of seconds and one of their accuracy."""
    jobs: dict[str, Callable[[], Side]] = {"ours": lambda: bench.side(task)}
    for name, side in peers.items():
        jobs[name] = lambda side=side: bench.side(task, side)
    found = alternate(jobs, runs=runs, warm_up=False)
    report, models = bench.report, task["models"]
    first = {name: several[0] for name, several in found.items()}
    if len({tuple(side["cutoffs"]) for side in first.values()}) > 1:
        sys.exit(f"the sides did not use the same cutoffs: { {name: side['cutoffs'] for name, side in first.items()} }")
    report.note(f"{', '.join(models)}; {task['windows']} windows, cutoffs {_range(first['ours']['cutoffs'])}")
    report.table(
        ("mean MAE", *first),
        [[f"`{model}`", *(f"{side['mae'][model]:.6f}" for side in first.values())] for model in models],
    )
    largest = max(abs(side["mae"][m] / first["ours"]["mae"][m] - 1) for side in first.values() for m in models)
    report.note(f"largest relative difference of a mean MAE from ours: {largest:.1e}")
    seconds = {name: [run["seconds"] for run in several] for name, several in found.items()}
    ours = [sum(run["fit_seconds"].values()) / CORES for run in found["ours"]]
    kept = {} if bench.given.warm else found
    whole = {f"{name}, whole process": [run["process"] for run in several] for name, several in kept.items()}
    report.seconds({**seconds, f"our fits ÷ {CORES} cores": ours, **whole})
    return found


def _faster(bench: Bench, found: Mapping[str, list[Side]], peer: str, *, least: float) -> None:
    both = {
        key: median(run[key] for run in found[peer]) / median(run[key] for run in found["ours"])
        for key in ("seconds", "process")
    }
    bench.report.ratio(f"{peer} ÷ ours", both["seconds"], least=least)
    if not bench.given.warm:
        bench.report.ratio(f"{peer} ÷ ours, whole processes", both["process"])


def _share(side: Side) -> float:
    return float(sum(side["fit_seconds"].values())) / CORES


def _source(name: str) -> str:
    """A source as it can be read from any folder."""
    return str(Path(name).resolve()) if Path(name).exists() else name


def _range(cutoffs: Sequence[str]) -> str:
    return f"{cutoffs[0]} to {cutoffs[-1]}"


SECTIONS: dict[str, Callable[[Bench], None]] = {
    "grid": grid,
    "statsforecast": one_series,
    "series": many_series,
    "sktime": through_sktime,
    "statsmodels": sarimax,
    "growth": growth,
}


if __name__ == "__main__":
    main()
