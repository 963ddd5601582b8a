"""From a VirtualService's match to an endpoint type."""

from mlmesh.endpoints.catalogue import TYPES, EndpointType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def type_of_path(path: str) -> EndpointType | None:
    """The type of one literal path, by its longest known tail; a final ``/`` does not count."""
    path = path.removesuffix("/")
    best: tuple[int, EndpointType] | None = None
    for kind in TYPES.values():
        for tail in kind.tails:
            if path.endswith(tail) and (best is None or len(tail) > best[0]):
                best = (len(tail), kind)
    return best[1] if best else None


def type_of_match(match: "dict[str, Any]") -> tuple[EndpointType | None, str]:
    """The type that one HTTPMatchRequest lets through and its path as a person writes it; None where nothing tells.

    ``prefix`` is a raw string in Istio, so it is judged as the path that it is. A regular expression must match in
    full: one is read only if it is a literal path between an optional ``.*`` in front and the usual optional ends.
    """
    uri = match.get("uri")
    if not isinstance(uri, dict):
        return None, "no path"
    for form in ("exact", "prefix", "regex"):
        value = uri.get(form)
        if isinstance(value, str):
            path = _literal(value) if form == "regex" else value
            if match.get("ignoreUriCase") is True:
                path = path.lower()
            return type_of_path(path), f"{form} {value}"
    return None, "no path"


def _literal(regex: str) -> str:
    path = regex.removeprefix("^").removesuffix("$").removeprefix(".*")
    for end in ("(/.*)?", "/?", ".*", "/"):
        path = path.removesuffix(end)
    path = path.replace("\\.", ".").replace("\\/", "/")
    return "" if any(sign in path for sign in "()[]{}|*+?\\^$") else path
