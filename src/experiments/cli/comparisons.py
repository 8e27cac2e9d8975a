"""`experiments compare`: some models against each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from experiments.cli import render
from experiments.cli.asking import only_one, open_ledger
from experiments.cli.options import json_option, ledger_options, plot_option
from experiments.definitions import SIGNIFICANCE_LEVEL, counted

if TYPE_CHECKING:
    from experiments.services.comparison import Comparison

_PAIRS: render.Columns = {
    "step": ("step", render.text),
    "model": ("model", render.text),
    "other": ("against", render.text),
    "interval": ("difference [95 %]", render.text),
    "pvalue": ("p", render.pvalue),
    "pvalue_holm": ("Holm", render.pvalue),
    "win_share": ("won", render.rounded_share),
    "first_half": ("1st half", render.percent),
    "second_half": ("2nd half", render.percent),
    "told": ("", render.text),
}


@click.command()
@click.argument("models", nargs=-1, required=True, metavar="MODEL MODEL...")
@click.option("--commodity", help="Commodity to ask about. [default: the only one there is]")
@plot_option("when each difference arose, as cumulative errors")
@ledger_options
@json_option
def compare(
    models: tuple[str, ...], commodity: str | None, plot: str | None, path: str, engine: str | None, as_json: bool
) -> None:
    """Test models of the latest backtest against each other, pair by pair and at every horizon.

    All on the windows that all of them share; p-values are corrected for the number of pairs (Holm).

    \b
    Example:
      experiments compare arima xgboost_v1 --commodity WTI
      experiments compare naive arima sarimax_v1 --plot compare.png
    """  # noqa: D301  \b keeps click from filling the paragraph
    from experiments.services.plots import check_target, plot_comparison

    target = None if plot is None else check_target(plot)
    with open_ledger(path, engine) as ledger:
        found = ledger.compare(models, only_one(ledger, commodity))
    series = {one.unique_id: [other for other in found if other.unique_id == one.unique_id] for one in found}
    files = []
    for position, (name, comparisons) in enumerate(series.items()):
        if target is not None:
            own = target if len(series) == 1 else target.with_stem(f"{target.stem}_{position + 1}")
            files.append(str(plot_comparison(comparisons, own)))
        if not as_json:
            _print(name, comparisons)
    if as_json:
        render.as_json({"comparisons": [_record(one) for one in found], "plots": files})
        return
    for file in files:
        click.echo(f"Drawn in {file}.")


def _print(name: str, comparisons: list[Comparison]) -> None:
    """Every pair at every horizon, and a matrix where there are more than two models."""
    import pandas as pd

    path = comparisons[0]
    click.echo(
        f"{name}: {counted(len(path.losses), 'window')} of {path.n_windows} shared by all {len(path.losses.columns)}"
    )
    rows = [row for one in comparisons for row in _rows(one)]
    render.table(pd.DataFrame(rows), _PAIRS)
    if len(path.losses.columns) > 2:  # noqa: PLR2004
        render.table(_matrix(path))
        click.echo("Mean error over all steps, the row's minus the column's; *: p below 5 % after Holm.")
    click.echo("Differences in percent of naive's error: negative where the first model is better.")


def _rows(one: Comparison) -> list[dict[str, Any]]:
    return [
        {
            "step": one.metric.removeprefix("mae_").removesuffix("day").replace("path", "all"),
            "model": pair.model,
            "other": pair.other,
            "interval": render.interval(one.share(pair.difference), one.share(pair.lower), one.share(pair.upper)),
            "pvalue": pair.pvalue,
            "pvalue_holm": pair.pvalue_holm,
            "win_share": pair.win_share,
            "first_half": one.share(pair.first_half),
            "second_half": one.share(pair.second_half),
            "told": one.told(pair),
        }
        for pair in one.pairs
    ]


def _matrix(one: Comparison) -> Any:
    import pandas as pd

    models = [*one.losses.columns]
    cells: dict[str, dict[str, str]] = {model: dict.fromkeys(models, "") for model in models}
    for pair in one.pairs:
        share = one.share(pair.difference)
        mark = "*" if pair.pvalue_holm is not None and pair.pvalue_holm < SIGNIFICANCE_LEVEL else ""
        if share is not None:
            cells[pair.other][pair.model] = f"{100 * share:+.1f} %{mark}"
            cells[pair.model][pair.other] = f"{-100 * share:+.1f} %{mark}"
    return pd.DataFrame(cells).rename_axis("").reset_index()


def _record(one: Comparison) -> dict[str, Any]:
    """A comparison as JSON has it."""
    named = {name: getattr(one, name) for name in ("commodity", "unique_id", "backtest_id", "metric", "n_windows")}
    shared = {"n_shared": len(one.losses), "overlap": one.overlap, "naive_loss": one.naive_loss}
    pairs = [vars(pair) | {"in_words": one.told(pair)} for pair in one.pairs]
    return named | shared | {"loss": dict(one.losses.mean()), "pairs": pairs}
