"""A small reinforcement learner on daily prices, and a run of it that loses nothing.

Tabular Q-learning: from the last day's and the last week's move (thirds of the training days) and what it holds, the
agent learns whether to be short, out or long tomorrow. It learns on the first 60 % of the days, the checkpoint is
chosen on the next 20 %, and the last 20 % are looked at once, at the end. Nothing is downloaded.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import track

from experiments import DatasetManager, ExperimentTracker, ModelRegistry, connect, set_deterministic_seeds
from experiments.science.example_data import load_vix, load_wti

PRICES = {"WTI": load_wti, "VIX": load_vix}
SETTINGS = {"learning_rate": 0.05, "gamma": 0.9, "epsilon": 0.2, "cost": 0.0005}
WEEK, EPISODE, YEAR = 5, 250, 252  # days
POSITIONS = (0, 1, -1)  # out first: that is what an agent does which has learned nothing


def states(prices: np.ndarray, edges: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What is seen at the end of each day, the return of the day after it, and the edges [2, 2] of the thirds."""
    moves = np.diff(np.log(prices))
    seen = np.column_stack([moves[WEEK - 1 :], np.convolve(moves, np.ones(WEEK), "valid")])[:-1]
    edges = np.quantile(seen, [1 / 3, 2 / 3], axis=0) if edges is None else edges
    day, week = (np.searchsorted(edges[:, at], seen[:, at]) for at in range(2))
    return 3 * day + week, np.expm1(moves[WEEK:]), edges


def walk(table: np.ndarray, state: np.ndarray, returns: np.ndarray, *, learn: bool = False) -> np.ndarray:
    """The daily returns after costs of the agent with this table [state, position, action]; it learns if told."""
    earned, held = np.zeros(len(returns)), 0
    for day, (seen, move) in enumerate(zip(state, returns, strict=True)):
        values = table[seen, held]
        explore = learn and np.random.random() < SETTINGS["epsilon"]
        action = np.random.randint(3) if explore else int(values.argmax())
        traded = abs(POSITIONS[action] - POSITIONS[held])
        earned[day] = POSITIONS[action] * move - SETTINGS["cost"] * traded
        if learn and day + 1 < len(state):
            target = 100 * earned[day] + SETTINGS["gamma"] * table[state[day + 1], action].max()
            values[action] += SETTINGS["learning_rate"] * (target - values[action])
        held = action
    return earned


def sharpe(earned: np.ndarray) -> float:
    """Annual Sharpe ratio of daily returns; 0 for one who never traded."""
    return float(earned.mean() / earned.std() * np.sqrt(YEAR)) if earned.std() > 0 else 0.0


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="Example:\n  python3 examples/rl_with_ml_persistence.py --episodes 10 --symbol BTC-USD",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--episodes", type=int, default=100, help="each a year of training days (default 100)")
    parser.add_argument("--symbol", default="WTI", help="WTI or VIX; for any other name WTI stands in, which is said")
    parser.add_argument("--seed", type=int, default=42, help="the same seed gives the same numbers (default 42)")
    asked = parser.parse_args()
    if asked.episodes < 1:
        parser.error(f"--episodes is {asked.episodes}: give 1 or more.")
    return asked


def main() -> None:
    """Train, and track it."""
    asked = arguments()
    console = Console(highlight=False, soft_wrap=True)
    symbol = asked.symbol if asked.symbol in PRICES else "WTI"
    if symbol != asked.symbol:
        console.print(f"No prices of {asked.symbol} come with this package: WTI crude oil stands in for them.")

    set_deterministic_seeds(asked.seed)
    prices = PRICES[symbol]().dropna().set_axis(["ds", "y"], axis=1)
    with connect() as ledger, ExperimentTracker(ledger) as tracker:
        run = tracker.start_experiment(
            f"Q-learning {symbol}", "rl", tags=["rl", "q-learning", f"asked_for={asked.symbol}"], random_seed=asked.seed
        )
        tracker.log_hyperparameters_batch(SETTINGS | {"symbol": symbol, "episodes": asked.episodes})
        datasets, registry = DatasetManager(ledger), ModelRegistry(ledger=ledger)
        shares = {"train": 0.6, "validation": 0.2, "test": 0.2}
        data = datasets.register_dataset(prices, symbol, time_column="ds", target_columns=["y"], splits=shares)
        seen, returns, edges = states(datasets.load(data, "train")["y"].to_numpy())
        later = {part: states(datasets.load(data, part)["y"].to_numpy(), edges)[:2] for part in list(shares)[1:]}

        table, history, best = np.zeros((9, 3, 3)), [], -np.inf
        best_table, folder = table, Path("models") / run
        folder.mkdir(parents=True)
        bar = Console(stderr=True)
        for episode in track(range(asked.episodes), "train", console=bar, transient=True, disable=not bar.is_terminal):
            first = np.random.randint(len(returns) - EPISODE)
            span = slice(first, first + EPISODE)
            earned = walk(table, seen[span], returns[span], learn=True)
            history.append(float(earned.sum()))
            tracker.log_metric("train_return", history[-1], episode=episode)
            if episode % 10 == 0 or episode == asked.episodes - 1:
                val_sharpe = sharpe(walk(table, *later["validation"]))
                tracker.log_metric("val_sharpe", val_sharpe, episode=episode)
                np.save(folder / f"ep{episode}.npy", table)
                registry.register_model(run, folder / f"ep{episode}.npy", episode, val_sharpe, val_sharpe > best)
                if val_sharpe > best:
                    best, best_table = val_sharpe, table.copy()

        tested = walk(best_table, *later["test"])
        found, holding = sharpe(tested), sharpe(later["test"][1])
        tracker.log_metrics({"test_sharpe": found, "test_sharpe_of_holding": holding})
        tracker.log_distribution("test_daily_return", tested)
        figure = Figure(figsize=(7, 3), layout="constrained")
        figure.subplots(subplot_kw={"xlabel": "episode", "title": "Return of each training episode"}).plot(history)
        tracker.log_artifact(figure, "training.png")
        tracker.log_artifact(vars(asked) | SETTINGS, "config.json")

    error = np.sqrt((1 + found**2 / 2) / (len(tested) / YEAR))  # of the ratio, for independent days
    verdict = "no better than chance" if found < 1.96 * error else "more than chance would give"
    console.print(f"Sharpe ratio on the last 20 % of {symbol}: {found:.2f} ± {1.96 * error:.2f}, {verdict}.")
    console.print(f"Holding {symbol} had {holding:.2f}.")
    console.print(f"Run {run} is in {ledger.where}. Ask next:")
    console.print(f"  experiments show {run}\n  experiments runs --type rl\n  experiments checklist {run}")


if __name__ == "__main__":
    main()
