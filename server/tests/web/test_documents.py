"""What is written down is true: generated documents are current, and what the prose points to exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from rows import every

from identry.documents import documents, main

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"
PROSE = [
    *(ROOT / "README.md", ROOT / "kit/README.md", ROOT / "examples/README.md"),
    *sorted(DOCS.glob("*.md")),
    *sorted((DOCS / "decisions").glob("*.md")),
    *sorted((DOCS / "kit").glob("*.md")),
]
SOURCE = ROOT / "server/src/identry"
ROOTS = [ROOT, DOCS, SOURCE]
NAMES = {path.name for path in SOURCE.rglob("*")}


@pytest.fixture(scope="module")
def generated() -> dict[str, str]:
    return documents()


@pytest.mark.parametrize("name", ["openapi.yaml", "errors.md", "configuration.md"])
def test_generated_documents_are_current(generated, name):
    assert (DOCS / name).read_text(encoding="utf-8") == generated[name], "run `make docs`"


def test_the_yaml_reads_back_as_the_document(generated):
    assert yaml.load(generated["openapi.yaml"], Loader=yaml.CSafeLoader)["openapi"] == "3.1.0"
    assert "&id" not in generated["openapi.yaml"]


def test_check_fails_until_the_documents_are_written(tmp_path, capsys):
    folder = str(tmp_path / "docs")
    assert main(["--check", "--folder", folder]) == 1
    assert not Path(folder).exists()
    assert main(["--folder", folder]) == 0
    assert main(["--check", "--folder", folder]) == 0
    (Path(folder) / "errors.md").write_text("edited by hand")
    assert main(["--check", "--folder", folder]) == 1
    assert "errors.md: not current" in capsys.readouterr().out


@every("page", PROSE, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_that_a_page_names_exists(page):
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        if "://" not in target:
            assert (page.parent / target).exists(), target
    for name in re.findall(r"`((?!identry_kit\.)\w[\w./-]*\.(?:py|md|sql|toml|yaml|yml|lua|lock))`", text):
        assert any((root / name).exists() for root in ROOTS) or name in NAMES, name


@every("page", PROSE, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_make_target_that_a_page_names_exists(page):
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for targets in re.findall(r"(?:^|`)make ((?:[a-z-]+ ?)+)", page.read_text(encoding="utf-8"), re.MULTILINE):
        for target in targets.split():
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_every_class_and_function_that_the_tour_names_exists():
    source = "".join(path.read_text(encoding="utf-8") for path in SOURCE.rglob("*.py"))
    names = re.findall(r"`([A-Za-z_]+(?:\.[A-Za-z_]+)?)`", (DOCS / "tour.md").read_text(encoding="utf-8"))
    assert len(names) > 10
    for name in names:
        last = name.split(".")[-1]
        assert re.search(rf"\b{last}\b", source), name


def test_every_decision_is_in_the_index_once_with_its_four_parts():
    index = (DOCS / "decisions" / "0000-index.md").read_text(encoding="utf-8")
    pages = [page for page in sorted((DOCS / "decisions").glob("[0-9]*.md")) if page.name != "0000-index.md"]
    assert [int(page.name[:4]) for page in pages] == list(range(1, len(pages) + 1))
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert index.count(f"({page.name})") == 1, page.name
        for part in ("**Context.**", "**Decision.**", "**Consequences.**", "**Alternatives.**"):
            assert text.count(part) == 1, f"{page.name}: {part}"
        assert len(text.split()) < 520, f"{page.name}: one page"
