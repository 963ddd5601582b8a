"""What a block does at its worst: when the client has an answer, and how often the work for it runs.

The rules are Envoy's as Istio sets it up, seen on Envoy 1.40:

- ``timeout`` counts from the end of the request to the last byte of the answer, over all tries; a stream is cut by it.
- ``perTryTimeout`` counts from the connection to the response's headers. What connecting takes comes on top; one that
  is not below ``timeout`` is ignored.
- There are ``attempts`` + 1 tries. Without ``retries`` there are two more on Istio's own conditions; a block without
  retryOn has these, too. A body over 1 MiB is not kept, so its request is not repeated.
- A try that ran out or was reset after it went out is repeated only for 5xx, gateway-error and reset. A status code is
  what was answered; where the server has a sidecar, that answers 503 for a server that dropped the request.
- gRPC conditions concern nothing else.
- The waits between tries are random, below 25 ms or the block's ``backoff``, doubled each time, up to ten times that.
- Each proxy on the way repeats by itself, and the client, too: OpenAI's and Anthropic's SDKs try three times, wait up
  to 0.5 s and 1 s between, and give one up after 600 s.
"""

from math import ceil, inf

from mlmesh.model.retry_on import GRPC_WORDS, is_code
from mlmesh.model.units import duration_ms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

CONNECT_TIMEOUT = 10.0  # seconds; Istio's default (meshConfig.connectTimeout)
SDK_TRIES = 3
SDK_TIMEOUT = 600.0
BACKOFF = 0.025  # seconds; Envoy's
ISTIO_ATTEMPTS = 2
ISTIO_RETRY_ON = "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes"

_REPEATING = {"5xx", "gateway-error", "reset"}  # for a try that ran out, or was reset after it went out
_CONNECTING = {*_REPEATING, "connect-failure", "reset-before-request"}
_ANSWERED = {*_REPEATING, "refused-stream", "retriable-4xx", "envoy-ratelimited"}  # what takes as long as a try may


class WorstCase:
    """The worst of one request through one or more proxies. All times in seconds, ``inf`` where nothing bounds them.

    ``answer``: until the client has the whole answer or an error; ``client_answer``: the same with the client's own
    tries, ``client_tries`` of them. ``runs`` and ``client_runs``: how many times a server may work on the request.
    ``patience``: how long a server has for the headers of an answer; ``unanswered`` and ``tries``: when a client has
    its error, and how many requests were sent, where the server takes them and answers none. ``cut``: when a stream is
    cut, None where nothing is streamed.
    """

    __slots__ = (
        "answer", "client_answer", "client_runs", "client_tries", "cut", "patience", "runs", "tries", "unanswered",
    )  # fmt: skip

    def __init__(self) -> None:
        self.answer = self.unanswered = self.patience = inf
        self.runs = self.tries = 1
        self.cut: float | None = None
        self.client_tries = self.client_runs = 1
        self.client_answer = inf

    def plain(self) -> "dict[str, float | int | None]":
        """The same as data for JSON: seconds to the millisecond, null for what nothing bounds."""
        values = {name: getattr(self, name) for name in self.__slots__}
        return {name: None if value in (None, inf) else round(value, 3) for name, value in values.items()}


class _Proxy:
    """One Envoy's settings of a route: seconds, tries, and conditions."""

    __slots__ = ("backoff", "each", "timeout", "tries", "words")

    def __init__(self, block: "Mapping[str, Any]", *, large_body: bool) -> None:
        retries = block.get("retries")
        if retries is None:
            retries = {"attempts": ISTIO_ATTEMPTS}
        self.tries = 1 + (retries.get("attempts") or 0)
        self.timeout = _seconds(block.get("timeout"))
        base = _seconds(retries.get("backoff"))
        self.backoff = base if base < inf else BACKOFF
        each = _seconds(retries.get("perTryTimeout")) if self.tries > 1 else inf
        self.each = each if each < self.timeout else inf
        self.tries = 1 if large_body else self.tries
        self.words = set((retries.get("retryOn") or ISTIO_RETRY_ON).split(","))

    def waits(self, number: int) -> float:
        """The longest that the waits before so many retries take together."""
        growing = min(number, 4)
        return self.backoff * (sum(2.0**index for index in range(growing)) + 10 * (number - growing))

    def repeats(self, *, grpc: bool) -> bool:
        """Whether a request is repeated that a server may have worked on."""
        codes = any(is_code(word) and int(word) >= 500 for word in self.words)
        return bool(codes or self.words & _REPEATING or (grpc and self.words & {*GRPC_WORDS} - {"resource-exhausted"}))

    def repeated(self, connect: float, one: float, *, grpc: bool) -> float:
        """The longest that a try takes after which there is another; -1 where there is none."""
        if self.words & _ANSWERED or any(map(is_code, self.words)) or (grpc and self.words & {*GRPC_WORDS}):
            return one
        return connect if self.words & _CONNECTING else -1


