"""Answers in words: which model to use, and how sure one can be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from experiments.definitions import BASELINE, counted, step_name
from experiments.errors import InvalidInputError, unknown

if TYPE_CHECKING:
    import pandas as pd

    from experiments.services.ledger import Ledger

DAYS_PER_STEP = {"trading day": 365.25 / 252, "day": 1, "week": 7, "month": 30.44, "quarter": 91.3, "year": 365.25}
"""Calendar days in one step, by frequency."""

BETTER = "better than naive"


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The model to use for a series of a commodity, and why; `leaderboard` has the figures behind it, if any."""

    commodity: str
    unique_id: str
    model: str
    reason: str
    leaderboard: pd.DataFrame | None


def choices(ledger: Ledger, commodity: str, backtest_id: str | None = None) -> list[Choice]:
    """Choose the model for each series of a commodity from the leaderboard of a backtest: by default the latest.

    A model is chosen over naive only where its Holm-adjusted p-value says so; else naive is the choice.
    Where callers reported all figures there is nothing to test: their best one is named, as theirs.

    Parameters
    ----------
    ledger : Ledger
    commodity : str
    backtest_id : str, optional
        By default the backtest on the latest data.

    Raises
    ------
    NotFoundError
        If the commodity, or a backtest of it, is not in the ledger.
    """
    if ledger.backtests(commodity).empty:
        return [_reported(ledger, commodity)]
    boards = ledger.leaderboard(commodity, backtest_id).groupby("unique_id", sort=True)
    return [_tested(board.reset_index(drop=True), commodity, str(unique_id)) for unique_id, board in boards]


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


def _tested(board: pd.DataFrame, commodity: str, unique_id: str) -> Choice:
    subject = commodity if unique_id == commodity else f"{commodity} {unique_id}"
    winners = board[board["verdict"] == BETTER]
    return Choice(
        commodity=commodity,
        unique_id=unique_id,
        model=BASELINE if winners.empty else str(winners["model_name"].iloc[0]),
        reason=_no_winner(board, subject) if winners.empty else _winner(winners.iloc[0], subject),
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


def _winner(best: pd.Series[Any], commodity: str) -> str:
    return (
        f"Use {best['model_name']} for {commodity}: its error over {_steps(best)} is {best['skill']:.1%} below "
        f"naive's on {int(best['n_windows'] - best['n_failed_windows'])} windows "
        f"(Diebold-Mariano {best['dm_test_vs_naive']:.2f}, p {_p(best['dm_pvalue_holm'])} after Holm's correction "
        f"for {int(best['n_tested'])} models)."
    )


def _no_winner(board: pd.DataFrame, commodity: str) -> str:
    """Why naive is the choice, and what it would take to tell."""
    tested = board[board["dm_pvalue"].notna()]
    if tested.empty:
        others = board[board["model_name"] != BASELINE]
        told = board if others.empty else others  # naive's own note explains nothing beside those of others
        notes = sorted({str(note) for note in told["evidence_note"].dropna()})
        return f"Not enough evidence on {commodity}: use naive. No model could be tested: {'; '.join(notes)}."
    words = f"No model beats naive on {commodity}: use naive. "
    n = int(tested["n_windows"].max())
    count = f"{len(tested)} models" if len(tested) > 1 else "1 model"
    contenders = tested[(tested["dm_test_vs_naive"] < 0)].sort_values("dm_pvalue")
    if contenders.empty:
        return f"{words}Of {count} tested on {n} windows, none has a smaller error than naive over all steps."
    first = contenders.iloc[0]
    words += (
        f"Of {count} tested on {n} windows the nearest is {first['model_name']}, {first['skill']:.1%} below naive "
        f"(p {_p(first['dm_pvalue'])}, {_p(first['dm_pvalue_holm'])} after Holm's correction)"
    )
    if first["windows_to_tell"] == first["windows_to_tell"]:
        words += f"; if that difference is real, about {int(first['windows_to_tell'])} windows would tell"
        words += _how_long(first, int(first["windows_to_tell"]) - int(first["n_windows"]))
    return words + "."


def _how_long(row: pd.Series[Any], more: int) -> str:
    days = DAYS_PER_STEP.get(str(row["frequency"]))
    if days is None or more <= 0:
        return ""
    months = more * int(row["step_size"]) * days / 30.44
    return f", {months:.0f} months more" if months < 24 else f", {months / 12:.0f} years more"  # noqa: PLR2004


def _steps(row: pd.Series[Any]) -> str:
    return counted(int(row["forecast_horizon_days"]), step_name(str(row["frequency"])))


def _p(value: float) -> str:
    return f"= {value:.3f}" if value >= 0.001 else "< 0.001"  # noqa: PLR2004
