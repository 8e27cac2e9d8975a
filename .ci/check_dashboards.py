"""Check dashboards and alerts: what they ask of the ledger's views and how they show it."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from itertools import combinations
from typing import TYPE_CHECKING, Any

from experiments.storage import sql_files

if TYPE_CHECKING:
    from bundle_files import Bundle

Json = dict[str, Any]

GRID = 12
"""Columns of a page laid out as GRID_V1."""

CANVAS, FILTERS = "PAGE_TYPE_CANVAS", "PAGE_TYPE_GLOBAL_FILTERS"

WIDGETS = {
    "counter": (2, {"value"}),
    "table": (2, {"columns"}),
    "bar": (3, {"x", "y"}),
    "line": (3, {"x", "y"}),
    "scatter": (3, {"x", "y"}),
    "filter-single-select": (2, {"fields"}),
    "filter-multi-select": (2, {"fields"}),
    "filter-date-range-picker": (2, {"fields"}),
}
"""Kinds of widgets in use: the version of their specification, and the encodings without which they show nothing."""

KEYS = {
    "dashboard": {"datasets", "pages", "uiSettings"},
    "dataset": {"name", "displayName", "queryLines", "parameters"},
    "page": {"name", "displayName", "pageType", "layoutVersion", "layout"},
    "widget": {"name", "queries", "spec", "multilineTextboxSpec"},
    "query": {"datasetName", "fields", "parameters", "disaggregated"},
    "spec": {"version", "widgetType", "encodings", "frame"},
}
"""A workspace drops others without a word."""

ASKED = re.compile(r"\b(?:from|join)\s+(\S+)")
PARAMETER = re.compile(r"(?<![:\w]):(\w+)")
EXPRESSION = re.compile(r"`(\w+)`|(?:SUM|AVG|MIN|MAX|COUNT)\((?:DISTINCT )?`(\w+)`\)")
"""A column, or one aggregate of a column: more belongs into a view."""


def without_comments(query: str) -> str:
    """A query without the lines that only explain it."""
    return "\n".join(line for line in query.splitlines() if not line.lstrip().startswith("--"))


def sql_of(dataset: Json) -> str:
    """The query of a dataset."""
    return "".join(dataset.get("queryLines", []))


def defaults(dataset: Json) -> dict[str, str]:
    """The parameters of a dataset and their defaults."""
    return {
        one["keyword"]: one["defaultSelection"]["values"]["values"][0]["value"] for one in dataset.get("parameters", [])
    }


def output(query: str) -> list[str]:
    """The columns a query of plain columns gives."""
    listed = re.match(r"select\s+(.*?)\s+from\s", without_comments(query), re.DOTALL)
    return [item.strip().rpartition(".")[2] for item in listed[1].split(",")] if listed else []


def check_query(query: str, prefix: str = "") -> Iterator[str]:
    """A query asks views only; with a prefix, by their full names."""
    for name in ASKED.findall(without_comments(query)):
        view = name.removeprefix(prefix).strip("()")
        if prefix and not name.startswith(prefix):
            yield f"asks {name!r}: put {prefix!r} before it"
        elif view not in sql_files.names("views"):
            yield f"asks {view!r}, which is no view of the ledger; there are {sorted(sql_files.names('views'))}"


def check_dashboard(document: Json) -> Iterator[str]:
    """Everything about one dashboard."""
    yield from _unknown("dashboard", "dashboard", document)
    datasets = {one.get("name"): one for one in document["datasets"]}
    widgets = [item["widget"] for page in document["pages"] for item in page["layout"]]
    for kind, named in (("dataset", document["datasets"]), ("page", document["pages"]), ("widget", widgets)):
        for name, count in Counter(one.get("name") for one in named).items():
            if count > 1 or not re.fullmatch(r"[\w-]{1,60}", str(name)):
                yield f"{kind} {name!r}: a name of its own is asked, of letters, digits and _"
    for one in document["datasets"]:
        yield from _check_dataset(one)
    for page in document["pages"]:
        yield from _check_page(page)
    for one in widgets:
        if "multilineTextboxSpec" not in one:
            yield from _check_widget(one, datasets)
    yield from _check_use(widgets, datasets)


def _unknown(kind: str, where: str, content: Json) -> Iterator[str]:
    for key in sorted(set(content) - KEYS[kind]):
        yield f"{where}: unknown key {key!r}; there are {', '.join(sorted(KEYS[kind]))}"


def _check_dataset(dataset: Json) -> Iterator[str]:
    """A dataset takes columns of views, and its parameters are declared and used."""
    where, query = f"dataset {dataset.get('name')!r}", sql_of(dataset)
    yield from _unknown("dataset", where, dataset)
    yield from (f"{where}: {problem}" for problem in check_query(query))
    if not dataset.get("displayName"):
        yield f"{where}: has no displayName"
    columns = output(query)
    for name in columns or [""]:
        if not re.fullmatch(r"\w+", name):
            yield f"{where}: selects {name!r}; columns of views are asked, each by its name"
    for name, count in Counter(columns).items():
        if count > 1:
            yield f"{where}: selects {name!r} twice"
    declared, used = {one.get("keyword") for one in dataset.get("parameters", [])}, set(PARAMETER.findall(query))
    for name in sorted(used - declared):
        yield f"{where}: the parameter {name!r} is not declared"
    for name in sorted(declared - used):
        yield f"{where}: the parameter {name!r} is not used"
    for one in dataset.get("parameters", []):
        values = one.get("defaultSelection", {}).get("values", {}).get("values") or [{}]
        if not values[0].get("value"):
            yield f"{where}: the parameter {one.get('keyword')!r} has no default"


def _check_page(page: Json) -> Iterator[str]:
    """Widgets lie inside the grid and not upon each other."""
    where = f"page {page.get('name')!r}"
    yield from _unknown("page", where, page)
    if page.get("pageType") not in (CANVAS, FILTERS) or page.get("layoutVersion") != "GRID_V1":
        yield f"{where}: pageType should be {CANVAS} or {FILTERS}, layoutVersion GRID_V1"
    if not page["layout"]:
        yield f"{where}: is empty"
    places = [(item["widget"].get("name"), item["position"]) for item in page["layout"]]
    for name, at in places:
        if min(at["x"], at["y"]) < 0 or min(at["width"], at["height"]) < 1 or at["x"] + at["width"] > GRID:
            yield f"{where}: widget {name!r} lies outside the {GRID} columns: {at}"
    for (one, a), (other, b) in combinations(places, 2):
        beside = a["x"] + a["width"] <= b["x"] or b["x"] + b["width"] <= a["x"]
        if not beside and a["y"] < b["y"] + b["height"] and b["y"] < a["y"] + a["height"]:
            yield f"{where}: widgets {one!r} and {other!r} overlap"


def _check_widget(widget: Json, datasets: dict[str, Json]) -> Iterator[str]:
    """A widget is of a kind known here, shows what it asks, and asks what its datasets have."""
    where, spec = f"widget {widget.get('name')!r}", widget.get("spec", {})
    yield from _unknown("widget", where, widget)
    yield from _unknown("spec", where, spec)
    kind, frame = spec.get("widgetType"), spec.get("frame", {})
    if kind not in WIDGETS:
        yield f"{where}: the kind {kind!r} is not checked yet; there are {', '.join(WIDGETS)}"
        return
    version, needed = WIDGETS[kind]
    if spec.get("version") != version:
        yield f"{where}: version is {spec.get('version')!r}, a {kind} has {version}"
    if not frame.get("title") or frame.get("showTitle") is not True:
        yield f"{where}: shows no title"
    for name in sorted(needed - {name for name, shown in spec.get("encodings", {}).items() if shown}):
        yield f"{where}: a {kind} needs the encoding {name!r}"
    asked: set[tuple[str, str, str]] = set()
    for query in widget.get("queries", []):
        content = query.get("query", {})
        yield from _unknown("query", where, content)
        if content.get("datasetName") not in datasets:
            yield f"{where}: there is no dataset {content.get('datasetName')!r}"
            continue
        yield from (f"{where}: {problem}" for problem in _check_fields(content, datasets[content["datasetName"]]))
        asked |= {(query["name"], "fieldName", one["name"]) for one in content.get("fields", [])}
        asked |= {(query["name"], "parameterName", one["keyword"]) for one in content.get("parameters", [])}
    yield from (f"{where}: {problem}" for problem in _check_encodings(spec.get("encodings", {}), asked))


def _check_fields(query: Json, dataset: Json) -> Iterator[str]:
    """Expressions are of the dataset's columns, parameters are its own."""
    columns = output(sql_of(dataset))
    for field in query.get("fields", []):
        found = EXPRESSION.fullmatch(field["expression"])
        if found is None:
            yield f"{field['expression']!r} is no column in backticks and no aggregate of one"
        elif (found[1] or found[2]) not in columns:
            yield f"{field['expression']!r}: the dataset {dataset['name']!r} has {', '.join(columns)}"
        elif found[2] and query.get("disaggregated"):
            yield f"{field['expression']!r} aggregates, but the query is disaggregated"
    for one in query.get("parameters", []):
        if one["keyword"] not in {own["keyword"] for own in dataset.get("parameters", [])}:
            yield f"the dataset {dataset['name']!r} has no parameter {one['keyword']!r}"


