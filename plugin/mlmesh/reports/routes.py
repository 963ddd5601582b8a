"""Routes as a person and a program read them: what each rule serves, its numbers, and the worst that can happen."""

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

VERSION = 1
_ON_THE_WAY = {
    ("gateway",): "through its gateway",
    ("sidecar",): "from a pod with a sidecar",
    ("sidecar", "gateway"): "from a pod with a sidecar, through its gateway",
}


def routes_json(accounts: "Iterable[Any]") -> str:
    """``{"version", "routes": [...]}``, one entry for each rule.

    ``document``, ``apiVersion``, ``kind``, ``namespace``, ``name``; ``pointer`` and ``rule`` (its name); ``hosts``,
    ``parents``, ``matches``, ``backends`` in words; ``types``, ``reason``, ``sure``; ``fields``: ``{NAME: {"value",
    "source"}}`` as the route has them; ``block``: the same as its types ask for; ``unsaid``; ``worstCases``: each with
    ``through``, ``seconds`` and numbers (null: nothing bounds it), ``sentence``.
    """
    shape = {"version": VERSION, "routes": [_entry(account) for account in accounts]}
    return json.dumps(shape, indent=2, ensure_ascii=False) + "\n"


def routes_text(accounts: "Iterable[Any]") -> str:
    """A paragraph for each rule."""
    return "\n\n".join(map(_paragraph, accounts)) + "\n"


def _entry(account: "Any") -> "dict[str, Any]":
    rule, item = account.rule, account.rule.owner
    return {
        "document": item.document.index,
        "apiVersion": item.api_version,
        "kind": item.kind,
        "namespace": item.namespace,
        "name": item.name,
        "pointer": item.pointer + rule.path,
        "rule": rule.matched.name,
        "hosts": rule.route.hosts,
        "parents": [_parent(parent) for parent in rule.route.parents],
        "matches": account.matches,
        "backends": [_backend(backend) for backend in rule.backends],
        "types": [kind.name for kind in rule.types],
        "reason": rule.reason,
        "sure": rule.sure,
        "fields": {name: {"value": value, "source": source} for name, value, source in account.fields},
        "block": {name: {"value": number.value, "source": number.source} for name, number in account.block.items()},
        "unsaid": account.unsaid,
        "worstCases": [
            {"through": proxies, **_camel(worst.plain()), "sentence": words} for proxies, worst, words in account.cases
        ],
    }


def _paragraph(account: "Any") -> str:
    rule = account.rule
    name = f" {rule.matched.name}" if rule.matched.name else ""
    hosts = ", ".join(rule.route.hosts) or "every host of its parents"
    lines = [
        f"{rule.owner.title}, rule{name} {rule.path}",
        f"  {' or '.join(account.matches)} of {hosts}",
    ]
    if not rule.sends:
        return "\n".join([*lines, "  sends nothing on"])
    if rule.backends:
        lines.append(f"  to {', '.join(map(_backend, rule.backends))}")
    else:
        lines.append(f"  by the rules of VirtualService {rule.data['delegate'].get('name')}, to which it delegates")
    served = " and ".join(kind.name for kind in rule.types)
    lines.append(f"  {f'serves {served}' if served else 'serves nothing that is known'}: {rule.reason}")
    if served and not rule.sure:
        lines.append("  nothing is derived: another server may have this path, and nothing says which it is")
    lines += [f"  {field} {_value(value)}: {source}" for field, value, source in account.fields]
    if account.unsaid:
        lines.append(f"  cannot be said here: {', '.join(account.unsaid)}")
    if not account.fields:
        lines.append("  no timeout, and Istio's own 2 retries")
    if "idle" in account.block:
        lines.append(f"  a stream may be silent for {account.block['idle'].value}: {account.block['idle'].source}")
    told = ""
    for proxies, _, words in account.cases:
        if words != told:
            lines.append(f"  {_ON_THE_WAY[tuple(proxies)]}: {words}")
        told = words
    return "\n".join(lines)


def _camel(values: "dict[str, Any]") -> "dict[str, Any]":
    """Names as JSON has them."""
    return {
        "".join(word.title() if at else word for at, word in enumerate(key.split("_"))): value
        for key, value in values.items()
    }


def _value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _parent(parent: "Any") -> str:
    return "mesh" if parent.kind == "mesh" else f"{parent.kind} {parent.namespace}/{parent.name}"


def _backend(backend: "Any") -> str:
    port = f":{backend.port}" if backend.port else ""
    if backend.host:
        return f"{backend.host}{port}" + (f" subset {backend.subset}" if backend.subset else "")
    return f"{backend.kind} {backend.namespace}/{backend.name}"
