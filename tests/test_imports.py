"""Which module may import which, and which commands answer without torch."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import fuseablate

PACKAGE = Path(fuseablate.__file__).parent
HEAVY = {"torch", "torchvision", "fvcore", "numpy", "optuna", "wandb", "matplotlib"}

# Without torch, in the order in which data flows: each may import those before it and no other.
FLOW = [
    "errors",
    "escaping",
    "reading",
    "layers",
    "ops",
    "keys",
    "selectors",
    "scaling",
    "row_edits",
    "edits",
    "spec",
    "catalog",
    "cost",
    "iso",
    "difference",
    "variants",
]
NO_TORCH = {
    *FLOW, "terminal", "output", "checked", "atomic", "lock", "recipe", "record", "runs",
    "underway", "inventory", "transfer", "views", "cli", "commands",
}  # fmt: skip
# The torch side; each may import the whole of FLOW and what stands here before it.
TORCH_FLOW = ["streams", "modules", "network", "proof"]


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def imports(path: Path, *, lazy: bool) -> set[str]:
    """Return the full names that a module imports; those in functions only where `lazy`."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        inside = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        typing_only = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        if (inside and not lazy) or typing_only:
            return
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            assert node.module is not None
            if node.module == "fuseablate":
                found.update(f"fuseablate.{alias.name}" for alias in node.names)
            else:
                found.add(node.module)
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(tree)
    return found


def own(names: set[str]) -> set[str]:
    """The parts of the package among imported names, by the first name below it."""
    parts = {name.split(".")[1] for name in names if name.startswith("fuseablate.")}
    return {part for part in parts if part in MODULES}


def test_the_reader_of_imports_reads() -> None:
    path = PACKAGE / "commands" / "show.py"
    assert "proof" in own(imports(path, lazy=True))
    assert "proof" not in own(imports(path, lazy=False))
    assert "torch" in imports(PACKAGE / "network.py", lazy=False)


@pytest.mark.parametrize("name", [n for n in MODULES if n.split(".")[0] in NO_TORCH])
def test_modules_without_torch_import_none(name: str) -> None:
    found = imports(MODULES[name], lazy=False)
    assert not {module.split(".")[0] for module in found} & HEAVY
    # nor by way of a module that does
    assert not own(found) & {*TORCH_FLOW, "data", "training"}


@pytest.mark.parametrize("name", [n for n in MODULES if n.split(".")[0] in (*FLOW, *TORCH_FLOW)])
def test_data_flows_one_way(name: str) -> None:
    part = name.partition(".")[0]
    order = [*FLOW, *TORCH_FLOW]
    allowed = {*order[: order.index(part)], part}
    assert own(imports(MODULES[name], lazy=True)) <= allowed


def test_no_cycle_among_the_parts() -> None:
    graph: dict[str, set[str]] = {}
    for name, path in MODULES.items():
        part = name.split(".")[0]
        if part not in ("", "__main__"):
            graph.setdefault(part, set()).update(own(imports(path, lazy=False)) - {part})
    done: set[str] = set()
    while free := {part for part in graph if part not in done and graph[part] <= done}:
        done |= free
    assert done == set(graph), f"parts that import each other: {set(graph) - done}"


def test_no_part_of_the_package_bears_the_name_of_a_public_function() -> None:
    submodules = {module.name for module in pkgutil.iter_modules([str(PACKAGE)])}
    assert {"spec", "network", "cost"} <= submodules
    assert not submodules & set(fuseablate.__all__)
    for name in submodules:
        if name not in ("__main__", "cli", "commands"):
            importlib.import_module(f"fuseablate.{name}")
    for name in fuseablate.__all__:
        thing = getattr(fuseablate, name)
        assert callable(thing), name
        assert type(thing).__name__ != "module"
        assert name in dir(fuseablate)
    assert {"load_spec", "build", "measure", "train"} <= set(fuseablate.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        fuseablate.nothing  # noqa: B018


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["--version"],
        ["show", "--help"],
        ["list"],
        ["show", "fusenet"],
        ["show", "fusenet", "--json", "--input", "32"],
        ["show", "fusenet", "--why"],
        ["show", "resnet18", "--params"],
        ["show", "fusenet", "--toml", "--set", "fuse.op=mbconv"],
        ["cost", "fusenet", "--set", "all.se=false"],
        ["cost", "fusenet", "--json"],
        ["cost", "fusenet", "--set", "all.se=false", "--iso", "macs"],
        ["diff", "fusenet", "fusenet", "--set-b", "fuse.op=mbconv"],
        ["runs", "list", "--runs", "reports/se"],
        ["runs", "show", "3e0c", "--runs", "reports/se"],
        ["explore", "fusenet", "--space", "studies/search.toml", "--samples", "50"],
    ],
)
def test_commands_that_answer_without_torch(words: list[str]) -> None:
    program = f"""
import sys
from fuseablate.cli import main
try:
    code = main({words!r})
except SystemExit as exit:
    code = exit.code
assert not code, code
heavy = {HEAVY!r} & set(sys.modules)
sys.exit(f"imported {{heavy}}" if heavy else 0)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


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
