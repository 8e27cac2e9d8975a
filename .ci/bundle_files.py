"""The Databricks bundle's files, and the package they install, read as one target deploys them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from configparser import ConfigParser
from dataclasses import dataclass
from email import message_from_string
from pathlib import Path
from typing import Any

import yaml

SOMEONE = "someone@example.com"
REFERENCE = re.compile(r"\$\{([^}]*)\}")


@dataclass(frozen=True, kw_only=True)
class Package:
    """What is known of the wheel: its file name, package name, console scripts, and requirements by extra."""

    file_name: str
    name: str
    scripts: dict[str, str]
    extras: dict[str, set[str]]


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One resource, as it stands in its file."""

    file: Path
    kind: str
    key: str
    content: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """The bundle as one target deploys it."""

    root: Path
    target_name: str
    package: Package
    top: dict[str, Any]
    resources: tuple[Resource, ...]

    @property
    def target(self) -> dict[str, Any]:
        """The target's own settings."""
        return dict(self.top["targets"][self.target_name])

    @property
    def values(self) -> dict[str, Any]:
        """The variables that have a value."""
        defaults = {
            name: one["default"] for name, one in (self.top.get("variables") or {}).items() if "default" in (one or {})
        }
        return defaults | (self.target.get("variables") or {})

    def resolved(self, value: Any) -> Any:
        """A value with its references replaced; those that point nowhere stay."""
        if isinstance(value, dict):
            return {key: self.resolved(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.resolved(item) for item in value]
        if not isinstance(value, str):
            return value
        for _ in range(3):  # a variable's value may refer to another
            value = REFERENCE.sub(lambda found: str(self.meaning(found[1]) or found[0]), value)
        return value

    def meaning(self, reference: str) -> Any:
        """What stands for a reference; None where it points at nothing."""
        known = {
            "bundle.name": self.top["bundle"]["name"],
            "bundle.target": self.target_name,
            "workspace.current_user.short_name": SOMEONE,
            "workspace.current_user.userName": SOMEONE,
            "workspace.file_path": self.root,
            "workspace.root_path": "/Workspace/root",
        }
        known |= {f"var.{name}": value for name, value in self.values.items()}
        for one in self.resources:
            known |= {f"resources.{one.kind}.{one.key}.{field}": value for field, value in one.content.items()}
            known[f"resources.{one.kind}.{one.key}.id"] = one.key
        return known.get(reference)


class StrictLoader(yaml.SafeLoader):
    """YAML in which a key that is given twice is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """The mapping, each key once."""
        keys = [self.construct_object(key, deep=deep) for key, _ in node.value]
        if twice := [key for key in keys if keys.count(key) > 1]:
            problem = f"the key {twice[0]!r} is given twice"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        return super().construct_mapping(node, deep=deep)


def read_pyproject(root: Path) -> Package:
    """The package as pyproject.toml announces it."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return Package(
        file_name=f"{project['name'].replace('-', '_')}-{project['version']}-py3-none-any.whl",
        name=project["name"],
        scripts=project["scripts"],
        extras={name: set(map(plain, lines)) for name, lines in project["optional-dependencies"].items()},
    )


def read_wheel(wheel: Path) -> Package:
    """The package as it was built."""
    with zipfile.ZipFile(wheel) as archive:
        names = {name.rpartition("/")[2]: name for name in archive.namelist() if ".dist-info/" in name}
        metadata = message_from_string(archive.read(names["METADATA"]).decode())
        scripts = ConfigParser(delimiters=("=",))
        scripts.read_string(archive.read(names["entry_points.txt"]).decode())
    extras: dict[str, set[str]] = {name: set() for name in metadata.get_all("Provides-Extra", [])}
    for line in metadata.get_all("Requires-Dist", []):
        requirement, _, marker = line.partition(";")
        if found := re.search(r"extra == ['\"]([\w-]+)['\"]", marker):
            extras[found[1]].add(plain(requirement))
    return Package(file_name=wheel.name, name=metadata["Name"], scripts=dict(scripts["console_scripts"]), extras=extras)


def plain(requirement: str) -> str:
    """A requirement without blanks, its bounds in a fixed order."""
    name, bounds = re.fullmatch(r"([\w.\[\],-]+?)\s*([<>=!~].*)?", requirement.strip().replace(" ", "")).groups()  # type: ignore[union-attr]
    return name.lower() + ",".join(sorted((bounds or "").split(",")))


def read(root: Path, target: str, package: Package) -> Bundle:
    """The bundle's files.

    Raises
    ------
    ValueError
        If one has no content, an include matches nothing, or the target is not there.
    """
    top = load(root / "databricks.yml")
    if target not in top.get("targets", {}):
        msg = f"databricks.yml: no target {target}"
        raise ValueError(msg)
    resources = []
    for pattern in top.get("include", []):
        files = sorted(root.glob(pattern))
        if not files:
            msg = f"databricks.yml: include {pattern} matches no file"
            raise ValueError(msg)
        for file in files:
            for kind, found in load(file).get("resources", {}).items():
                resources += [
                    Resource(file=file, kind=kind, key=key, content=content) for key, content in found.items()
                ]
    return Bundle(root=root, target_name=target, package=package, top=top, resources=tuple(resources))


def load(file: Path) -> dict[str, Any]:
    """The content of a file.

    Raises
    ------
    ValueError
        If it is not a mapping.
    """
    content = yaml.load(file.read_text(encoding="utf-8"), Loader=StrictLoader)  # noqa: S506  a SafeLoader
    if not isinstance(content, dict):
        msg = f"{file.name}: not a mapping"
        raise ValueError(msg)
    return content


def texts(bundle: Bundle) -> Iterator[tuple[str, str]]:
    """Every text of the bundle as this target sees it, and where it stands."""
    others = {name: None for name in bundle.top["targets"] if name != bundle.target_name}
    seen = bundle.top | {"targets": bundle.top["targets"] | others}
    parts = [("databricks.yml", seen), *((one.file.name, one.content) for one in bundle.resources)]
    for name, content in parts:
        for where, value in walk(content):
            if isinstance(value, str):
                yield f"{name}: {where}", value


def walk(content: Any, where: str = "") -> Iterator[tuple[str, Any]]:
    """Every leaf, and the keys that lead to it."""
    if isinstance(content, dict | list):
        for key, item in content.items() if isinstance(content, dict) else enumerate(content):
            yield from walk(item, f"{where}.{key}" if where else str(key))
    else:
        yield where, content


def build(root: Path, scratch: Path) -> Path:
    """The wheel the bundle's own command builds, from a copy of the files git knows."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(listed, cwd=root, check=True, capture_output=True, text=True).stdout.split("\0"):
        if name and (root / name).is_file():
            (scratch / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, scratch / name)
    (artifact,) = load(root / "databricks.yml")["artifacts"].values()
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    subprocess.run(  # noqa: S602  in a shell, as the Databricks command line runs it
        artifact["build"],
        cwd=scratch / artifact.get("path", "."),
        shell=True,
        check=True,
        env=os.environ | {"PATH": path},
    )
    return next(scratch.glob("dist/*.whl"))
