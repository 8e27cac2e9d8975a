"""The scripts of .ci as modules, and the queries of the bundle's alerts."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import yaml

ROOT = Path(__file__).parents[1]


def load_script(name: str) -> ModuleType:
    """A script of .ci under its own name, as the other scripts import it."""
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, ROOT / ".ci" / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


def alert_queries() -> dict[str, str]:
    """What each alert asks, in the schema of the session."""
    queries = {}
    for path in sorted((ROOT / "resources").glob("*.alert.yml")):
        for name, alert in yaml.safe_load(path.read_text())["resources"]["alerts"].items():
            queries[name] = re.sub(r"\$\{[^}]*\}\.", "", alert["query_text"])
    return queries
