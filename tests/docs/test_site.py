"""The site builds from the pages and docstrings, and everything it links to is there."""

import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

pytest.importorskip("zensical")
pytest.importorskip("mkdocstrings_handlers.python")

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PARTS = ("docs", "examples", "src", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "zensical.toml")
"""What the site is made of."""


class Links(HTMLParser):
    """What a page links to and loads, and the places in it that links can lead to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.loaded: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        values = {name: value for name, value in attrs if value}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        if tag == "a" and "href" in values:
            self.targets.append(values["href"])
        if tag in ("img", "script") and "src" in values:
            self.loaded.append(values["src"])
        if tag == "link" and values.get("rel") in ("stylesheet", "icon"):
            self.loaded.append(values["href"])


def build(folder: Path, change=None) -> subprocess.CompletedProcess[str]:
    """The site of a copy of the repository, as ``make docs`` builds it."""
    for name in PARTS:
        source = ROOT / name
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, folder / name)
    if change is not None:
        change(folder)
    gather = subprocess.run(
        [sys.executable, "docs/make_site.py"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert gather.returncode == 0, gather.stderr
    return subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--strict"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("repository")
    done = build(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No issues found" in done.stdout + done.stderr
    return folder / "build" / "site"


@pytest.fixture(scope="module")
def pages(site) -> dict[Path, Links]:
    return {page: Links(page.read_text(encoding="utf-8")) for page in sorted(site.rglob("*.html"))}


def test_every_link_leads_to_a_page_and_a_place_in_it(site, pages):
    broken = []
    for page, links in pages.items():
        if page.name == "404.html":  # its links begin at the root of a server
            continue
        for target in [*links.targets, *links.loaded]:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                continue
            place = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            place = place / "index.html" if place.is_dir() else place
            if not place.is_file() or (
                parts.fragment and place in pages and unquote(parts.fragment) not in pages[place].anchors
            ):
                broken.append(f"{page.relative_to(site)}: {target}")
    assert broken == []


def test_pages_load_nothing_from_a_network(pages):
    for page, links in pages.items():
        assert [target for target in links.loaded if urlsplit(target).netloc] == [], page


def test_every_page_is_in_the_navigation(site, pages):
    shown = {(site / target).resolve() for target in pages[site / "index.html"].targets if ":" not in target}
    reached = set(shown)
    for page in shown & pages.keys():  # the navigation of a tab stands on its own pages
        reached |= {(page.parent / urlsplit(target).path).resolve() for target in pages[page].targets}
    assert {page for page in pages if page.name != "404.html"} <= reached


def test_the_reference_holds_every_public_name_with_its_docstring(pages, site):
    import vit_adapter

    text = "".join(page.read_text(encoding="utf-8") for page in (site / "reference").glob("*.html"))
    for name in vit_adapter.__all__:
        assert f'id="vit_adapter.{name}"' in text, name
        summary = (
            (getattr(vit_adapter, name).__doc__ or "").strip().split("\n")[0].split("`")[0].split('"')[0]
        )
        assert summary.rstrip() in text, name


def test_a_broken_link_stops_the_build(tmp_path):
    def break_it(folder: Path) -> None:
        with (folder / "docs" / "training.md").open("a", encoding="utf-8") as file:
            file.write("\n[more](own-data.md#no-such-heading)\n")

    done = build(tmp_path, break_it)
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert "anchor does not exist" in said
    assert "training.md" in said
