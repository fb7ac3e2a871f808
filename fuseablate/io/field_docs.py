"""The docs that stand at the fields of a class, as the texts below them. Without torch."""

from __future__ import annotations

import ast
import functools
import inspect
import itertools
import linecache
from collections.abc import Mapping


def field_docs(kind: type) -> Mapping[str, str]:
    """Return the doc of each field of a class by its name, on one line.

    A field that a class declares anew without a doc has that of the class above.
    """
    docs: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        docs |= _own_docs(base)
    return docs


def _own_docs(kind: type) -> Mapping[str, str]:
    # From the file's whole text, parsed once for all of its classes: `inspect.getsource` would
    # search it for each.
    try:
        path = inspect.getsourcefile(kind)
    except TypeError:  # a class of C's
        return {}
    return _docs_in(path).get(kind.__qualname__, {}) if path else {}


@functools.cache
def _docs_in(path: str) -> Mapping[str, Mapping[str, str]]:
    tree = ast.parse("".join(linecache.getlines(path)))
    return {node.name: _docs_of(node.body) for node in tree.body if isinstance(node, ast.ClassDef)}


def _docs_of(body: list[ast.stmt]) -> Mapping[str, str]:
    docs = {}
    for field, below in itertools.pairwise(body):
        match field, below:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                docs[name] = " ".join(text.split())
    return docs
