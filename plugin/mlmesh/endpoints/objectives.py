"""From objectives to numbers: how long a try and a whole request may take.

::

    try     = (queue + service) x headroom
    service = timeToFirstToken + outputTokens x timePerOutputToken      generation that arrives whole
            | inputTokens / prefillTokensPerSecond                      embeddings, rerank, classify
    timeout = attempts x try                                            rule attempts
            | (attempts + 1) x try + attempts x 10 x 25 ms              rule all-tries: Envoy's longest waits between
    stream  = (queue + timeToFirstToken + maxOutputTokens x timePerOutputToken) x headroom
    idle    = 10 x timePerOutputToken, at least 30 s

``inputTokens / prefillTokensPerSecond`` stands in for a timeToFirstToken that is left out, a type's own perTryTimeout
for a try of which nothing is known. A coldStart comes on top, once: while it lasts, further tries join the same queue.
Everything goes up to steps of 5 s.
"""

from mlmesh.endpoints.derive import Number
from mlmesh.model.errors import InputError
from mlmesh.model.units import duration_ms
from mlmesh.policy.blocks import SAFE
from mlmesh.policy.defaults import READING
from mlmesh.policy.objectives import missing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from mlmesh.policy.objectives import Found

DEFAULT_ATTEMPTS = 2  # Istio's, where a rule says nothing
LONGEST_WAIT = 0.25  # seconds between two tries: ten times Envoy's base interval
LEAST_IDLE = 30
STEP = 5
LONGEST = 24 * 3600


def computed(
    kind: str,
    found: "Found",
    own: "dict[str, Number]",
    outright: "Collection[str]" = (),
    *,
    place: "Callable[[str], str]" = str,
) -> "dict[str, Number]":
    """The fields of a type's block under objectives, as ``gather`` found them, over the block that it has without.

    ``outright``: the fields of ``own``, unset ones too, that objectives do not change. The result has ``timeout``,
    ``attempts``, ``perTryTimeout``, ``retryOn``, and ``idle`` for a stream's guard; one left out is unset. Raises
    InputError where they ask for more than a day, at the ``place`` of the level that they are from.
    """
    block = {**own, **{key: number for key, number in _retries(found, own).items() if key not in outright}}
    attempts = int(block["attempts"].value) if "attempts" in block else DEFAULT_ATTEMPTS
    known = not missing(kind, found)
    streaming = True if kind == "stream" else found.get("streaming", (None,))[0]
    one = None
    if known and streaming is not True:
        one = _try(kind, found)
    elif not known and "perTryTimeout" in own and any(key in found for key in ("attempts", "rule", "coldStart")):
        one = _Time(duration_ms(str(own["perTryTimeout"].value)) / 1000, own["perTryTimeout"].source)
    timeouts = []
    if one is not None:
        timeouts.append(_later(_tries(found, one, attempts), found))
    if known and kind not in READING and streaming is not False:
        timeouts.append(_later(_stream(found), found))
        block["idle"] = _number(_idle(found), found, place)
    if timeouts and "timeout" not in outright:
        block["timeout"] = _number(max(timeouts, key=lambda time: time.seconds), found, place)
    if "perTryTimeout" not in outright:
        if one is not None:
            block["perTryTimeout"] = _number(_later(one, found), found, place)
        elif known:  # all is streamed
            block.pop("perTryTimeout", None)
    return block


