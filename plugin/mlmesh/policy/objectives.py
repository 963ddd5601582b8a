"""The objectives of a policy: which hold for an endpoint type behind a host, and what in them contradicts itself.

``endpoints.objectives`` has four levels, each over the one before: ``default``, ``types.<type>``, ``hosts.<host>``,
``routes.<route>`` (of which one with a rule, ``<route>#<rule>``, stands over one without). A null of a level takes the
setting of a lower one away.
"""

from mlmesh.model.units import duration_ms
from mlmesh.policy.defaults import GENERATING, READING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    Found = dict[str, tuple[Any, str]]  # a setting's value and the level that it is from
    Problem = tuple[str, str, str]  # path in dots, what is wrong, what to do

PATH = "spec.endpoints.objectives"
LENGTH = ("outputTokens", "maxOutputTokens")
ALWAYS = ("attempts", "rule", "duplicates", "coldStart")  # these change a type's default block, too
USED = {
    **dict.fromkeys(
        GENERATING,
        ("timeToFirstToken", "timePerOutputToken", "inputTokens", "prefillTokensPerSecond", *LENGTH, "streaming"),
    ),
    **dict.fromkeys(READING, ("inputTokens", "prefillTokensPerSecond")),
}
COMMON = ("queue", "headroom", *ALWAYS)


def gather(objectives: "dict[str, Any]", kind: str, host: str = "", routes: "Sequence[str]" = ()) -> "Found":
    """The settings for a type behind a host of ``hosts`` (none: the empty string), as (value, level) by name.

    ``routes`` are the keys of ``routes`` that mean the rule, the later over the earlier.
    """
    if kind not in USED:
        return {}
    found: Found = {}
    for level, settings in _levels(objectives, kind, host, routes):
        for key, value in settings.items():
            if key in USED[kind] or key in COMMON:
                found[key] = (value, level)
    return {key: pair for key, pair in found.items() if pair[0] is not None}


def missing(kind: str, found: "Found") -> list[str]:
    """What the settings lack to tell how long a request of this type takes."""
    lacks = []
    reading = [key for key in ("inputTokens", "prefillTokensPerSecond") if key not in found]
    if kind in READING:
        return reading
    if "timeToFirstToken" not in found and reading:
        lacks.append("timeToFirstToken" if len(reading) == 2 else reading[0])
    if "timePerOutputToken" not in found:
        lacks.append("timePerOutputToken")
    if kind == "stream":  # streamed whatever the client asks for
        lacks += [] if "maxOutputTokens" in found else ["maxOutputTokens"]
    elif not any(key in found for key in LENGTH):
        lacks.append("outputTokens")
    return lacks


def problems(objectives: "dict[str, Any]") -> "Iterator[Problem]":
    """What contradicts itself in objectives whose every field is right by itself; each contradiction once."""
    told = set()
    for problem in (*_unused(objectives), *_contradictions(objectives)):
        if problem[:2] not in told:
            told.add(problem[:2])
            yield problem


def _levels(
    objectives: "dict[str, Any]", kind: str, host: str, routes: "Sequence[str]"
) -> "Iterator[tuple[str, dict[str, Any]]]":
    yield f"{PATH}.default", objectives.get("default") or {}
    yield f"{PATH}.types.{kind}", objectives.get("types", {}).get(kind) or {}
    if host:
        yield f"{PATH}.hosts.{host}", objectives["hosts"][host] or {}
    for route in routes:
        yield f"{PATH}.routes.{route}", objectives["routes"][route] or {}


def _routes(objectives: "dict[str, Any]") -> "Iterator[tuple[str, ...]]":
    """What can hold for one rule together: nothing, a route's settings, and these with a rule's own."""
    known = objectives.get("routes", {})
    yield ()
    for route in known:
        above = route.partition("#")[0]
        yield (above, route) if above in known and above != route else (route,)


def _cases(objectives: "dict[str, Any]") -> "Iterator[tuple[str, str, tuple[str, ...], Found]]":
    """Every case that may be: any route may lead to any host."""
    for host in ("", *objectives.get("hosts", ())):
        for routes in _routes(objectives):
            for kind in USED:
                yield kind, host, routes, gather(objectives, kind, host, routes)


def _unused(objectives: "dict[str, Any]") -> "Iterator[Problem]":
    """Settings from which nothing can be computed, since each type that they could serve lacks another."""
    used = set()
    lacking: dict[tuple[str, str], list[str]] = {}
    for kind, _, _, found in _cases(objectives):
        lacks = missing(kind, found)
        for key, (_, level) in found.items():
            if lacks and key not in ALWAYS:
                lacking.setdefault((level, key), lacks)
            else:
                used.add((level, key))
    for (level, key), lacks in lacking.items():
        if (level, key) not in used:
            yield f"{level}.{key}", f"tells nothing without {' and '.join(lacks)}", "set them, or leave both out"
    for kind, settings in objectives.get("types", {}).items():
        for key in settings:
            if key not in USED[kind] and key not in COMMON:
                what = f"says nothing of {kind}, whose time is inputTokens / prefillTokensPerSecond"
                yield f"{PATH}.types.{kind}.{key}", what, "leave it out"


def _contradictions(objectives: "dict[str, Any]") -> "Iterator[Problem]":
    for kind, host, routes, found in _cases(objectives):
        if host and routes:
            continue  # nobody knows whether they meet
        yield from _of_tokens(found)
        yield from _of_retries(found)
        if kind == "stream" and "streaming" in objectives.get("types", {}).get("stream", {}):
            path = f"{PATH}.types.stream.streaming"
            if objectives["types"]["stream"]["streaming"] is False:
                yield path, "is false, and the type stream is always streamed", "leave it out"
        for level, settings in _levels(objectives, kind, host, routes):
            yield from _of_prefill(level, settings)


def _of_tokens(found: "Found") -> "Iterator[Problem]":
    if all(key in found for key in LENGTH):
        (usual, at), (most, where) = found["outputTokens"], found["maxOutputTokens"]
        if usual > most:
            yield (
                f"{at}.outputTokens",
                f"{usual} is above maxOutputTokens {most} of {where}",
                "an answer cannot be longer than the longest",
            )
    if found.get("streaming", (None,))[0] is True and "maxOutputTokens" not in found:
        yield (
            f"{found['streaming'][1]}.streaming",
            "is true without maxOutputTokens",
            "a stream is cut at its timeout: name the longest that a client may ask for",
        )


def _of_retries(found: "Found") -> "Iterator[Problem]":
    if found.get("duplicates", (None,))[0] == "none" and found.get("attempts", (0,))[0]:
        attempts, where = found["attempts"]
        yield (
            f"{found['duplicates'][1]}.duplicates",
            f"is none, and {where}.attempts asks for {attempts}",
            "leave one of them out: none means no retry at all",
        )


def _of_prefill(level: str, settings: "dict[str, Any]") -> "Iterator[Problem]":
    """A first token before the input is read; judged on one level, where all three are of one measurement."""
    first, tokens, rate = (settings.get(key) for key in ("timeToFirstToken", "inputTokens", "prefillTokensPerSecond"))
    if first and tokens and rate and duration_ms(first) < 1000 * tokens / rate:
        yield (
            f"{level}.timeToFirstToken",
            f"{first} is below inputTokens / prefillTokensPerSecond, {tokens / rate:g}s",
            "no token comes before the input is read: correct one of the three",
        )
