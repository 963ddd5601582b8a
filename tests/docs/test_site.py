"""The documentation as a site: built strictly, complete, and without another host."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml
from markdown_it import MarkdownIt

from dev.site import CONFIG, build, lay_out, leaves, nav, pages
from dev.snippets import blocks_of
from dev.toolchain import ROOT


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of the pages as they are, built strictly."""
    config = lay_out(tmp_path_factory.mktemp("site") / "s")
    done = build(config)
    assert done.returncode == 0, done.stdout + done.stderr
    return config.parent / "html"


def test_every_page_is_in_the_site_and_in_its_navigation(site: Path) -> None:
    """None is lost, and none stands in two places."""
    entries = yaml.safe_load(CONFIG.read_text())["nav"]
    shown = leaves(nav(entries, {leaf for leaf in leaves(entries) if "*" not in leaf}))
    assert sorted(shown) == sorted(pages())
    for page in pages():
        assert address(site, page).is_file(), page


def address(site: Path, page: str) -> Path:
    """The file of a page in the site."""
    path = Path(page)
    return site / path.parent / ("index.html" if path.stem == "README" else f"{path.stem}.html")


def test_no_heading_and_no_block_of_a_page_is_lost(site: Path) -> None:
    """The site has as many of either as Markdown has them on a code host."""
    for page in pages():
        text = (ROOT / page).read_text()
        shown = address(site, page).read_text()
        headings = sum(token.type == "heading_open" for token in MarkdownIt("commonmark").parse(text))
        assert len(re.findall(r"<h[1-6] id=", shown)) == headings, page
        assert shown.count("<pre") == len(blocks_of(page, text)), page


class _Loads(HTMLParser):
    """What a page has its reader's browser load."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Scripts, styles, fonts, pictures and frames; links that a reader may follow are none of these."""
        own = dict(attrs)
        if tag in {"script", "img", "iframe", "source"}:
            self.addresses.append(own.get("src") or "")
        elif tag == "link" and own.get("rel") not in {"canonical", "prev", "next", "alternate"}:
            self.addresses.append(own.get("href") or "")


def test_no_page_loads_anything_from_another_host(site: Path) -> None:
    """Scripts, styles, fonts and pictures are all in the site, those that styles ask for, too."""
    for file in site.rglob("*.html"):
        page = _Loads()
        page.feed(file.read_text())
        assert [each for each in page.addresses if re.match(r"(https?:)?//", each)] == [], file
    for file in site.rglob("*.css"):
        assert re.findall(r"url\(['\"]?(?:https?:)?//[^)]*\)|@import[^;]*//[^;]*", file.read_text()) == [], file


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("[x](nowhere.md)", "nowhere.md"),
        ("[x](policy.md#nowhere)", "nowhere"),
        ("[x](../values/nowhere.yaml)", "nowhere.yaml"),
    ],
    ids=["page", "anchor", "file"],
)
def test_a_link_that_leads_nowhere_ends_the_build(tmp_path: Path, broken: str, said: str) -> None:
    """To a page, to a heading, or to a file."""
    config = lay_out(tmp_path / "s")
    page = config.parent / "pages" / "docs" / "roles.md"
    page.write_text(page.read_text() + f"\n{broken}\n")
    done = build(config)
    assert done.returncode != 0
    assert said in done.stdout + done.stderr