class _Time:
    """Seconds, in steps, and how they came about."""

    __slots__ = ("seconds", "source")

    def __init__(self, seconds: float, source: str) -> None:
        self.seconds = -(-round(seconds, 6) // STEP) * STEP
        self.source = source


def _span(found: "Found", key: str) -> float:
    return duration_ms(found[key][0]) / 1000 if key in found else 0.0


def _later(time: _Time, found: "Found") -> _Time:
    """A time with the start of a cold server before it."""
    cold = _span(found, "coldStart")
    return _Time(time.seconds + cold, f"{time.source} + coldStart {found['coldStart'][0]}") if cold else time


def _number(time: _Time, found: "Found", place: "Callable[[str], str]") -> Number:
    levels = " and ".join(dict.fromkeys(level for _, level in found.values()))
    if time.seconds > LONGEST:
        raise InputError(
            f"these objectives ask for {time.seconds / 3600:.0f} hours: {time.source}",
            place=f"{place(levels.partition(' and ')[0])}, {levels}",
            remedy="correct the units (timePerOutputToken is the time of one token), or set the timeout itself",
        )
    return Number(f"{time.seconds:.0f}s", f"{time.source}; {levels}")


def _retries(found: "Found", own: "dict[str, Number]") -> "dict[str, Number]":
    block = {}
    duplicates = found.get("duplicates", (None,))[0]
    if "attempts" in found:
        block["attempts"] = Number(found["attempts"][0], f"{found['attempts'][1]}.attempts")
    elif duplicates == "none":
        block["attempts"] = Number(0, f"{found['duplicates'][1]}.duplicates is none")
    cold = duplicates is None and _span(found, "coldStart") > 0
    if duplicates == "safe" or cold:
        key = "coldStart" if cold else "duplicates"
        why = f"{found[key][1]}.{key}: " + ("a second try joins the same queue" if cold else "safe")
        block["retryOn"] = Number(SAFE, why)
        block.setdefault("attempts", own.get("attempts", Number(DEFAULT_ATTEMPTS, "Istio's default")))
    return block


def _first(found: "Found") -> tuple[float, str]:
    """Seconds from the start of the work to the first token."""
    if "timeToFirstToken" in found:
        return _span(found, "timeToFirstToken"), f"timeToFirstToken {found['timeToFirstToken'][0]}"
    tokens, rate = found["inputTokens"][0], found["prefillTokensPerSecond"][0]
    return tokens / rate, f"{tokens} input tokens / {rate} a second"


def _try(kind: str, found: "Found") -> _Time:
    seconds, source = _first(found)
    if kind not in READING:
        tokens, each = _tokens(found, "outputTokens", "maxOutputTokens"), found["timePerOutputToken"][0]
        seconds += tokens * _span(found, "timePerOutputToken")
        source += f" + {tokens} tokens x {each}"
    return _queued(found, seconds, source)


def _tokens(found: "Found", wanted: str, instead: str) -> int:
    return int(found[wanted if wanted in found else instead][0])


def _queued(found: "Found", seconds: float, source: str) -> _Time:
    factor = found["headroom"][0] if "headroom" in found else 1
    terms = f"queue {found['queue'][0]} + {source}" if _span(found, "queue") else source
    total = (_span(found, "queue") + seconds) * factor
    return _Time(total, f"({terms}) x headroom {factor:g}" if factor != 1 else terms)


def _tries(found: "Found", one: _Time, attempts: int) -> _Time:
    if attempts and found.get("rule", (None,))[0] == "all-tries":
        seconds = (attempts + 1) * one.seconds + attempts * LONGEST_WAIT
        return _Time(seconds, f"{attempts + 1} tries x {one.seconds:.0f}s + {attempts} waits of {LONGEST_WAIT}s")
    return _Time(max(attempts, 1) * one.seconds, f"{max(attempts, 1)} x {one.seconds:.0f}s")


def _stream(found: "Found") -> _Time:
    first, source = _first(found)
    tokens, each = _tokens(found, "maxOutputTokens", "outputTokens"), found["timePerOutputToken"][0]
    seconds = first + tokens * _span(found, "timePerOutputToken")
    return _queued(found, seconds, f"a stream's {source} + {tokens} tokens x {each}")


def _idle(found: "Found") -> _Time:
    each = found["timePerOutputToken"][0]
    seconds = max(10 * _span(found, "timePerOutputToken"), LEAST_IDLE)
    return _Time(seconds, f"10 x timePerOutputToken {each}, at least {LEAST_IDLE}s")