def worst_case(
    *blocks: "Mapping[str, Any]",
    streaming: bool = False,
    websocket: bool = False,
    grpc: bool = False,
    large_body: bool = False,
    client_tries: int = SDK_TRIES,
    connect: float = CONNECT_TIMEOUT,
) -> WorstCase:
    """The worst case of ``timeout`` and ``retries`` as a VirtualService has them, of each proxy from the client on.

    ``streaming``: the headers of an answer come before its end. ``websocket``: the times bound the handshake only, and
    clients do not repeat it. ``connect``: seconds that a connection may take; inf where a connectionPool limits them,
    since a request then waits for a free one. Blocks must be such as Istio takes.
    """
    worst = WorstCase()
    proxies = [_Proxy(block, large_body=large_body) for block in blocks]
    for proxy in reversed(proxies):
        one = connect + min(proxy.each, worst.answer)
        last = connect + worst.answer if streaming and not websocket else one
        repeated = proxy.repeated(connect, one, grpc=grpc)
        further = proxy.tries - 1 if repeated >= 0 else 0
        worst.answer = min(proxy.timeout, (further * repeated if further else 0) + proxy.waits(further) + last)
        worst.patience = min(worst.patience, proxy.each, proxy.timeout)
        worst.runs *= proxy.tries if proxy.repeats(grpc=grpc) else 1
    worst.unanswered, worst.tries = _unanswered(proxies, inf)
    if streaming and not websocket:
        worst.cut = min((proxy.timeout for proxy in proxies), default=inf)
    worst.client_tries = 1 if websocket else client_tries
    worst.client_runs = worst.client_tries * worst.runs
    given_up = min(worst.answer, SDK_TIMEOUT)
    last = worst.answer if streaming or worst.client_tries == 1 else given_up
    waits = sum(min(0.5 * 2**number, 8.0) for number in range(worst.client_tries - 1))
    worst.client_answer = (worst.client_tries - 1) * given_up + waits + last
    return worst


def _unanswered(proxies: "Sequence[_Proxy]", limit: float) -> tuple[float, int]:
    """Seconds until an error, and requests that a server got which answers none, where the caller waits ``limit``."""
    if not proxies:
        return inf, 1
    proxy, behind = proxies[0], proxies[1:]
    answered, _ = _unanswered(behind, inf)
    one = min(proxy.each, answered)
    again = proxy.words & (_REPEATING if proxy.each < answered else {"5xx", "gateway-error", "504"})
    tries = proxy.tries if again and one < inf else 1
    bound = min(proxy.timeout, limit)
    begun = tries if tries == 1 or one * tries < bound else max(1, ceil(bound / one))
    requests = begun  # they can be very many
    if behind:
        requests = sum(_unanswered(behind, min(proxy.each, bound - number * one))[1] for number in range(begun))
    return min(proxy.timeout, tries * one + proxy.waits(tries - 1)), requests


def _seconds(value: object) -> float:
    seconds = duration_ms(value) / 1000 if isinstance(value, str) else 0.0
    return seconds or inf


def sentence(worst: WorstCase, what: str = "generation") -> str:
    """The worst case in plain words; ``what`` is the work that a server does for a request."""
    times = f"a {what} can run {_times(worst.runs)}"
    if worst.client_tries > 1:
        times += f", {_times(worst.client_runs)} with an SDK that tries {_times(worst.client_tries)}"
        times += f" and gives up after {text(worst.client_answer)}" if worst.client_answer < inf else ""
    if worst.answer < inf:
        said = f"The client has an answer after {text(worst.answer)} at most; {times}."
    else:
        said = f"Nothing ends a request that is not answered; {times}."
    if worst.tries == 1 and worst.patience < worst.answer:
        said += (
            f" A server that needs more than {text(worst.patience)} is given up: a try that ran out is not repeated."
        )
    elif worst.tries > 1:
        said += f" A server that needs more than {text(worst.patience)} is asked {_times(worst.tries)}"
        said += f", and the client has an error after {text(worst.unanswered)}."
    if worst.cut is not None and worst.cut < inf:
        said += f" A stream is cut after {text(worst.cut)}."
    return said


def text(seconds: float) -> str:
    """Seconds for a person: tenths, and below one second thousandths."""
    return f"{seconds:.{1 if seconds >= 1 else 3}f}".rstrip("0").rstrip(".") + " s"


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"
