"""Where tests lie, and what they may import."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import fuseablate
from tests.helpers.paths import REPOSITORY

TESTS = REPOSITORY / "tests"
PACKAGE = Path(fuseablate.__file__).parent
PARTS = {path.stem for path in PACKAGE.iterdir()}


def is_private(name: str) -> bool:
    """Whether a name is private; `__repr__` and IPython's `_repr_html_` are protocols."""
    return name.startswith("_") and not name.endswith("_")


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def test_what_tests_share_lies_among_the_helpers() -> None:
    """No test module imports another."""
    for path in TESTS.rglob("*.py"):
        names = {name for name in imported(path) if name.split(".")[0] == "tests"}
        assert all(name.startswith("tests.helpers.") for name in names), path


def test_no_test_reads_a_private_name() -> None:
    for path in TESTS.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and is_private(node.attr):
                own = isinstance(node.value, ast.Name) and node.value.id in ("self", "os")
                assert own, f"{path}:{node.lineno}: {ast.unparse(node)}"
        assert not any(is_private(name.rpartition(".")[2]) for name in imported(path)), path


def test_every_test_lies_in_the_folder_of_a_part() -> None:
    """Or of what all parts serve together: published networks, any input at all, a GPU, docs.

    A part that is one module has one test module, here.
    """
    folders = {path.parent for path in TESTS.rglob("test_*.py")} - {TESTS}
    assert {folder.parent for folder in folders} == {TESTS}
    assert {folder.name for folder in folders} <= PARTS | {"published", "fuzz", "gpu", "docs"}
    modules = {f"test_{path.stem}.py" for path in PACKAGE.glob("*.py")}
    here = {path.name for path in TESTS.glob("test_*.py")}
    assert here <= modules | {"test_imports.py", "test_layout.py"}


# What several modules define alike because they are called by one way: each by its module.
CONTRACTS = {
    "add", "run",  # of a command
    "load",  # of a data set, and of a checkpoint
    "main",  # of a process
    "critical", "probability",  # of a distribution
    "T",  # a type variable
}  # fmt: skip


def defined(path: Path) -> set[str]:
    """Return the public names that a module defines at its top level."""
    names: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names.update(target.id for target in targets if isinstance(target, ast.Name))
    return {name for name in names if not name.startswith("_")}


def test_no_two_things_of_the_package_have_one_name() -> None:
    """But a layer and the module that computes it, which are one thing in two forms."""
    where: dict[str, list[str]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        module = path.relative_to(PACKAGE).with_suffix("").as_posix()
        for name in defined(path) - CONTRACTS:
            where.setdefault(name, []).append(module)
    assert "Conv" in where
    for name, modules in where.items():
        others = [module for module in modules if not module.startswith("network/modules/")]
        assert len(others) < 2, f"{name}: {', '.join(modules)}"
        assert len(modules) < 2 or others[0].startswith("layers/"), f"{name}: {modules}"


def test_helpers_hold_no_test_module() -> None:
    assert not list((TESTS / "helpers").rglob("test_*.py"))


def test_the_places_that_documents_name_are_there() -> None:
    texts = [
        REPOSITORY / "README.md",
        REPOSITORY / "CONTRIBUTING.md",
        *REPOSITORY.glob("docs/**/*.md"),
    ]
    tops = {*PARTS, "fuseablate", "tests", "reports", "studies"}
    places = [
        (text, place)
        for text in texts
        for place in re.findall(r"`([\w.]+/[\w./]*)`", text.read_text(encoding="utf-8"))
        if place.split("/")[0] in tops
    ]
    assert len(places) > 60
    for text, place in places:
        paths = (REPOSITORY / place, PACKAGE / place, PACKAGE / f"{place}.py")
        assert any(path.exists() for path in paths), (text.name, place)
