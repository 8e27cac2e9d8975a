"""What `experiments best` asks, in plain PySpark: the floor that cold_best.py compares the command with.

Starts the engine, adopts the two tables and makes the three views that the answer needs, asks each of the
command's questions once and prints the answers. No checks, no words. Imports nothing of the project, but reads
the same SQL files.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

SQL = Path(__file__).parents[1] / "sql"


def main() -> None:
    """Print the latest leaderboard and the best models of every commodity."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ledger", type=Path, help="folder of a ledger, as --path of the command")
    location = parser.parse_args().ledger.absolute() / "experiments"

    os.environ["SAIL_CATALOG__LIST"] = '[{type="memory", name="commodity", initial_database=["experiments"]}]'
    os.environ["SAIL_CATALOG__DEFAULT_CATALOG"] = json.dumps("commodity")
    os.environ["SAIL_CATALOG__DEFAULT_DATABASE"] = json.dumps(["experiments"])
    os.environ["RUST_LOG"] = "error"
    from pysail.spark import SparkConnectServer
    from pyspark.sql.connect.session import SparkSession

    server = SparkConnectServer(ip="127.0.0.1", port=0)
    server.start(background=True)
    spark = SparkSession.builder.remote(f"sc://127.0.0.1:{server.listening_address[1]}").create()
    spark.conf.set("spark.sql.session.timeZone", "UTC")
    for table in ("model_runs", "backtests"):
        spark.sql(f"create table {table} using delta location '{location / table}'")
    for view in ("latest_runs", "leaderboard", "best_models"):
        spark.sql((SQL / "views" / f"{view}.sql").read_text())

    def ask(name: str, **parameters: str) -> list[dict[str, object]]:
        sql = (SQL / "statements" / f"{name}.sql").read_text()
        return spark.sql(sql, args=parameters or None).toPandas().to_dict("records")

    for commodity in [row["commodity"] for row in ask("commodities")]:
        latest = ask("backtests_of", commodity=commodity)[0]["backtest_id"]
        for row in [
            *ask("leaderboard_of", commodity=commodity, backtest_id=latest),
            *ask("best_of", commodity=commodity),
        ]:
            print(row)
    spark.stop()
    server.stop()


if __name__ == "__main__":
    main()
