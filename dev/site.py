"""Builds the documentation as a site, strictly: a link or an anchor that leads nowhere ends it with exit code 1.

python -m dev.site [FOLDER]    FOLDER is build/site; the site is in its html/

Pages are laid out as the repository has them, with the files that they link to, so a link is right on a code host and
in the site alike. The site needs no other host: no fonts and no scripts from elsewhere. Read from a disk it has no
search.
"""

import re
import shutil
import subprocess
import sys
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

from dev.snippets import pages as documented
from dev.toolchain import ROOT

CONFIG = ROOT / "dev" / "site.yaml"
STYLE = ROOT / "dev" / "site.css"
FOLDER = ROOT / "build" / "site"
LINK = re.compile(r"\]\(([^)#\s:]+)(?:#[^)]*)?\)")

# Words behind a fence's language are for the tests of the documentation; Python's Markdown takes no fence that has any.
FENCE = re.compile(r"^( *```\w+) .*$", re.MULTILINE)


def pages() -> list[str]:
    """Every page of the site, by its path from the root."""
    return [*documented(), "CHANGELOG.md"]


def linked(page: str) -> set[str]:
    """The files besides pages that a page links to, by their paths from the root."""
    there = (ROOT / page).parent
    targets = {(there / link).resolve() for link in LINK.findall((ROOT / page).read_text()) if not link.endswith(".md")}
    return {str(target.relative_to(ROOT)) for target in targets if target.is_file()}


def nav(entries: Any, named: set[str]) -> list[Any]:
    """The navigation, each pattern replaced by its pages that are not `named`; what does not exist is left out."""
    found: list[Any] = []
    for entry in entries:
        if isinstance(entry, dict):
            ((title, inner),) = entry.items()
            below = nav(inner, named) if isinstance(inner, list) else inner
            found += [{title: below}] if below else []
        elif "*" in entry:
            found += [page for page in pages() if fnmatchcase(page, entry) and page not in named]
            named.update(page for page in pages() if fnmatchcase(page, entry))
        elif entry in pages():
            found.append(entry)
    return found


def leaves(entries: Any) -> list[str]:
    """The pages and patterns of a navigation, in its order."""
    if isinstance(entries, str):
        return [entries]
    inner = entries.values() if isinstance(entries, dict) else entries
    return [leaf for each in inner for leaf in leaves(each)]


def lay_out(folder: Path) -> Path:
    """Put pages, linked files and the configuration into a new folder; the configuration's path."""
    shutil.rmtree(folder, ignore_errors=True)
    config = yaml.safe_load(CONFIG.read_text())
    for file in {*pages(), *(file for page in pages() for file in linked(page))}:
        target = folder / config["docs_dir"] / file
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.suffix == ".md":
            target.write_text(FENCE.sub(r"\1", (ROOT / file).read_text()))
        else:
            shutil.copyfile(ROOT / file, target)
    shutil.copyfile(STYLE, folder / config["docs_dir"] / "site.css")
    config["nav"] = nav(config["nav"], {leaf for leaf in leaves(config["nav"]) if "*" not in leaf})
    written = folder / "mkdocs.yml"
    written.write_text(yaml.safe_dump(config, sort_keys=False))
    return written


def astray(laid_out: Path) -> list[str]:
    """The links to files that are not there. Zensical looks at those to pages only."""
    return [
        f"{page.relative_to(laid_out)}: {link}: there is no such file"
        for page in sorted(laid_out.rglob("*.md"))
        for link in LINK.findall(page.read_text())
        if not (page.parent / link).is_file()
    ]


def build(config: Path) -> "subprocess.CompletedProcess[str]":
    """Run Zensical over a folder that is laid out; a failure is the caller's to judge."""
    command = [
        str(Path(sys.executable).parent / "zensical"),
        "build",
        "--strict",
        "--clean",
        "--config-file",
        config.name,
    ]
    if lost := astray(config.parent / "pages"):
        return subprocess.CompletedProcess(command, 1, "", "\n".join(lost))
    done = subprocess.run(command, cwd=config.parent, capture_output=True, text=True, check=False)
    done.stderr = re.sub(r"\x1b\[[\d;]*m", "", done.stderr)
    return done


def main() -> None:
    """Build it, and say where it is."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    done = build(lay_out(folder.resolve()))
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    print(f"{folder / 'html' / 'index.html'}")


if __name__ == "__main__":
    main()
