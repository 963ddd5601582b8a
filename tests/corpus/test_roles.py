"""The role of each pod of other projects' streams: none where nothing tells, and never a wrong one."""

from pathlib import Path

import pytest
import yaml

from tests.corpus import roles
from tests.corpus.roles import VERDICTS, lines

LISTED = yaml.safe_load(VERDICTS.read_text())


def test_every_pod_template_has_the_role_that_is_listed(corpus: Path) -> None:
    """Role, reason and conflict of each, compared exactly: what changes is looked at, and listed anew."""
    now = lines(corpus)
    assert sum(map(len, now.values())) > 2000
    changed = [
        f"{stem}: {key}: {LISTED['streams'].get(stem, {}).get(key)} -> {now.get(stem, {}).get(key)}"
        for stem in sorted({*now, *LISTED["streams"]})
        for key in {**LISTED["streams"].get(stem, {}), **now.get(stem, {})}
        if now.get(stem, {}).get(key) != LISTED["streams"].get(stem, {}).get(key)
    ]
    assert changed == []


def test_what_was_read_is_listed_and_is_enough() -> None:
    """Each mark belongs to a line; more than 200 were read, every conflict, gateway and picker among them."""
    read = [(stem, key) for stem, marks in LISTED["read"].items() for key in marks]
    assert len(read) >= 320
    assert all(key in LISTED["streams"][stem] for stem, key in read)
    must = [
        (stem, key)
        for stem, here in LISTED["streams"].items()
        for key, line in here.items()
        if " ! " in line or line.startswith(("gateway", "picker"))
    ]
    assert set(must) <= set(read)


def test_a_mark_goes_when_its_line_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Writing the file again keeps what was read of lines that stay, and forgets the others."""
    file = tmp_path / "roles.yaml"
    file.write_text("# head\nstreams: {s: {a: '-', b: '-', c: '-'}}\nread: {s: {a: as it is, b: as it was}}\n")
    monkeypatch.setattr(roles, "VERDICTS", file)
    monkeypatch.setattr(roles, "lines", lambda _: {"s": {"a": "-", "b": "training: kind TFJob", "c": "-"}})
    roles.write(tmp_path)
    assert file.read_text().startswith("# head\nstreams:\n")
    assert yaml.safe_load(file.read_text())["read"] == {"s": {"a": "as it is"}}
