"""The site of docs/, the pages that are written from the code, and the README's bounds."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.helpers.generated_pages import generated_pages
from tests.helpers.golden import Golden
from tests.helpers.pages import DOCS, PAGES
from tests.helpers.paths import REPOSITORY

CONFIG = REPOSITORY / "zensical.toml"


def built(folder: Path) -> subprocess.CompletedProcess[str]:
    """Build a copy of the site that lies in a folder, strictly: links and anchors are checked."""
    shutil.copy(CONFIG, folder)
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_the_site_is_built_strictly(tmp_path: Path) -> None:
    shutil.copytree(DOCS, tmp_path / "docs")
    run = built(tmp_path)
    assert run.returncode == 0, run.stdout + run.stderr
    for page in DOCS.rglob("*.md"):
        place = page.relative_to(DOCS).with_suffix("")
        folder = place.parent if place.name == "index" else place
        assert (tmp_path / "site" / folder / "index.html").is_file(), page
    # The generator checks links between pages; pictures it passes on.
    for html in (tmp_path / "site").rglob("*.html"):
        for source in re.findall(r'<img[^>]* src="([^":]+)"', html.read_text()):
            assert (html.parent / source).is_file(), (html, source)


@pytest.mark.parametrize("link", ["none.md", "costs.md#none", "../README.md"])
def test_a_link_that_leads_nowhere_breaks_the_build(link: str, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "costs.md").write_text("# Costs\n")
    (tmp_path / "docs" / "index.md").write_text(f"# Home\n\n[Costs]({link})\n")
    assert built(tmp_path).returncode != 0


def pages_in(entry: object) -> list[str]:
    if isinstance(entry, str):
        return [entry]
    values = entry if isinstance(entry, list) else list(entry.values())  # type: ignore[attr-defined]
    return [page for value in values for page in pages_in(value)]


def test_the_navigation_has_each_page_once() -> None:
    listed = pages_in(tomllib.loads(CONFIG.read_text())["project"]["nav"])
    assert sorted(listed) == sorted(str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md"))


def test_pages_that_are_written_from_the_code_are_up_to_date(golden: Golden) -> None:
    for name, text in generated_pages().items():
        golden(str(DOCS / name), text)


def test_the_catalogue_has_every_table() -> None:
    tables = {path.stem for path in (REPOSITORY / "fuseablate/spec/published").rglob("*.toml")}
    page = (DOCS / "catalogue.md").read_text()
    assert set(re.findall(r"^\| `(\w+)` ", page, re.MULTILINE)) == tables


def test_the_readme_is_a_page_for_newcomers() -> None:
    assert len((REPOSITORY / "README.md").read_text().splitlines()) <= 200


def test_the_readme_names_the_two_commands() -> None:
    """Of which `.ci/run` takes the second from here."""
    readme = (REPOSITORY / "README.md").read_text()
    lines = [line for line in readme.splitlines() if line.startswith("python3 -m venv")]
    assert len(lines) == 2
    assert lines[0].endswith("fuseablate quickstart")
    assert "pytest" in lines[1]
    assert lines[1] in readme.partition("<!-- the test command -->")[2].splitlines()[:4]


def test_links_out_of_the_readme_lead_somewhere() -> None:
    """Those of the site are the generator's to check."""
    for name in ("README.md", "CONTRIBUTING.md"):
        text = (REPOSITORY / name).read_text()
        links = re.findall(r"\]\((?!http)([^)#]*)(?:#([^)]*))?\)", text)
        assert links
        for path, anchor in links:
            target = REPOSITORY / path if path else REPOSITORY / name
            assert target.exists(), (name, path)
            if anchor:
                heads = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)
                assert anchor in {slug(head) for head in heads}, (name, path, anchor)


def slug(head: str) -> str:
    return re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-")


def test_every_page_is_reached_from_the_readme_or_the_home_page() -> None:
    reached = {
        (page.parent / link).resolve()
        for page in PAGES
        for link in re.findall(r"\]\((?!http)([^)#]+)", page.read_text())
    }
    assert {page.resolve() for page in DOCS.rglob("*.md")} - reached == {DOCS / "index.md"}
