"""Do the tests tell skill from luck? Simulated sizes, powers, wrong prunes, waiting times; the speed of a family.

A share comes with its Monte Carlo standard error (MC) in points; a goal that a share should reach counts as met
where the share lies within two of them. Every table draws from a generator of its own, seeded by `--seed`.
"""

from __future__ import annotations

import math
import time
from argparse import Namespace
from collections.abc import Iterator
from statistics import median

import numpy as np
from common import Report, parser, say
from evidence_draws import (
    RULES,
    SIGNIFICANCE,
    TESTS,
    Flags,
    Floats,
    absolute_losses,
    check,
    default,
    holm_better,
    monte_carlo_error,
    path_losses,
)

OVERLAPS, WINDOWS = (1, 7, 14), (40, 60, 90, 180)
CORRECT = 0.035, 0.07
POWER_RANGE = 0.3, 0.8
WORSE_BY = (1.05, 1.1, 1.15, 1.2, 1.3, 1.4, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0, 6.0)
HISTORY, LOOKS, LONGEST = 40, 104, 520
MONTHS = 12 / 52
DESIGNS = {"14 trading days, weekly: overlap 3": (14, 5), "5 trading days, weekly: no overlap": (5, 5)}
SHARED = {0.8: 0.906, 0.95: 0.9775}  # the shocks' correlation that gives the path losses' one
BATCH = 1000
HERING_GENTON = "Hering-Genton (`scores`)"


def main() -> None:
    """Simulate, print and keep."""
    options = parser(__doc__)
    options.add_argument("--reps", type=int, default=10_000, help="draws of each size and power (%(default)s)")
    options.add_argument("--seed", type=int, default=20261121)
    given = options.parse_args()
    report = Report(given)
    report.note(f"{check(generator(given, 0))} results of the batch tests agree with the library's one by one")
    sizes = size(given, report)
    power(given, report, sizes)
    families(given, report)
    confidence_sets(given, report)
    wrong_prunes(given, report)
    waiting_times(given, report)
    speed(given, report)
    report.finish()


def generator(given: Namespace, table: int) -> np.random.Generator:
    """The generator of one table."""
    return np.random.default_rng([given.seed, table])


def batches(draws: int) -> Iterator[int]:
    """Draws in portions that fit into memory."""
    for start in range(0, draws, BATCH):
        yield min(BATCH, draws - start)


def verdict(met: bool) -> str:
    """Words for a goal."""
    return "met" if met else "**missed**"


def percent(share: float) -> str:
    """A share in percent."""
    return f"{100 * share:.1f}"


# --- one look ------------------------------------------------------------------------------------------------------


