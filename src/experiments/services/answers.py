"""Answers in words: which model to use, and how sure one can be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from experiments.definitions import BASELINE, METRICS, counted, known, pvalue_in_words, series_name, step_name
from experiments.errors import InvalidInputError, unknown
from experiments.science.evidence.family import BETTER, EQUAL, NOT_COMPARED, SAME_AS_NAIVE, TOO_LITTLE

if TYPE_CHECKING:
    import datetime as dt

    import pandas as pd

    from experiments.services.ledger import Ledger

DAYS_PER_STEP = {"trading day": 365.25 / 252, "day": 1, "week": 7, "month": 30.44, "quarter": 91.3, "year": 365.25}
"""Calendar days in one step, by frequency."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The model to use for a series of a commodity, and why; `leaderboard` has the figures behind it, if any."""

    commodity: str
    unique_id: str
    model: str
    reason: str
    leaderboard: pd.DataFrame | None


def choices(
    ledger: Ledger,
    commodity: str,
    backtest_id: str | None = None,
    *,
    horizon: int | None = None,
    as_of: dt.date | str | None = None,
) -> list[Choice]:
    """Choose the model for each series of a commodity from the leaderboard of a backtest: by default the latest.

    A model is chosen over naive only where its Holm-adjusted p-value says so; else naive is the choice.
    Where callers reported all figures there is nothing to test: their best one is named, as theirs.

    Parameters
    ----------
    ledger : Ledger
    commodity : str
    backtest_id : str, optional
        By default the backtest on the latest data.
    horizon, as_of
        As in `Ledger.leaderboard`.

    Raises
    ------
    NotFoundError
        If the commodity, or a backtest of it, is not in the ledger.
    """
    if ledger.backtests(commodity).empty:
        return [_reported(ledger, commodity)]
    boards = ledger.leaderboard(commodity, backtest_id, horizon=horizon, as_of=as_of).groupby("unique_id", sort=True)
    return [chosen(board.reset_index(drop=True), commodity, str(unique_id)) for unique_id, board in boards]


def choose(ledger: Ledger, commodity: str, unique_id: str | None = None) -> Choice:
    """The choice of `choices` for a commodity with one series, or for one of its series.

    Parameters
    ----------
    ledger : Ledger
    commodity : str
    unique_id : str, optional
        The series, where the commodity has several.

    Raises
    ------
    NotFoundError
        If the commodity or series is not in the ledger.
    InvalidInputError
        If the commodity has several series and none is named.
    """
    if not hasattr(ledger, "leaderboard"):
        msg = f"ledger is {ledger!r}: give what experiments.connect returns."
        raise InvalidInputError(msg)
    found = {choice.unique_id: choice for choice in choices(ledger, commodity)}
    if unique_id is None and len(found) > 1:
        msg = f"{commodity} has several series: name one of {', '.join(found)} as unique_id."
        raise InvalidInputError(msg)
    if unique_id is not None and unique_id not in found:
        raise unknown(f"series of {commodity}", unique_id, found)
    return found[unique_id or next(iter(found))]


def chosen(board: pd.DataFrame, commodity: str, unique_id: str) -> Choice:
    """The choice that a leaderboard leaves: the first model that is better than naive, else naive."""
    subject = series_name(commodity, unique_id)
    winners = board[board["verdict"] == BETTER]
    return Choice(
        commodity=commodity,
        unique_id=unique_id,
        model=BASELINE if winners.empty else str(winners["model_name"].iloc[0]),
        reason=_no_winner(board, subject) if winners.empty else _winner(winners.iloc[0], board, subject),
        leaderboard=board,
    )


def _reported(ledger: Ledger, commodity: str) -> Choice:
    best = ledger.best(commodity)
    words = f"On {commodity} the ledger has only figures reported by callers, none tested here: "
    if best.empty:
        words += "no model is reported to beat naive, so use naive."
    else:
        words += f"by those use {best['model_name'].iloc[0]}, reported to beat naive."
    model = BASELINE if best.empty else str(best["model_name"].iloc[0])
    return Choice(commodity=commodity, unique_id=commodity, model=model, reason=words, leaderboard=None)


