"""Gathers the pages of the site in ``build/site-source``, which ``zensical build`` turns into ``build/site``.

Run from the repository's root:  make docs
Pages of ``docs/`` are taken as they are. The README becomes the first page, the scripts of ``examples/`` stand on one
page, and each public name has its docstring on a page of the reference. Links to files that are no pages (tests,
benchmarks) become their paths.
"""

import re
import shutil
import sys
from pathlib import Path

import vit_adapter
import vit_adapter.ops

ROOT = Path(__file__).parents[1]
TARGET = ROOT / "build" / "site-source"
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")
EXTRA_PAGES = {"README.md": "index.md", "CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md"}
"""Files outside of ``docs/`` and the pages that they become."""

EXAMPLES = ("train_on_my_folder", "segment_my_images", "count_objects", "backbone_in_my_own_loop")
"""Scripts in the order in which a newcomer reads them; others follow."""
TITLES = {
    "backbones": "Backbones",
    "models": "Models and results",
    "functions": "Functions",
    "settings": "Settings",
}
"""Pages of the reference with the names of ``vit_adapter``, see ``reference_page``."""
BACKBONES = ("ViTAdapter", "ViTPyramid", "UniPerceiver")
FURTHER_SETTINGS = (
    *("AdapterConfig", "PyramidConfig", "MaskRCNNConfig", "ModelConfig", "DataConfig", "AugmentationConfig"),
    *("TrainingConfig", "EvaluationConfig", "InferenceConfig", "ObjectConfig", "Normalization", "RunConfig"),
)
"""Names of ``vit_adapter.config`` that stand on the page of settings too."""


def page_of(file: Path) -> Path | None:
    """The page that a file of the repository becomes; None: it becomes none."""
    place = file.relative_to(ROOT).as_posix() if file.is_relative_to(ROOT) else ""
    if place in EXTRA_PAGES:
        return Path(EXTRA_PAGES[place])
    if place == "examples" or (place.startswith("examples/") and place.endswith(".py")):
        return Path("examples.md")
    if place.startswith("docs/") and not place.endswith(".py") and file.is_file():
        return Path(place).relative_to("docs")
    return None


def with_links(text: str, file: Path) -> str:
    """A page's text with links that lead to pages of the site.

    Args:
        text: Markdown.
        file: Where it stands in the repository.
    """
    own = page_of(file)
    assert own is not None

    def link(match: re.Match[str]) -> str:
        image, words, target = match.groups()
        place, _, anchor = target.partition("#")
        if not place or ":" in place:
            return match[0]
        linked = (file.parent / place).resolve()
        page = page_of(linked)
        if page is None:
            path = linked.relative_to(ROOT).as_posix()
            return f"`{words}`" if words in path else f"{words} (`{path}`)"
        steps = "../" * (len(own.parts) - 1)
        return f"{image}[{words}]({steps}{page.as_posix()}{'#' + anchor if anchor else ''})"

    return LINK.sub(link, text)


def examples_page() -> str:
    """The scripts of ``examples/``, each with the first line of its docstring as heading."""
    parts = ["# Examples", "Scripts of the repository's `examples/`, executed by its tests."]
    files = {file.stem: file for file in sorted((ROOT / "examples").glob("*.py"))}
    for file in {name: files[name] for name in (*EXAMPLES, *files)}.values():
        text = file.read_text(encoding="utf-8")
        title = text.removeprefix('"""').partition("\n")[0].rstrip(".")
        parts += [f"## {title}", f"`{file.relative_to(ROOT)}`", f"```python\n{text}```"]
    return "\n\n".join(parts) + "\n"


def reference_page(name: str) -> str:
    """The page on which a public name of ``vit_adapter`` stands."""
    if name in BACKBONES:
        return "backbones"
    if name.endswith("Config"):
        return "settings"
    return "functions" if name.islower() else "models"


def reference_pages() -> dict[str, str]:
    """Page to text: directives that the docstrings are put in place of."""
    pages = {page: [f"# {title}"] for page, title in TITLES.items()}
    for name in dict.fromkeys((*BACKBONES, *vit_adapter.__all__)):
        pages[reference_page(name)].append(f"::: vit_adapter.{name}")
    further = [name for name in FURTHER_SETTINGS if name not in vit_adapter.__all__]
    pages["settings"] += [f"::: vit_adapter.config.{name}" for name in further]
    names = vit_adapter.ops.__all__
    pages["operators"] = ["# Operators", *(f"::: vit_adapter.ops.{name}" for name in names)]
    modules = sorted(file.stem for file in (ROOT / "src/vit_adapter/integrations").glob("[a-z]*.py"))
    places = [f"vit_adapter.integrations.{name}" for name in modules]
    pages["integrations"] = ["# Inside other libraries", *(f"::: {place}" for place in places)]
    return {f"reference/{page}.md": "\n\n".join(parts) + "\n" for page, parts in pages.items()}


def write_source() -> None:
    """Writes ``build/site-source`` anew."""
    shutil.rmtree(TARGET, ignore_errors=True)
    pages = {"examples.md": examples_page(), **reference_pages()}
    for file in [*(ROOT / name for name in EXTRA_PAGES), *sorted((ROOT / "docs").rglob("*"))]:
        page = page_of(file)
        if page is None:
            continue
        if file.suffix == ".md":
            pages[page.as_posix()] = with_links(file.read_text(encoding="utf-8"), file)
        else:
            (TARGET / page).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, TARGET / page)
    for name, text in pages.items():
        (TARGET / name).parent.mkdir(parents=True, exist_ok=True)
        (TARGET / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write_source()
    print(f"{len(list(TARGET.rglob('*.md')))} pages in {TARGET.relative_to(ROOT)}", file=sys.stderr)
