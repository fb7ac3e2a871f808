"""The pages of the site that are written from the code: the catalogue, and the reference."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from fuseablate.commands.list import catalogue
from fuseablate.cost import cost_kind
from fuseablate.ops import OPS
from fuseablate.ops.regnet import GENERATORS
from fuseablate.reference import SCHEMAS, op_schema
from fuseablate.reference.text import KeyTable, tables

COSTS = ("params", "macs")
HEADS = {
    "study": ("Study files", "fuseablate docs study", "Their use: [Studies](../studies.md)."),
    "recipe": ("Recipes", "fuseablate docs recipe", "[Plug-ins](../plugins.md#recipes) has more."),
    "spec": ("Tables of networks", "fuseablate docs spec", "Its ops are [a page](ops.md)."),
}  # fmt: skip


def generated_pages() -> dict[str, str]:
    """Return each page's text by its path below `docs/`."""
    files = {f"reference/{name}.md": file_page(name) for name in HEADS}
    return {"catalogue.md": catalogue_page(), **files, "reference/ops.md": ops_page()}


def catalogue_page() -> str:
    entries = catalogue(costs=COSTS)
    rows = []
    for entry in entries:
        spec = entry.spec
        height, width = spec.input
        costs = (cost_kind(name).short(entry.costs[name]) for name in COSTS)
        side = str(height) if height == width else f"{height}x{width}"
        forms = " ".join(f"`{form}`" for form in entry.forms)
        rows.append(
            [f"`{spec.name}`", spec.title, str(entry.rows), *costs, side, forms, spec.source]
        )
    head = ["Name", "What it is", "Rows", "Params", "MACs", "Input", "Forms", "Source"]
    return _page(
        "The catalogue",
        f"The {len(entries)} published networks that ship as tables, as `fuseablate list` prints "
        "them: learned parameters, and multiply-accumulates for one image of the input's size. "
        "[Networks](networks.md) says what they are verified against, and how to use them.",
        _table(head, rows, right={2, 3, 4, 5}),
    )


def file_page(name: str) -> str:
    title, command, more = HEADS[name]
    listed = tables(SCHEMAS[name]())
    if name == "spec":  # those of the ops have a page of their own
        listed = [table for table in listed if not table.head.startswith("[[rows]]")]
    return _page(title, f"What `{command}` prints. {more}", *_sections(listed))


def ops_page() -> str:
    names = (*OPS, *GENERATORS)
    rows = [
        [f"[`{name}`](#{name})", str(op_schema(name)["description"]).partition("\n")[0]]
        for name in names
    ]
    parts = [_table(["Op", "What a row of it is"], rows)]
    for name in names:
        parts += [f"## {name}", *_sections(tables(op_schema(name)))]
    return _page("Ops", "What a row may do. `fuseablate docs op fuse` prints one of these.", *parts)


def _sections(listed: Sequence[KeyTable]) -> Iterator[str]:
    for table in listed:
        if table.head:
            yield f"### `{table.head}`"
        if table.doc:
            yield table.doc
        rows = [[f"`{key.name}`", _escaped(key.takes), _escaped(key.doc)] for key in table.keys]
        yield _table(["Key", "Takes", "Meaning"], rows)


def _page(title: str, intro: str, *parts: str) -> str:
    said = "<!-- Written from the code; pytest --update-golden tests/docs/test_site.py -->"
    return "\n\n".join([f"# {title}", said, intro, *parts]) + "\n"


def _table(head: list[str], rows: list[list[str]], right: Collection[int] = ()) -> str:
    line = ["---:" if number in right else "---" for number in range(len(head))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [head, line, *rows])


def _escaped(text: str) -> str:
    """Return a text as a cell of a table: no bar ends it, no angle bracket begins a tag."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
