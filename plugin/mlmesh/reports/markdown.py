"""Two environments beside each other, as a comment on a pull request, whose length is limited."""

import re

from mlmesh.model.values import dotted
from mlmesh.reports.differences import counts, field_text, gathered, value_text
from mlmesh.reports.words import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from mlmesh.model.differences import Differences
    from mlmesh.model.values import Leaf, Map, Path

MOST = 60_000  # characters; GitHub takes 65,536 of a comment
_KEPT = 300  # of them for the ends of folds and what is said of the rest


def markdown(told: "Differences", *, most: int = MOST) -> str:
    """Values and objects in folds. What has no room is counted, never left out without a word."""
    own, many = gathered(told)
    sides = [_code(name or "the defaults") for name in (told.left, told.right)]
    head = f"### mlmesh: {sides[0]} → {sides[1]}\n\n"
    if not told:
        return f"{head}Nothing differs: {counts(told)}.\n" + "".join(f"\n> {_text(note)}\n" for note in told.notes)
    if told.values is not None:
        head += f"**{len(told.values)} value{' differs' if len(told.values) == 1 else 's differ'}**, "
    head += f"**objects:** {counts(told)}\n"
    head += "".join(f"\n> {_text(note)}\n" for note in told.notes)
    rows = [
        f"| {_code(dotted(change.path))} | {_side(change.path, change.left)} | {_side(change.path, change.right)} |"
        for change in told.values or ()
    ]
    lines = [printable(f"+ {name}") for name in told.added] + [printable(f"- {name}") for name in told.removed]
    for change, fields in own:
        lines.append(printable(f"! {change.name}"))
        lines += [printable(f"    {field_text(change, field)}") for field in fields]
    for each in many:
        lines += [
            printable(f"! {len(each.names)} objects alike, {each.names[0]} the first"),
            printable(f"    {each.text}"),
        ]
    fence = "`" * max(3, 1 + max((_run(line) for line in lines), default=0))
    left = most - len(head) - 2 * _KEPT
    table, left = _within(rows, left // 2 if lines else left, left)
    listed, _ = _within(lines, left, left)
    out = head
    if rows:
        out += f"\n<details><summary>Values that differ ({len(rows)})</summary>\n\n"
        out += "\n".join(["| value | left | right |", "|---|---|---|", *table]) + "\n"
        out += _rest(len(rows) - len(table), "values") + "\n</details>\n"
    if lines:
        out += f"\n<details><summary>Objects that differ</summary>\n\n{fence}diff\n"
        out += "\n".join(listed) + f"\n{fence}\n" + _rest(len(lines) - len(listed), "lines") + "\n</details>\n"
    return out


def _within(lines: list[str], room: int, left: int) -> tuple[list[str], int]:
    """As many lines as there is room for, and how much of ``left`` they leave."""
    taken = []
    for line in lines:
        room -= len(line) + 1
        if room < 0:
            break
        left -= len(line) + 1
        taken.append(line)
    return taken, left


def _rest(count: int, what: str) -> str:
    return (
        f"\n**{count} more {what} are not shown**: `mlmesh diff` without `--format markdown` has all.\n"
        if count
        else ""
    )


def _side(path: "Path", value: "Map | Leaf | None") -> str:
    return "" if value is None else f"{_code(value_text(path, value))} {_text(str(value.origin))}"


def _code(text: str) -> str:
    """Text in a code span, also in a table."""
    shown = printable(text).replace("|", "\\|")
    ticks = "`" * (1 + _run(shown))
    blank = " " if "`" in shown else ""
    return f"{ticks}{blank}{shown}{blank}{ticks}"


def _text(text: str) -> str:
    """Text in which nothing is Markdown's or HTML's."""
    return "".join(f"\\{sign}" if sign in "\\`*_{}[]<>|#!~@" else sign for sign in printable(text))


def _run(text: str) -> int:
    """The longest run of backticks."""
    return max(map(len, re.findall(r"`+", text)), default=0)
