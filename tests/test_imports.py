"""Which module may import which, and which commands answer without torch."""

from __future__ import annotations

import ast
import functools
import importlib
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import fuseablate
from tests.helpers.paths import REPOSITORY

PACKAGE = Path(fuseablate.__file__).parent
HEAVY = {"torch", "torchvision", "fvcore", "numpy", "optuna", "wandb", "matplotlib"}

# The parts of the package, in the order in which data flows: each imports those before it alone.
FLOW = [
    "version", "errors", "streams", "seeds", "io", "plugins", "layers", "ops", "spec", "cost",
    "network", "recipes", "data", "runs", "stats", "space", "show", "training", "tracking",
    "report", "engines", "studies", "reference", "commands",
]  # fmt: skip
TORCH = {"streams", "network", "training"}
# The modules beside those that need torch.
TORCH_MODULES = {
    "io.tensors", "runs.weights", "data.parts", "data.batches", "data.transforms", "data.cifar",
    "data.augmentations",
    "data.folder", "data.generated",
}  # fmt: skip
NO_TORCH = {
    "version", "errors", "seeds", "io", "plugins", "layers", "ops", "spec", "cost", "recipes",
    "data", "runs", "space", "show", "reference", "commands",
}  # fmt: skip


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


@functools.cache
def imports(path: Path, *, lazy: bool) -> set[str]:
    """Return the full names that a module imports; only those that run with it, or all."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names: set[str] = set()

    def visit(node: ast.AST) -> None:
        inside = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        typing_only = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        if (inside or typing_only) and not lazy:
            return
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            assert node.module is not None
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
            names.add(node.module)
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(tree)
    return names


def own(path: Path, *, lazy: bool) -> set[str]:
    """Return the modules of the package that a module imports, by their names below it."""
    names = {name.removeprefix("fuseablate.") for name in imports(path, lazy=lazy)}
    return names & set(MODULES)


def parts(modules: set[str]) -> set[str]:
    return {module.partition(".")[0] for module in modules}


def test_the_reader_of_imports_reads() -> None:
    path = PACKAGE / "commands" / "show.py"
    assert "network.check" in own(path, lazy=True)
    assert "network.check" not in own(path, lazy=False)
    assert "torch" in imports(PACKAGE / "network" / "builder.py", lazy=False)


def test_the_plan_names_every_part() -> None:
    here = {name.partition(".")[0] for name in MODULES} - {"", "__main__"}
    assert here == set(FLOW)


def test_the_page_of_the_design_lists_the_parts_in_their_order() -> None:
    design = (REPOSITORY / "docs" / "design.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in design.splitlines() if line.startswith("| `")]
    assert re.findall(r"`(\w+)/?`", " ".join(rows)) == FLOW


def test_the_readme_lists_the_folders_in_their_order() -> None:
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in readme.splitlines() if line.startswith("| `")]
    folders = [name for name in FLOW if (PACKAGE / name).is_dir()]
    assert re.findall(r"`(\w+)/`", " ".join(rows)) == folders


@pytest.mark.parametrize("name", [n for n in MODULES if n.split(".")[0] in NO_TORCH])
def test_modules_without_torch_import_none(name: str) -> None:
    if name in TORCH_MODULES:
        return
    modules = own(MODULES[name], lazy=False)
    assert not {top.split(".")[0] for top in imports(MODULES[name], lazy=False)} & HEAVY
    # nor by way of a module that does
    assert not parts(modules) & TORCH
    assert not modules & TORCH_MODULES


@pytest.mark.parametrize("name", [name for name in MODULES if name not in ("", "__main__")])
def test_data_flows_one_way(name: str) -> None:
    part = name.partition(".")[0]
    assert parts(own(MODULES[name], lazy=True)) <= set(FLOW[: FLOW.index(part) + 1])


def test_no_modules_import_each_other() -> None:
    """Those in functions and for type checkers included; that a package runs first is no import."""
    graph = {
        name: {other for other in own(path, lazy=True) if other and other != name}
        - {package for package in MODULES if name.startswith(package + ".")}
        for name, path in MODULES.items()
        if name
    }
    done: set[str] = set()
    while free := {name for name in graph if name not in done and graph[name] <= done}:
        done |= free
    assert done == set(graph), f"modules that import each other: {sorted(set(graph) - done)}"


def test_each_folder_has_a_face() -> None:
    """It says what comes in and what goes out, and what of it is in modules of their own."""
    for name, path in MODULES.items():
        if path.name == "__init__.py" and name:
            said = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
            assert said, name
            assert "." in name or len(said.splitlines()) > 2, name


def test_a_face_offers_only_what_others_use() -> None:
    files = [
        *PACKAGE.rglob("*.py"),
        *REPOSITORY.glob("tests/**/*.py"),
        REPOSITORY / "README.md",
        *REPOSITORY.glob("docs/**/*.md"),
    ]
    words = {path: set(re.findall(r"\w+", path.read_text(encoding="utf-8"))) for path in files}
    for part in FLOW:
        face = importlib.import_module(f"fuseablate.{part}")
        others = [names for path, names in words.items() if PACKAGE / part not in path.parents]
        offered = set(getattr(face, "__all__", ()))
        assert not offered - set().union(*others), part


def test_no_part_of_the_package_bears_the_name_of_a_public_function() -> None:
    submodules = {module.name for module in pkgutil.iter_modules([str(PACKAGE)])}
    assert {"spec", "network", "cost"} <= submodules
    assert not submodules & set(fuseablate.__all__)
    for name in submodules:
        if name not in ("__main__", "commands"):
            importlib.import_module(f"fuseablate.{name}")
    for name in fuseablate.__all__:
        thing = getattr(fuseablate, name)
        assert callable(thing), name
        assert type(thing).__name__ != "module"
        assert name in dir(fuseablate)
    assert {"load_spec", "build", "measure", "train"} <= set(fuseablate.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        fuseablate.nothing  # noqa: B018


COMMANDS = [
    ["--help"],
    ["--version"],
    ["show", "--help"],
    ["list"],
    ["show", "fusenet"],
    ["show", "fusenet", "--json", "--input", "32"],
    ["show", "fusenet", "--why"],
    ["show", "fusenet", "--field"],
    ["cost", "fusenet", "--hardware", "systolic64", "--batch", "8"],
    ["show", "resnet18", "--params"],
    ["show", "fusenet", "--toml", "--set", "fuse.op=mbconv"],
    ["cost", "fusenet", "--set", "all.se=false"],
    ["cost", "fusenet", "--json"],
    ["show", "fusenet", "--columns", "cycles,traffic,roofline,energy,intensity"],
    ["cost", "fusenet", "--set", "all.se=false", "--iso", "macs"],
    ["diff", "fusenet", "fusenet", "--set-b", "fuse.op=mbconv"],
    ["runs", "list", "--runs", "reports/se"],
    ["runs", "show", "3e0c", "--runs", "reports/se"],
    ["explore", "fusenet", "--space", "search", "--samples", "50"],
    ["docs", "op", "fuse"],
    ["docs", "study"],
    ["schema", "spec"],
]


def test_commands_that_answer_without_torch() -> None:
    program = f"""
import contextlib, io, sys
from fuseablate.commands.program import main
for words in {COMMANDS!r}:
    with contextlib.redirect_stdout(io.StringIO()) as out:
        try:
            code = main(words)
        except SystemExit as exit:
            code = exit.code
    heavy = {HEAVY!r} & set(sys.modules)
    assert (code or 0, heavy) == (0, set()), (words, code, heavy)
    assert out.getvalue(), words
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_api_is_lazy() -> None:
    program = (
        "import sys, fuseablate; fuseablate.measure(fuseablate.load_spec('fusenet').edit("
        "'all.se=false')); assert 'torch' not in sys.modules; "
        "fuseablate.build; assert 'torch' in sys.modules; "
        "import fuseablate.network; assert callable(fuseablate.build)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
