"""A model of how Envoy's router repeats a request under Istio, written from what Envoy 1.40 was seen to do.

It knows nothing of the program under test. Time is in whole milliseconds. `play` runs one request against an upstream
whose tries are told in order; `worst` looks at every order there is; `scenarios` gives some that a real Envoy can play.
"""

from collections.abc import Iterator, Sequence
from itertools import product
from random import Random
from typing import Any, NamedTuple

BASE, CAP = 25, 250  # ms: the first interval from which a wait is drawn, and the largest
FOREVER = 10**9  # ms: an upstream that never answers
CONNECT = 10_000  # ms: the connection is given up
CLOSING = 1000  # ms: from a cut until an HTTP/1.1 client's connection is closed (delayed_close_timeout)
ISTIO = "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes"
GRPC_STATUS = {"cancelled", "deadline-exceeded", "internal", "resource-exhausted", "unavailable"}

_UNITS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}


class Route(NamedTuple):
    """Envoy's route: no timeout is None; ``retry_on`` is empty where there is no retry policy."""

    timeout: int | None
    per_try: int | None
    retries: int
    retry_on: frozenset[str]

    @classmethod
    def of(cls, block: dict[str, Any], *, large_body: bool = False) -> "Route":
        """What istiod makes of a VirtualService's rule (pilot/pkg/networking/core/route/retry/retry.go)."""
        timeout = _ms(block.get("timeout"))
        retries = block.get("retries", {"attempts": 2})
        if retries.get("attempts", 0) == 0:
            return cls(timeout, None, 0, frozenset())
        per_try = _ms(retries.get("perTryTimeout"))
        if per_try is not None and timeout is not None and per_try >= timeout:
            per_try = None
        words = frozenset((retries.get("retryOn") or ISTIO).split(","))
        # The buffer overflows while the body comes in: the retry policy is dropped, the timer of the try is not.
        return cls(timeout, per_try, 0 if large_body else retries["attempts"], frozenset() if large_body else words)


class Try(NamedTuple):
    """What the upstream does with one try.

    ``kind``: `refused` (the connection fails), `closed` (it is closed as the request comes in), `refused-stream`,
    `reset` (after work), `status` (headers and body at once), `grpc` (a status in the headers), `silent` (never
    anything), or `stall` (headers, and then never the end). ``after``: ms since the connection stands. ``connect``: ms
    until then. ``worked``: the server began the work.
    """

    kind: str
    after: int = 0
    connect: int = 0
    code: str = ""
    worked: bool = False


class Seen(NamedTuple):
    """What the client sees, and after how many ms; requests that reached a server, and how many it worked on."""

    status: int
    ms: int
    requests: int
    runs: int


def _ms(text: str | None) -> int | None:
    if text is None:
        return None
    unit = text.lstrip("0123456789.")
    return round(float(text.removesuffix(unit)) * _UNITS[unit])


def _repeated(event: str, code: str, words: frozenset[str]) -> bool:
    """Envoy's conditions (source/common/router/retry_state_impl.cc)."""
    if event in ("timeout", "reset", "closed"):  # a closed connection counts as one that took the request
        return bool(words & {"5xx", "gateway-error", "reset"})
    if event == "refused":
        return bool(words & {"5xx", "gateway-error", "reset", "connect-failure", "reset-before-request"})
    if event == "refused-stream":
        return bool(words & {"5xx", "gateway-error", "reset", "refused-stream"})
    if event == "grpc":
        return code in words
    matched = code in words
    matched |= "5xx" in words and code.startswith("5")
    matched |= "gateway-error" in words and code in ("502", "503", "504")
    matched |= "retriable-4xx" in words and code == "409"
    return matched


