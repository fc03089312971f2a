"""Who may import whom, who may print, who may read the environment, and how large rooms may grow."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGES = ("detectors", "connectors", "streams")
FILES = sorted(path for package in PACKAGES for path in Path(package).rglob("*.py"))
MODULES = {".".join(path.with_suffix("").parts).removesuffix(".__init__"): path for path in FILES}

TERMINAL = (
    "streams.cli",
    "streams.cli_backtest",
    "streams.cli_budget",
    "streams.cli_convert",
    "streams.cli_evaluate",
    "streams.cli_kafka",
    "streams.cli_ladder",
    "streams.cli_logs",
    "streams.cli_policy",
    "streams.terminal",
)
"""the command: it alone prints"""

COMMON = {"numpy", "scipy", "numba", "msgspec"}
LIGHT = COMMON | {"fsspec", "orjson", "psutil", "pyarrow", "structlog"}
ALONE = {
    "torch": ("detectors.image",),
    "xgboost": ("detectors.forecast",),
    "shap": ("detectors.forecast",),
    "river": ("detectors.rivers",),
    "faust": ("streams.app", "streams.transport"),
    "mode": ("streams.app", "streams.transport"),
    "aiokafka": ("streams.bench", "streams.transport", "streams.fetching", "streams.batches", "connectors.kafka"),
    "kafka": ("connectors.kafka",),
    "cloudevents": ("connectors.kafka",),
    "cramjam": ("streams.batches",),
    "urllib3": ("connectors.influxdb",),
    "influxdb_client": ("connectors.influxdb",),
    "prometheus_client": ("streams.metrics",),
    "aiohttp": ("streams.status",),
    "typer": TERMINAL,
    "rich": (*TERMINAL, "streams.say", "streams.evaluation_table"),
}
FORBIDDEN = {"detectors": {"os", "time", "threading", "logging", "structlog", "asyncio", "socket", "pathlib"}}


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def imports(node: ast.AST) -> Iterator[str]:
    """Full names of the modules that are imported anywhere below this node."""
    for child in ast.walk(node):
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, "imports are absolute"
            for alias in child.names:
                inner = f"{child.module}.{alias.name}"
                yield inner if inner in MODULES else str(child.module)


def arrows(module: str) -> set[str]:
    """Modules of ours that a module of ours imports."""
    return {name for name in imports(tree(MODULES[module])) if name in MODULES and name != module}


def test_the_two_feet_do_not_know_each_other_nor_what_stands_on_them() -> None:
    for module in MODULES:
        package = module.partition(".")[0]
        others = {name.partition(".")[0] for name in imports(tree(MODULES[module]))} & {*PACKAGES, "tests", "ops"}
        allowed = {"detectors": {"detectors"}, "connectors": {"connectors"}, "streams": set(PACKAGES)}[package]
        assert others <= allowed, module


def test_contracts_import_nothing_of_ours() -> None:
    for module in MODULES:
        if module.endswith(".base"):
            assert not arrows(module), module


def test_there_are_no_circles() -> None:
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join((*path, module))
        if module not in done:
            for other in arrows(module):
                visit(other, (*path, module))
            done.add(module)

    for module in MODULES:
        visit(module, ())


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_what_its_place_allows(module: str) -> None:
    tops = {name.partition(".")[0] for name in imports(tree(MODULES[module]))}
    outside = {top for top in tops if top not in sys.stdlib_module_names and top not in PACKAGES}
    package = module.partition(".")[0]
    light = COMMON if package == "detectors" else LIGHT
    for top in outside - light:
        assert any(module == place or module.startswith(place + ".") for place in ALONE.get(top, ())), (
            f"{top} in {module}"
        )
    assert not tops & FORBIDDEN.get(package, set()), module


@pytest.mark.parametrize("module", MODULES)
def test_imports_stand_at_the_top(module: str) -> None:
    """Two doors import late, by name: the catalog of methods, and the work of commands."""
    for node in ast.walk(tree(MODULES[module])):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Try):
            assert not list(imports(node)), f"{module}:{node.lineno}"
        if isinstance(node, ast.Name) and node.id in ("import_module", "__import__"):
            assert module in ("streams.catalog", *TERMINAL), module


@pytest.mark.parametrize("module", MODULES)
def test_only_the_configuration_reads_the_environment_and_only_the_command_prints(module: str) -> None:
    for node in ast.walk(tree(MODULES[module])):
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv"):
            assert module == "streams.config", module
        if isinstance(node, ast.Name) and node.id == "print":
            assert module in TERMINAL, module
        if isinstance(node, ast.Name) and node.id == "Console":
            assert module in TERMINAL, module


@pytest.mark.parametrize("module", MODULES)
def test_nothing_is_pickled(module: str) -> None:
    names = set(imports(tree(MODULES[module])))
    assert not names & {"pickle", "cloudpickle", "joblib", "shelve", "marshal"}
    assert "allow_pickle=True" not in MODULES[module].read_text()


def test_no_file_is_longer_than_300_lines() -> None:
    assert {str(path): n for path in FILES if (n := len(path.read_text().splitlines())) > 300} == {}


def test_rooms_that_mean_everything_do_not_exist() -> None:
    vague = {"utils", "util", "helpers", "common", "manager", "factory", "registry", "misc"}
    assert not {part for module in MODULES for part in module.split(".")} & vague
