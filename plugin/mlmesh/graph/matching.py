"""Which of a route's rules takes a path, and what path the server behind it then gets."""

from mlmesh.graph.fields import at, maps
from mlmesh.graph.route import Match

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlmesh.graph.route import Route, Rule


def takes(match: "Match", path: str) -> int:
    """How well a match fits a path: 0 not at all, else more for the longer; an exact one is above all prefixes."""
    wanted = match.path
    if match.form == "exact":
        return 1 << 20 if path == wanted else 0
    if match.form == "prefix":
        return len(wanted) + 1 if path.startswith(wanted) else 0
    if match.form == "path-prefix":
        base = wanted.rstrip("/")
        return len(base) + 1 if path == base or path.startswith(base + "/") else 0
    if match.form == "regex":
        import re

        try:
            return len(wanted) + 1 if re.fullmatch(wanted, path) else 0
        except re.error:
            return 0  # RE2's syntax, which Python does not have
    return 1


def rule_for(route: "Route", path: str, method: str) -> "Rule | None":
    """The rule that a request without further conditions follows.

    Of a VirtualService the first that matches, of Gateway API's routes the one that fits best. A rule whose match asks
    for headers or a query is passed by: who calls can send them, and who does not is led elsewhere.
    """
    best, found = 0, None
    for rule in route.rules:
        if rule.protocol != "http":
            continue
        fit = max((takes(match, path) for match in rule.matches if _plain(match, method)), default=0)
        fit = fit if rule.matches else 1
        if fit > best:
            if route.owner.kind == "VirtualService":
                return rule
            best, found = fit, rule
    return found


def _plain(match: "Match", method: str) -> bool:
    keys = ("headers", "queryParams", "withoutHeaders", "sourceLabels", "port", "authority", "scheme")
    return match.method in ("", method) and not any(match.data.get(key) for key in keys)


def asked(rule: "Rule", path: str) -> "Iterator[str]":
    """The paths that a client asks for so that a rule hands ``path`` to its server: the same, or what is rewritten."""
    rewrite = _rewrite(rule)
    if rewrite is None:
        yield path
        return
    form, text = rewrite
    if form == "full":
        if text == path:
            yield from (match.path for match in rule.matches)
        return
    for match in rule.matches:
        if match.form in ("prefix", "path-prefix"):
            base = text.rstrip("/") if match.form == "path-prefix" else text
            if path.startswith(base):
                start = match.path.rstrip("/") if match.form == "path-prefix" else match.path
                yield start + path[len(base) :]
        elif match.form == "exact" and path == text:
            yield match.path


def handed(rule: "Rule") -> list[Match]:
    """What a rule's matches are when its server gets them, where it writes their paths anew; none where it does not.

    A prefix takes the place of what a prefix matched, and of the whole path that was matched otherwise.
    """
    rewrite = _rewrite(rule)
    if rewrite is None:
        return []
    form, text = rewrite
    found = []
    for match in rule.matches or [Match({}, "", "", "", [])]:
        prefix = form == "prefix" and match.form in ("", "prefix", "path-prefix")
        after = (match.form or "prefix") if prefix else "exact"
        found.append(Match({"method": match.data.get("method")}, after, text, match.method, match.headers))
    return found


def _rewrite(rule: "Rule") -> tuple[str, str] | None:
    """How a rule writes the path anew: a form (prefix or full) and a text; None where it does not, or not by a text."""
    own = at(rule.data, "rewrite.uri")
    if isinstance(own, str):
        return "prefix", own
    for _, each in maps(rule.data.get("filters")):
        path = at(each, "urlRewrite.path")
        if isinstance(path, dict):
            if isinstance(path.get("replacePrefixMatch"), str):
                return "prefix", path["replacePrefixMatch"]
            return "full", str(path.get("replaceFullPath"))
    return None
