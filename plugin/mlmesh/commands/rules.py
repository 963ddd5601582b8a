"""``mlmesh rules``: the invariants, and what each is about."""

import json

import click

from mlmesh.invariants.registry import rules
from mlmesh.model.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from mlmesh.invariants.rule import Rule

HELP = """\
List the invariants, or explain one: why it matters, what breaks it, what keeps it, and where that is known from.

\b
  mlmesh rules                    all, a line each
  mlmesh rules MLM101             what a finding of this code means
  mlmesh rules --format json      for programs; with a code its documentation, too
"""


def show(code: str | None, form: str) -> None:
    """The command's body. Raises InputError for a code that no rule has."""
    chosen = rules() if code is None else (_named(code),)
    if form == "json":
        entries = [_entry(rule) | ({"doc": rule.doc} if code is not None else {}) for rule in chosen]
        shape = {"version": 1, "rules": entries}
        click.echo(json.dumps(shape, indent=2, ensure_ascii=False))
    elif code is None:
        width = max(len(rule.name) for rule in chosen)
        for rule in chosen:
            click.echo(f"{rule.code}  {rule.severity:7}  {rule.name:{width}}  {rule.summary}")
    else:
        (rule,) = chosen
        click.echo(f"{rule.code} {rule.name}: {rule.severity}; evidence: {rule.confidence}; fix: {rule.fix}")
        click.echo(f"judged on {', '.join(rule.judges)}\n\n{rule.doc}")


def _named(code: str) -> "Rule":
    """The rule of a code or a name, in whatever case."""
    known = {word: rule for rule in rules() for word in (rule.code.lower(), rule.name)}
    word = code.strip().lower().replace("_", "-")
    if word in known:
        return known[word]
    from difflib import get_close_matches

    if word.isdecimal():
        word = f"mlm{word}"
    words = [each for each in known if each.startswith(word)] or get_close_matches(word, known, 3, 0.5)
    near = [known[each] for each in words[:3]]
    told = ", ".join(dict.fromkeys(f"{rule.code} {rule.name}" for rule in near))
    raise InputError(
        f"there is no rule {code}", remedy=f"near are {told}" if told else "`mlmesh rules` lists all of them"
    )


def _entry(rule: "Rule") -> "dict[str, Any]":
    return {
        "code": rule.code,
        "rule": rule.name,
        "severity": rule.severity,
        "confidence": rule.confidence,
        "scope": rule.scope,
        "kinds": list(rule.kinds),
        "fix": rule.fix,
        "summary": rule.summary,
    }


COMMAND = click.Command(
    "rules",
    callback=show,
    help=HELP,
    params=[
        click.Argument(["code"], required=False),
        click.Option(["--format", "form"], type=click.Choice(["text", "json"]), default="text", show_default=True),
    ],
)