def _check_encodings(encodings: Json, asked: set[tuple[str, str, str]]) -> Iterator[str]:
    """Each encoding is a field or parameter that was asked, and the other way round."""
    shown: set[tuple[str, str, str]] = set()
    for one in [part for value in encodings.values() for part in (value if isinstance(value, list) else [value])]:
        key = "parameterName" if "parameterName" in one else "fieldName"
        matching = {
            found for found in asked if found[1:] == (key, one.get(key)) and one.get("queryName", found[0]) == found[0]
        }
        if not matching:
            yield f"shows the {key} {one.get(key)!r}, which none of its queries asks: {sorted(asked)}"
        shown |= matching
    for _, key, name in sorted(asked - shown):
        yield f"asks the {key} {name!r} and does not show it"


def _check_use(widgets: list[Json], datasets: dict[str, Json]) -> Iterator[str]:
    """Every dataset is shown, or offers the values of a filter; every parameter can be chosen."""
    queries = [query["query"] for widget in widgets for query in widget.get("queries", [])]
    used = {query.get("datasetName") for query in queries if query.get("fields")}
    chosen = {(query.get("datasetName"), one["keyword"]) for query in queries for one in query.get("parameters", [])}
    for name, dataset in datasets.items():
        if name not in used:
            yield f"dataset {name!r}: no widget uses it"
        for one in dataset.get("parameters", []):
            if (name, one.get("keyword")) not in chosen:
                yield f"dataset {name!r}: no filter chooses its parameter {one.get('keyword')!r}"