def size(given: Namespace, report: Report) -> dict[tuple[int, int], dict[str, float]]:
    """How often each test finds a difference where there is none."""
    random, slow = generator(given, 1), max(100, given.reps // 20)
    found: dict[tuple[int, int], dict[str, float]] = {}
    rows = []
    for overlap in OVERLAPS:
        for n in WINDOWS:
            say(f"size: overlap {overlap}, n = {n}")
            rejected, silent = dict.fromkeys(TESTS, 0), 0
            for draws in batches(given.reps):
                a, b = absolute_losses(random, draws, n, overlap)
                for name, test in TESTS.items():
                    pvalues = test(a - b, overlap)[1]
                    rejected[name] += int((pvalues < SIGNIFICANCE).sum())
                    silent += int(np.isnan(pvalues).sum()) if "refusing" in name else 0
            shares = {name: count / given.reps for name, count in rejected.items()}
            found[overlap, n] = shares
            last, refused = hering_genton(random, slow, n, overlap)
            cells = [
                percent(shares[name]) + (f" ({percent(silent / given.reps)})" if "refusing" in name else "")
                for name in TESTS
            ]
            rows.append([f"{overlap}, {n}", *cells, f"{percent(last)} ({percent(refused)})"])
    report.note(
        f"**size** of a nominal 5 %: absolute losses of two models whose errors are independent moving averages of "
        f"order overlap - 1, {given.reps:,} draws a cell ({slow:,} of Hering-Genton); in brackets the percentage of "
        f"draws that the test refuses to answer; MC {monte_carlo_error(0.05, given.reps):.2f}, "
        f"Hering-Genton {monte_carlo_error(0.05, slow):.1f} and more"
    )
    report.table(["rejected, %: overlap, n", *TESTS, HERING_GENTON], rows)
    worst = [shares["default"] for shares in found.values()]
    error = monte_carlo_error(0.05, given.reps) / 100
    met = CORRECT[0] - 2 * error <= min(worst) and max(worst) <= CORRECT[1] + 2 * error
    report.note(
        f"size of the default test: {percent(min(worst))} to {percent(max(worst))} % "
        f"(goal: 3.5 to 7 everywhere; {verdict(met)})"
    )
    return found


def hering_genton(random: np.random.Generator, draws: int, n: int, overlap: int) -> tuple[float, float]:
    """The shares that `scores`' test rejects, and cannot fit; on losses whose differences have a deviation near 1."""
    from experiments.science.evidence.diebold_mariano import diebold_mariano

    a, b = absolute_losses(random, draws, n, overlap) / math.sqrt(overlap * 0.73)
    found = [diebold_mariano(*pair, overlap=overlap, method="hering-genton").pvalue for pair in zip(a, b, strict=True)]
    refused = found.count(None)
    return sum(pvalue is not None and pvalue < SIGNIFICANCE for pvalue in found) / draws, refused / draws


def power(given: Namespace, report: Report, sizes: dict[tuple[int, int], dict[str, float]]) -> None:
    """How often the default finds a difference, beside the tests that have the right size in the same cell."""
    random = generator(given, 2)
    rows, losses = [], []
    for (overlap, n), shares in sizes.items():
        say(f"power: overlap {overlap}, n = {n}")
        correct = [name for name, share in shares.items() if CORRECT[0] <= share <= CORRECT[1] or name == "default"]
        rejected = np.zeros((len(WORSE_BY), len(correct)))
        for draws in batches(given.reps):
            a, b = absolute_losses(random, draws, n, overlap)
            for step, worse in enumerate(WORSE_BY):
                d = worse * a - b
                rejected[step] += [(TESTS[name](d, overlap)[1] < SIGNIFICANCE).sum() for name in correct]
        rejected /= given.reps
        ours = rejected[:, correct.index("default")]
        for row in np.flatnonzero((ours >= POWER_RANGE[0]) & (ours <= POWER_RANGE[1])):
            best = int(np.argmax(rejected[row]))
            losses.append(float(rejected[row, best] - ours[row]))
            rows.append(
                [
                    f"{overlap}, {n}",
                    f"{WORSE_BY[row]:g}",
                    percent(ours[row]),
                    "none better" if losses[-1] <= 0 else f"{correct[best]} {percent(rejected[row, best])}",
                    f"{100 * losses[-1]:.1f}",
                ]
            )
    report.note(
        f"**power** of the default where it lies between 30 and 80 %, and of the best test whose size above lies "
        f"between 3.5 and 7 %: one model's errors are larger by a factor; {given.reps:,} draws, the same for all "
        f"tests; MC at most {monte_carlo_error(0.5, given.reps):.1f}"
    )
    report.table(["found, %: overlap, n", "factor", "default", "best size-correct alternative", "points lost"], rows)
    worst = max(losses, default=math.nan)
    report.note(f"power lost, at most: {100 * worst:.1f} points (goal: within 5; {verdict(worst <= SIGNIFICANCE)})")


def families(given: Namespace, report: Report) -> None:
    """20 models as good as naive: how often any is called better."""
    random, models, draws_each = generator(given, 3), 20, max(200, given.reps // 2)
    rows, held = [], True
    for design, correlation in (("differences independent", None), ("losses independent", 0.0), ("losses at 0.5", 0.5)):
        for overlap, n in ((1, 40), (1, 180), (7, 90), (14, 60), (14, 180)):
            say(f"20 models: {design}, overlap {overlap}, n = {n}")
            adjusted, raw = 0, 0
            for draws in batches(draws_each):
                # a naive forecast of its own for each model is what makes the differences independent
                naives = models if correlation is None else 1
                made = absolute_losses(
                    random, draws, n, overlap, models=models + naives, correlation=correlation or 0.0
                )
                tested = [default(made[naives + i] - made[i % naives], overlap) for i in range(models)]
                statistics, pvalues = (np.array(part) for part in zip(*tested, strict=True))
                adjusted += int(holm_better(statistics, pvalues).sum())
                raw += int(((pvalues < SIGNIFICANCE) & (statistics < 0)).any(axis=0).sum())
            share, error = adjusted / draws_each, monte_carlo_error(adjusted / draws_each, draws_each)
            held &= share <= SIGNIFICANCE + 2 * error / 100
            rows.append([f"{design}; {overlap}, {n}", percent(share), f"{error:.2f}", percent(raw / draws_each)])
    report.note(
        f"**20 models without skill**: chance that any is called better than naive, at p < 0.05 and smaller losses; "
        f"their losses and naive's are independent or correlated; {draws_each:,} draws"
    )
    report.table(["any called better, %: design; overlap, n", "Holm", "MC", "raw"], rows)
    report.note(f"any of 20 called better: at most 5 % and two MC everywhere: {verdict(held)}")


def confidence_sets(given: Namespace, report: Report) -> None:
    """How often a confidence set leaves out one of 20 equal models, and one that is much worse."""
    from experiments.science.evidence.multiplicity import CONFIDENCE_SET_METHODS, model_confidence_set

    random, models, draws_each = generator(given, 7), 20, max(50, given.reps // 50)
    rows, held = [], True
    for overlap, n in ((1, 40), (3, 40), (14, 60), (14, 180)):
        say(f"confidence sets: overlap {overlap}, n = {n}")
        made = absolute_losses(random, draws_each, n, overlap, models=models, correlation=0.5)
        cells = []
        for method in CONFIDENCE_SET_METHODS:
            equal = one_worse = 0
            for draw in range(draws_each):
                losses = made[:, draw].T
                asked = {"overlap": overlap, "reps": 500, "seed": draw, "method": method}
                equal += not model_confidence_set(losses, **asked).members.all()
                one_worse += not model_confidence_set(losses * np.where(np.arange(models), 1, 1.5), **asked).members[0]
            cells += [percent(equal / draws_each), percent(one_worse / draws_each)]
            if method == CONFIDENCE_SET_METHODS[0]:
                held &= equal / draws_each <= SIGNIFICANCE + 2 * monte_carlo_error(SIGNIFICANCE, draws_each) / 100
        rows.append([f"{overlap}, {n}", *cells])
    report.note(
        f"**confidence set** at 95 % of {models} models, losses at correlation 0.5: how often any of equal ones is "
        f"left out, and how often one that loses 1.5 times as much; {draws_each:,} draws of 500 resamples, MC "
        f"{monte_carlo_error(SIGNIFICANCE, draws_each):.1f} near 5 %"
    )
    heads = [f"{method}, {what}" for method in CONFIDENCE_SET_METHODS for what in ("any equal", "the worse")]
    report.table(["left out, %: overlap, n", *heads], rows)
    report.note(f"equal models left out by the one used: at most 5 % and two MC everywhere: {verdict(held)}")


# --- many looks ----------------------------------------------------------------------------------------------------


def ever(flags: Flags) -> Flags:
    """Whether a rule spoke at any look."""
    return np.asarray(flags.any(axis=1))


def wrong_prunes(given: Namespace, report: Report) -> None:
    """A model without a difference, looked at every week for two years after 40 windows of history."""
    random, draws_each = generator(given, 4), max(200, given.reps // 2)
    columns: dict[str, dict[str, float]] = {}
    for design, (horizon, step) in DESIGNS.items():
        for correlation, shared in ((0.0, 0.0), *SHARED.items()):
            say(f"wrong prunes: {design}, loss correlation {correlation}")
            counts = dict.fromkeys(RULES, 0)
            for draws in batches(draws_each):
                a, b = path_losses(random, draws, HISTORY + LOOKS, horizon=horizon, step=step, shared=shared)
                for name, rule in RULES.items():
                    counts[name] += int(ever(rule(a - b, -(-horizon // step), HISTORY)).sum())
            columns[f"{design}, {correlation:g}"] = {name: count / draws_each for name, count in counts.items()}
    rows = [[name, *(percent(column[name]) for column in columns.values())] for name in RULES]
    error = monte_carlo_error(0.05, draws_each)
    report.note(
        f"**wrong prunes**: path losses of two equal models (errors add up along the horizon), {HISTORY} windows of "
        f"history, {LOOKS} weekly looks; all rules at one-sided 5 %, but the raw one at p < 0.05 and worse; by design "
        f"and correlation of the losses; {draws_each:,} draws, MC {error:.2f}"
    )
    report.table(["ever pruned, %", *columns], rows)
    worst = max(column["confidence sequence"] for column in columns.values())
    raw = max(column["raw test at every look"] for column in columns.values())
    report.note(
        f"wrong prunes by the confidence sequence: at most {percent(worst)} % "
        f"(goal: at most 5; {verdict(worst <= SIGNIFICANCE)}); by the raw test up to {percent(raw)} %"
    )


def waiting_times(given: Namespace, report: Report) -> None:
    """A model truly 10 % worse: months of weekly looks until each rule tells."""
    random, draws_each = generator(given, 5), max(100, given.reps // 10)
    columns: dict[str, dict[str, str]] = {}
    for design, (horizon, step) in DESIGNS.items():
        for correlation, shared in SHARED.items():
            say(f"months until told: {design}, loss correlation {correlation}")
            a, b = path_losses(random, draws_each, HISTORY + LONGEST, horizon=horizon, step=step, shared=shared)
            measured = float(np.corrcoef(a[:, 0], b[:, 0])[0, 1])
            column = columns[f"{design}, {correlation:g} (measured {measured:.2f})"] = {}
            for name, rule in RULES.items():
                column[name] = months(rule(1.1 * a - b, -(-horizon // step), HISTORY))
    report.note(
        f"**months until a model 10 % worse is told**, after {HISTORY} windows of history, of at most "
        f"{LONGEST * MONTHS:.0f}: median and 80 % quantile, 0 where the history tells; by design and correlation of "
        f"the losses; {draws_each:,} draws; the raw test is quick because it is also quick to tell what is not there"
    )
    report.table(["months", *columns], [[name, *(column[name] for column in columns.values())] for name in RULES])


def months(flags: Flags) -> str:
    """Median and 80 % quantile of the first look that tells."""
    first: Floats = np.where(ever(flags), flags.argmax(axis=1), np.inf) * MONTHS
    told = np.quantile(first, [0.5, 0.8], method="inverted_cdf")
    return ", ".join(f"{value:.1f}" if math.isfinite(value) else "longer" for value in told)


# --- speed ---------------------------------------------------------------------------------------------------------


def speed(given: Namespace, report: Report) -> None:
    """All pairs of 25 models, and their confidence set, at 3 horizons for 2 commodities."""
    import pandas as pd

    from experiments.science.evidence.family import compare_family

    random, names = generator(given, 6), ["naive", *(f"model {number}" for number in range(1, 25))]
    seconds: dict[str, list[float]] = {}
    for n in (40, 104, 250):
        tables = [
            (overlap, pd.DataFrame(absolute_losses(random, n, 25, 1)[0] * random.uniform(0.9, 1.1, 25), columns=names))
            for overlap in (1, 2, 3)
            for _commodity in range(2)
        ]
        for run in range(6):
            say(f"speed: {n} windows, {f'run {run} of 5' if run else 'warm-up'}")
            started = time.perf_counter()
            pairs = sum(
                len(compare_family(table, baseline="naive", overlap=overlap).pairs) for overlap, table in tables
            )
            spent = time.perf_counter() - started
            if pairs != len(tables) * 300:
                msg = f"{len(tables) * 300} pairs expected, {pairs} compared"
                raise SystemExit(msg)
            if run:
                seconds.setdefault(f"6 families of {n} windows", []).append(spent)
    report.note(
        "**speed**: all pairs of 25 models, the confidence set, the planner and the selection, at 3 horizons (overlap "
        "1, 2 and 3) for 2 commodities, after import"
    )
    report.seconds(seconds)
    for name, spent_each in seconds.items():
        report.ratio(f"{name}, seconds", median(spent_each), most=2)


if __name__ == "__main__":
    main()