def _one(route: Route, start: int, left: int, what: Try) -> tuple[str, int, int]:
    """One try that starts at ``start``: (`done` or `again`, the moment, the status that the client gets if done)."""
    deadline = FOREVER if route.timeout is None else route.timeout
    connected = start + what.connect
    if what.kind == "refused":
        events = [(connected, 2, "refused")]
    else:
        expires = FOREVER if route.per_try is None else connected + route.per_try
        happens = FOREVER if what.kind == "silent" else connected + what.after
        events = [(happens, 0, what.kind), (expires, 1, "timeout")]
    moment, _, event = min((deadline, -1, "deadline"), *events)
    if event == "deadline" or moment >= FOREVER:
        return "done", moment, 504
    if event == "stall":  # the headers are out: nothing is repeated, and only the deadline ends it
        return "done", deadline, 200
    if left and _repeated(event, what.code, route.retry_on):
        return "again", moment, 0
    if event in ("status", "grpc"):
        return "done", moment, int(what.code) if event == "status" else 200
    return "done", moment, 504 if event == "timeout" else 503


def play(route: Route, tries: Sequence[Try], waits: Sequence[int] = ()) -> Seen:
    """One request. The last of ``tries`` goes on; a wait that is not told is none."""
    moment = requests = runs = 0
    for number in range(route.retries + 1):
        what = tries[min(number, len(tries) - 1)]
        requests += what.kind != "refused"
        runs += what.worked
        outcome, moment, status = _one(route, moment, route.retries - number, what)
        if outcome == "done":
            return Seen(status, moment, requests, runs)
        moment += waits[number] if number < len(waits) else 0
        if route.timeout is not None and moment >= route.timeout:
            return Seen(504, route.timeout, requests, runs)
    raise AssertionError("the last try is never repeated")


def longest_waits(retries: int) -> list[int]:
    """The upper ends of the intervals from which Envoy draws its waits."""
    return [min(BASE * 2**number, CAP) for number in range(retries)]


def menu(route: Route, *, streaming: bool, grpc: bool, connect: int = CONNECT) -> list[Try]:
    """Everything that can happen to a try, as late as it can happen and at once."""
    latest = FOREVER if route.per_try is None else route.per_try
    found = [Try("refused"), Try("refused", connect=connect), Try("closed")]
    for slow in (0, connect):
        found.append(Try("silent", connect=slow, worked=True))
        for after in (0, latest):
            found += [
                Try("refused-stream", after, slow),
                Try("reset", after, slow, worked=True),
                *(Try("status", after, slow, code) for code in ("200", "409", "429")),
                # 503 is also what the server's own proxy says when the server drops the request.
                *(Try("status", after, slow, code, worked=True) for code in ("500", "502", "503", "504")),
            ]
            if grpc:
                found += [Try("grpc", after, slow, code, worked=code != "resource-exhausted") for code in GRPC_STATUS]
            if streaming:
                found.append(Try("stall", after, slow, worked=True))
    return list(dict.fromkeys(found))


class Worst(NamedTuple):
    """Over every order of tries: the latest end and the most runs."""

    ms: int
    runs: int


def worst(route: Route, *, streaming: bool = False, grpc: bool = False, connect: int = CONNECT) -> Worst:
    """The worst of one request; FOREVER where nothing ends it.

    What counts after a try that is repeated is only when the next begins and how many runs there were: following the
    set of these looks at all orders. Waits are all as short or all as long as they can be.
    """
    tries = menu(route, streaming=streaming, grpc=grpc, connect=connect)
    latest = most = 0
    for waits in ([0] * route.retries, longest_waits(route.retries)):
        states = {(0, 0)}
        for number in range(route.retries + 1):
            following = set()
            for (begun, runs), what in product(states, tries):
                outcome, moment, _ = _one(route, begun, route.retries - number, what)
                done = runs + what.worked
                most = max(most, done)
                if outcome == "done":
                    latest = max(latest, moment)
                elif route.timeout is not None and moment + waits[number] >= route.timeout:
                    latest = route.timeout
                else:
                    following.add((moment + waits[number], done))
            states = following
    return Worst(min(latest, FOREVER), most)


