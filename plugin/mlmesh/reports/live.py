"""What was read from a cluster, for people and programs."""

from mlmesh.reports.words import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from mlmesh.model.cluster import Live, Reading

_OPERATORS = {"In": "in", "NotIn": "notin"}


def live_json(live: "Live") -> "dict[str, Any]":
    """The shape is ``live`` in docs/schemas/findings.schema.json."""
    return {
        "context": live.context,
        "server": live.server,
        "namespace": live.namespace,
        "read": [
            {
                "resource": each.resource,
                "kind": each.kind,
                "count": each.count,
                "namespaces": each.namespaces,
                "problem": each.problem,
            }
            for each in live.readings
        ],
        "unknown": live.unknown,
        "istiod": None
        if live.istiod is None
        else [
            {
                "namespace": each.namespace,
                "name": each.name,
                "revision": each.revision,
                "image": each.image,
                "version": each.version,
                "ready": each.ready,
            }
            for each in live.istiod
        ],
        "webhooks": None
        if live.webhooks is None
        else [
            {
                "configuration": each.configuration,
                "name": each.name,
                "revision": each.revision,
                "tag": each.tag,
                "namespaceSelector": each.namespaces,
                "objectSelector": each.objects,
            }
            for each in live.webhooks
        ],
        "revisions": live.revisions,
        "tags": live.tags,
        "unserved": [{"namespace": namespace, "label": label} for namespace, label in live.unserved],
    }


def live_text(live: "Live") -> str:
    """The same in lines: what was read, what could not be, and what injects sidecars."""
    return "".join(printable(line) + "\n" for line in _lines(live))


def _lines(live: "Live") -> "Iterator[str]":
    yield f"mlmesh: read the cluster ({live.title}); nothing was written there"
    held = [each for each in live.readings if each.count]
    shown = ", ".join(f"{each.resource} {each.count}{_part(each)}" for each in held) or "no objects"
    empty = sum(not each.count and not each.problem for each in live.readings)
    yield f"  read:      {shown}" + (f"; none of {empty} other kinds" if empty else "")
    for problem in dict.fromkeys(each.problem for each in live.readings if each.problem):
        names = ", ".join(each.resource for each in live.readings if each.problem == problem)
        yield f"  unread:    {names}: {problem}. That something of these kinds is absent is a warning at most"
    if live.unknown:
        yield f"  unknown:   {', '.join(live.unknown)}: the cluster has no such kinds"
    yield f"  namespace: {live.namespace}, of objects that name none"
    if live.istiod is None:
        yield "  istiod:    its pods could not be read"
    for pod in live.istiod or ():
        ready = "ready" if pod.ready else "NOT READY"
        yield f"  istiod:    {pod.namespace}/{pod.name}: revision {pod.revision}, {pod.image}, {ready}"
    if live.istiod == []:
        yield "  istiod:    the cluster has no pod of it (label app: istiod)"
    yield from _injectors(live)
    for namespace, label in live.unserved:
        yield (
            f"WARNING namespace {namespace} is labelled {label}, and no injector's webhook is asked about its pods"
            f"{_served(live)}: they start without a sidecar"
        )


def _part(reading: "Reading") -> str:
    return "" if reading.namespaces is None else f" in {', '.join(reading.namespaces)}"


def _injectors(live: "Live") -> "Iterator[str]":
    if live.webhooks is None:
        yield "  injector:  its webhooks could not be read"
        return
    if not live.webhooks:
        yield "  injector:  the cluster has no webhook of it (label app: sidecar-injector)"
    for name in dict.fromkeys(each.configuration for each in live.webhooks):
        own = [each for each in live.webhooks if each.configuration == name]
        tag = f", tag {own[0].tag}" if own[0].tag else ""
        yield f"  injector:  {name}: revision {own[0].revision}{tag}"
        for each in own:
            yield f"             namespaces {selector(each.namespaces)}; pods {selector(each.objects)}"


def _served(live: "Live") -> str:
    names = [*live.revisions, *(f"{tag} (a tag)" for tag in live.tags)]
    return f" (the cluster has {', '.join(names)})" if names else ""


def selector(selector: "dict[str, Any]") -> str:
    """A label selector as kubectl writes one: ``istio.io/rev in (default),!istio-injection``; ``all`` for an empty."""
    words = [f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()]
    for each in selector.get("matchExpressions") or ():
        key, operator = each.get("key"), each.get("operator")
        if operator in _OPERATORS:
            words.append(f"{key} {_OPERATORS[operator]} ({','.join(map(str, each.get('values') or ()))})")
        else:
            words.append(f"!{key}" if operator == "DoesNotExist" else str(key))
    return ",".join(words) or "all"