def in_words(row: pd.Series[Any]) -> str:
    """The verdict on one model of a leaderboard: better, worse, equal within what, or how much more would tell."""
    verdict = str(row["verdict"])
    if verdict == EQUAL:
        return f"{verdict} within {row['equal_within']:.1%}"
    if verdict == NOT_COMPARED:
        return f"{verdict}: {row['evidence_note']}"
    if verdict != TOO_LITTLE:
        return verdict
    if known(row["windows_to_tell"]) is not None:
        needed = int(row["windows_to_tell"])
        wait = _how_long(row, needed - int(row["n_shared"]))
        return f"{verdict}: {needed:,} windows would tell" + (f" (+{wait})" if wait else "")
    if known(row["dm_pvalue"]) is not None:
        return f"{verdict}: too alike for any number of windows to tell"
    return f"{verdict}: {row['evidence_note']}"


def _winner(best: pd.Series[Any], board: pd.DataFrame, commodity: str) -> str:
    naive = best["naive_loss"]
    words = (
        f"Use {best['model_name']} for {commodity}: its error {_where(best)} is {best['skill']:.1%} below "
        f"naive's on {int(best['n_shared'])} windows (95 % interval {-best['naive_upper'] / naive:.1%} to "
        f"{-best['naive_lower'] / naive:.1%}, Diebold-Mariano {best['dm_test_vs_naive']:.2f}, "
        f"{pvalue_in_words(best['dm_pvalue_holm'])} after Holm's correction for "
        f"{counted(int(best['n_tested']), 'model')})."
    )
    if best["place"] == 1 and known(best["leader_loss_corrected"]) is not None:
        expected = 1 - best["leader_loss_corrected"] / naive
        side = "below" if expected > 0 else "above"
        words += f" Corrected for having been selected, expect {abs(expected):.1%} {side}."
    members = board[board["in_confidence_set"].eq(True) & board["execution_time_seconds"].notna()]
    if not members.empty:
        cheapest = members.sort_values("execution_time_seconds").iloc[0]
        spent, own = cheapest["execution_time_seconds"], best["execution_time_seconds"]
        if cheapest["model_name"] != best["model_name"] and spent < own:
            words += f" {cheapest['model_name']} may be as good and takes {spent:,.1f} s instead of {own:,.1f}."
    return words


def _no_winner(board: pd.DataFrame, commodity: str) -> str:
    """Why naive is the choice, and what it would take to tell."""
    tested = board[board["dm_pvalue"].notna()]
    if tested.empty:
        others = board[board["model_name"] != BASELINE]
        told = board if others.empty else others  # naive's own note explains nothing beside those of others
        notes = sorted({str(note) for note in told["evidence_note"].dropna()}) or ["there is none but naive"]
        if notes == [SAME_AS_NAIVE]:
            return f"No model differs from naive on {commodity}: use naive."
        return f"Not enough evidence on {commodity}: use naive. No model could be tested: {'; '.join(notes)}."
    words = f"No model beats naive on {commodity}: use naive. "
    on = f"Of {counted(len(tested), 'model')} tested on {counted(int(tested['n_shared'].iloc[0]), 'window')}"
    contenders = tested[(tested["dm_test_vs_naive"] < 0)].sort_values("dm_pvalue")
    if contenders.empty:
        return f"{words}{on}, none has a smaller error than naive {_where(tested.iloc[0])}."
    first = contenders.iloc[0]
    pvalues = pvalue_in_words(first["dm_pvalue"])
    if len(tested) > 1:
        pvalues += f", {pvalue_in_words(first['dm_pvalue_holm'])} after Holm's correction"
    words += f"{on} the nearest is {first['model_name']}, {first['skill']:.1%} below naive ({pvalues})"
    if known(first["windows_to_tell"]) is not None:
        needed = int(first["windows_to_tell"])
        wait = _how_long(first, needed - int(first["n_shared"]))
        words += f"; if that difference is real, about {needed:,} windows would tell"
        words += f", {wait} more" if wait else ""
    return words + "."


def _how_long(row: pd.Series[Any], more: int) -> str:
    days = DAYS_PER_STEP.get(str(row["frequency"]))
    if days is None or more <= 0:
        return ""
    months = more * int(row["step_size"]) * days / 30.44
    return f"{months:.0f} months" if months < 24 else f"{months / 12:,.1f} years"  # noqa: PLR2004  two years


def _where(row: pd.Series[Any]) -> str:
    """The steps a leaderboard compares at."""
    step = METRICS[str(row["metric"])]
    unit = step_name(str(row["frequency"]))
    return f"over {counted(int(row['forecast_horizon_days']), unit)}" if step is None else f"at {unit} {step}"
