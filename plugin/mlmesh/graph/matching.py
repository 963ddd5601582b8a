"""Which of a route's rules takes a path, and what path the server behind it then gets."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlmesh.graph.route import Match, Route, Rule


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


def _rewrite(rule: "Rule") -> tuple[str, str] | None:
    """How a rule writes the path anew: a form (prefix or full) and a text; None where it does not, or not by a text."""
    own = rule.data.get("rewrite")
    if isinstance(own, dict) and isinstance(own.get("uri"), str):
        return "prefix", own["uri"]
    filters = rule.data.get("filters")
    for each in filters if isinstance(filters, list) else ():
        path = each.get("urlRewrite", {}).get("path") if isinstance(each, dict) and "urlRewrite" in each else None
        if isinstance(path, dict):
            if isinstance(path.get("replacePrefixMatch"), str):
                return "prefix", path["replacePrefixMatch"]
            return "full", str(path.get("replaceFullPath"))
    return None
