"""Random numbers that come out the same again: one seed for every library that is there."""

from __future__ import annotations

import importlib
import importlib.util
import operator
import os
import random
import sys
from typing import Any

from experiments.errors import InvalidInputError, first_line

LARGEST_SEED = 2**31 - 1
"""What a run records at most; every library takes as much."""

DRAW_FROM_NUMPY = {"pandas": "pandas", "scikit-learn": "sklearn"}
"""Libraries without a generator of their own, by the name they are imported under: they draw from numpy's."""

OWN_SEEDS = {"lightgbm": "seed", "xgboost": "seed", "catboost": "random_seed"}
"""Libraries whose generator is of each model, from a fixed seed; the parameter that sets another."""

HASHES = "hash of str"
"""The entry of what is not a library: the order in which Python's sets of text come out."""

_last: dict[str, str] = {}
_last_seed: int | None = None
_hash_seed: tuple[str, str | None] | None = None


def set_deterministic_seeds(seed: int) -> dict[str, str]:
    """Seed the random numbers of every library that is installed here.

    `random`, numpy, torch (all devices) and tensorflow are seeded. pandas and scikit-learn draw from numpy's
    generator where they are given no `random_state`. LightGBM, XGBoost and CatBoost have no generator to seed: each
    model starts from a fixed seed, another is a parameter of it. What is not covered: a `numpy.random.default_rng()`
    made without a seed, threads that add in another order, other processes, and the order of sets of text in this
    process, which PYTHONHASHSEED fixes only when Python starts: it is set for the processes started from here on.

    torch is told to use deterministic algorithms and to warn where it has none, tensorflow likewise. Either is
    imported if it is installed, so that what is drawn after a later import is the same too.

    Parameters
    ----------
    seed : int
        A whole number from 0 to 2**31 - 1.

    Returns
    -------
    dict of str to str
        How each library that is there is seeded.

    Raises
    ------
    InvalidInputError
        If the seed is not such a number; nothing was seeded.

    Examples
    --------
    >>> how = set_deterministic_seeds(42)
    >>> how["numpy"]
    'numpy.random.seed(42)'
    """
    number = check_seed(seed)
    done = {"random": _seed_random(number)}
    for name, module, use in (
        ("numpy", "numpy", _seed_numpy),
        ("torch", "torch", _seed_torch),
        ("tensorflow", "tensorflow", _seed_tensorflow),
    ):
        if _is_there(module):
            try:
                done[name] = use(importlib.import_module(module), number)
            except (ImportError, OSError) as error:  # installed, but for another machine
                done[name] = f"not seeded, it cannot be imported: {first_line(error)}"
    done |= {
        name: "draws from numpy where no random_state is given"
        for name, module in DRAW_FROM_NUMPY.items()
        if _is_there(module)
    }
    done |= {
        name: f"starts each model from a fixed seed of its own; {parameter}={number} sets this one"
        for name, parameter in OWN_SEEDS.items()
        if _is_there(name)
    }
    done[HASHES] = _seed_hashes(number)
    _remember(number, done)
    return done


def seeded() -> tuple[str, ...]:
    """The libraries whose random numbers the last seed given here determines, in alphabetical order; none, none."""
    not_seeded = {*OWN_SEEDS, HASHES}
    return tuple(sorted(name for name, how in _last.items() if name not in not_seeded and "not seeded" not in how))


def last_seed() -> int | None:
    """The seed given last in this process; None where none was."""
    return _last_seed


def hash_seed() -> str | None:
    """PYTHONHASHSEED as this process was started with it, whatever has been set for its children since."""
    found = os.environ.get("PYTHONHASHSEED")
    if _hash_seed is not None and found == _hash_seed[0]:
        return _hash_seed[1]
    return found


def check_seed(seed: object) -> int:
    """A seed as a Python number.

    Raises
    ------
    InvalidInputError
        If it is not a whole number from 0 to 2**31 - 1.
    """
    try:
        number = None if isinstance(seed, bool) else operator.index(seed)  # type: ignore[arg-type]
    except TypeError:
        number = None
    if number is None or not 0 <= number <= LARGEST_SEED:
        given = f"{seed!r:.60}"
        msg = f"the seed is {given}: give a whole number from 0 to {LARGEST_SEED}."
        raise InvalidInputError(msg)
    return number


def _is_there(module: str) -> bool:
    return module in sys.modules or importlib.util.find_spec(module) is not None


def _seed_random(seed: int) -> str:
    random.seed(seed)
    return f"random.seed({seed})"


def _seed_numpy(numpy: Any, seed: int) -> str:
    numpy.random.seed(seed)
    return f"numpy.random.seed({seed})"


def _seed_torch(torch: Any, seed: int) -> str:
    # cuBLAS reads it when a device is first used; without it deterministic algorithms are an error there
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
    return f"torch.manual_seed({seed}), deterministic algorithms where it has them"


def _seed_tensorflow(tensorflow: Any, seed: int) -> str:
    tensorflow.random.set_seed(seed)
    tensorflow.config.experimental.enable_op_determinism()
    return f"tensorflow.random.set_seed({seed}), deterministic operations"


def _seed_hashes(seed: int) -> str:
    """Fix the order of sets of text in processes to come."""
    global _hash_seed  # noqa: PLW0603  of the process, as what it seeds is
    _hash_seed = (str(seed), hash_seed())
    os.environ["PYTHONHASHSEED"] = str(seed)
    return "PYTHONHASHSEED is set for processes started from here on; of this one it was settled at its start"


def _remember(seed: int, done: dict[str, str]) -> None:
    global _last, _last_seed  # of the process, as what it seeds is
    _last, _last_seed = dict(done), seed