def check_warehouses(bundle: Bundle) -> Iterator[str]:
    """Dashboards and alerts ask the warehouse of the variable, which is the id of one."""
    for one in bundle.resources:
        if one.kind not in ("alerts", "dashboards"):
            continue
        warehouse = one.content.get("warehouse_id")
        if warehouse != "${var.warehouse_id}" or not re.fullmatch(r"[0-9a-f]{16}", str(bundle.resolved(warehouse))):
            yield f"{one.file.name}: warehouse_id is {warehouse!r}: give ${{var.warehouse_id}}, 16 hexadecimal digits"


def check_dashboards(bundle: Bundle) -> Iterator[str]:
    """Dashboards show what the ledger's views have, in the schema of this bundle."""
    for one in bundle.resources:
        if one.kind != "dashboards":
            continue
        where = (one.content.get("dataset_catalog"), one.content.get("dataset_schema"))
        if where not in _homes(bundle):
            yield f"{one.file.name}: dataset_catalog and dataset_schema are {where}; the bundle has {_homes(bundle)}"
        path = one.file.parent / str(one.content.get("file_path"))
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            yield from (f"{path.name}: {problem}" for problem in check_dashboard(document))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            yield f"{path.name}: is no dashboard: {type(error).__name__}: {error}"


def check_alerts(bundle: Bundle) -> Iterator[str]:
    """Alerts ask one number of the ledger's views by their full names, and tell somebody."""
    prefix = next((f"{catalog}.{schema}." for catalog, schema in _homes(bundle)), "")
    for one in bundle.resources:
        if one.kind != "alerts":
            continue
        query, evaluation = str(one.content.get("query_text", "")), one.content.get("evaluation", {})
        yield from (f"{one.file.name}: {problem}" for problem in check_query(query, prefix))
        name = evaluation.get("source", {}).get("name")
        if not re.match(rf"select count\(\*\) as {name}\s", without_comments(query)):
            yield f"{one.file.name}: the query does not begin with 'select count(*) as {name}', its one number"
        if "double_value" not in evaluation.get("threshold", {}).get("value", {}):
            yield f"{one.file.name}: has no threshold with a double_value"
        if evaluation.get("empty_result_state") is None:
            yield f"{one.file.name}: does not say what an empty result means"
        if not evaluation.get("notification", {}).get("subscriptions"):
            yield f"{one.file.name}: tells nobody"
        if "schedule" not in one.content:
            yield f"{one.file.name}: has no schedule"


def _homes(bundle: Bundle) -> list[tuple[str, str]]:
    """Catalog and schema of the bundle's schemas, as a resource has to refer to them."""
    schemas = [one for one in bundle.resources if one.kind == "schemas"]
    return [(one.content["catalog_name"], f"${{resources.schemas.{one.key}.name}}") for one in schemas]