def with_client(one: Worst, tries: int, *, streaming: bool = False, patience: int = 600_000) -> Worst:
    """The same with a client that gives up after ``patience`` ms and tries again after 0.5 s, 1 s, 2 s ... at most.

    One that tries once is no SDK, and waits.
    """
    if tries == 1:
        return one
    total = 0
    for number in range(tries):
        last = number == tries - 1
        total += one.ms if last and streaming else min(one.ms, patience)
        total += 0 if last else min(500 * 2**number, 8000)
    return Worst(total, tries * one.runs)


class Scenario(NamedTuple):
    """A rule, what its upstream does, and what a client must see; times in ms, ``ms`` from and to."""

    name: str
    block: dict[str, Any]
    tries: list[Try]
    large_body: bool
    status: int
    ms: tuple[int, int]
    requests: int
    repeated: int


def scenarios(blocks: Sequence[dict[str, Any]], seed: int = 8, longest: int = 1500) -> Iterator[Scenario]:
    """One scenario for each block, with every time of it scaled so that ``timeout`` is at most ``longest`` ms.

    Each behaviour comes up in turn. Only such are given as are the same with the shortest and the longest waits. Waits
    and the closing of connections are not scaled.
    """
    random = Random(seed)  # noqa: S311 - tests that are the same every time
    for number, block in enumerate(blocks):
        scaled = _scaled(block, longest)
        large = number % 10 == 9
        route = Route.of(scaled, large_body=large)
        for offset in range(20):
            name, tries = _behaviour(route, number + offset, random)
            quick = play(route, tries)
            slow = play(route, tries, longest_waits(route.retries))
            if (quick.status, quick.requests) == (slow.status, slow.requests) and slow.ms <= 2500:
                repeated = _retries_of(route, tries)
                name = f"{number:02} {name}{', a body over 1 MiB' if large else ''}"
                ms = (quick.ms, slow.ms + (CLOSING if tries[0].kind == "stall" else 0))
                yield Scenario(name, scaled, tries, large, quick.status, ms, quick.requests, repeated)
                break


def _retries_of(route: Route, tries: list[Try]) -> int:
    """How many tries are repeated: what Envoy counts as upstream_rq_retry."""
    seen = play(route, tries)
    if tries[0].kind != "refused":
        return seen.requests - 1
    return route.retries if _repeated("refused", "", route.retry_on) else 0


def _scaled(block: dict[str, Any], longest: int) -> dict[str, Any]:
    times = [_ms(block.get("timeout")), _ms(block.get("retries", {}).get("perTryTimeout"))]
    factor = min(1, longest / max(time or 1 for time in times))
    scaled = {**block}
    if times[0] is not None:
        scaled["timeout"] = f"{round(times[0] * factor)}ms"
    if times[1] is not None:
        scaled["retries"] = {**block["retries"], "perTryTimeout": f"{round(times[1] * factor)}ms"}
    return scaled


def _behaviour(route: Route, number: int, random: Random) -> tuple[str, list[Try]]:
    """A behaviour that leaves 150 ms to every timer."""
    bound = min(time for time in (route.per_try, route.timeout, 2000) if time is not None)
    after = random.randrange(20, max(30, min(bound - 150, 200)))
    kinds: list[tuple[str, list[Try]]] = [
        ("never answers", [Try("silent")]),
        ("answers 503", [Try("status", after, code="503")]),
        ("drops the request after it began", [Try("reset", after, worked=True)]),
        ("refuses connections", [Try("refused")]),
        ("stalls after the headers", [Try("stall", after)]),
        ("answers 503, then well", [Try("status", after, code="503"), Try("status", after, code="200")]),
        ("closes the connection", [Try("closed")]),
        ("drops the request, then never answers", [Try("reset", after), Try("silent")]),
        ("answers 429", [Try("status", after, code="429")]),
        ("answers well", [Try("status", after, code="200")]),
        ("never answers, then well", [Try("silent"), Try("status", after, code="200")]),
        ("answers 500", [Try("status", after, code="500")]),
    ]
    return kinds[number % len(kinds)]
