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
  mlmesh rules --format json      for programs
"""


def show(code: str | None, form: str) -> None:
    """The command's body. Raises InputError for a code that no rule has."""
    chosen = rules()
    if code is not None:
        chosen = tuple(rule for rule in chosen if code.upper() == rule.code or code == rule.name)
        if not chosen:
            from difflib import get_close_matches

            known = [word for rule in rules() for word in (rule.code, rule.name)]
            near = get_close_matches(code, known, 3, 0.5)
            raise InputError(f"there is no rule {code}", remedy=f"near: {', '.join(near)}" if near else "mlmesh rules")
    if form == "json":
        shape = {"version": 1, "rules": [_entry(rule) for rule in chosen]}
        click.echo(json.dumps(shape, indent=2, ensure_ascii=False))
    elif code is None:
        width = max(len(rule.name) for rule in chosen)
        for rule in chosen:
            click.echo(f"{rule.code}  {rule.severity:7}  {rule.name:{width}}  {rule.summary}")
    else:
        (rule,) = chosen
        click.echo(f"{rule.code} {rule.name}: {rule.severity}; evidence: {rule.confidence}; fix: {rule.fix}")
        click.echo(f"judged on {', '.join(rule.judges)}\n\n{rule.doc}")


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
