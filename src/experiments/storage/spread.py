"""Work spread over the Python workers of Spark: bytes go out, bytes come back."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from experiments.errors import EngineError, first_line

if TYPE_CHECKING:
    import pandas as pd

    from experiments.storage.engine import Engine

Work = Callable[[Iterable[bytes]], Iterator[bytes]]

_MANY = 5_000
"""Rows enough that each slot of a large cluster has one."""


def slots(engine: Engine) -> int:
    """Tasks that Spark runs at once."""
    from pyspark.sql import functions

    # as many parts as it makes of rows when it is not told
    rows = engine.session.range(_MANY).select(functions.spark_partition_id().alias("part")).collect()
    return len({row["part"] for row in rows})


def spread(engine: Engine, work: Work, contents: Sequence[bytes], *, parts: int, tag: str) -> list[bytes]:
    """What a function makes of contents in the Python workers of Spark, in whatever order.

    Parameters
    ----------
    engine : Engine
    work : callable
        Called for each part with an iterable of its contents; an importable function. Spark calls it anew for a part
        whose Python worker died.
    contents : sequence of bytes
    parts : int
        How many shares to make of them.
    tag : str
        By which `interrupt` finds this.

    Raises
    ------
    EngineError
        If Spark gives up.
    """
    import pandas as pd

    spark = engine.session
    with suppress(AttributeError):  # before Spark 4 only Spark Connect has tags
        spark.addTag(tag)
    try:
        frame = spark.createDataFrame(pd.DataFrame({"content": contents}), "content binary").coalesce(1)
        if parts > 1:  # dealt out in turn, from one part evenly
            frame = frame.repartition(parts)
        return [bytes(row["content"]) for row in frame.mapInPandas(_on_frames(work), "content binary").collect()]
    except Exception as error:
        msg = f"Spark gave up on what was spread over it: {first_line(error)}"
        raise EngineError(msg) from error
    finally:
        with suppress(AttributeError):
            spark.removeTag(tag)


def interrupt(engine: Engine, tag: str) -> None:
    """End what was spread with this tag, where Spark can."""
    with suppress(Exception):  # it ends by itself
        engine.session.interruptTag(tag)


def _on_frames(work: Work) -> Callable[[Iterable[pd.DataFrame]], Iterator[pd.DataFrame]]:
    """The function for `mapInPandas`; it travels by value, to find `work` where this process does."""
    import cloudpickle

    path, packed = list(sys.path), cloudpickle.dumps(work)

    def on_frames(frames: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        import pandas as pd

        sys.path.extend(place for place in path if place not in sys.path)
        contents = (bytes(content) for frame in frames for content in frame["content"])
        yield pd.DataFrame({"content": list(cloudpickle.loads(packed)(contents))}, dtype=object)

    return on_frames
