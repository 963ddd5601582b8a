"""Hands in a pod: requests that leave through its sidecar, and what its app and its Envoy saw."""

import http.client
import json
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from dev.mesh.containers import PROXY
from dev.mesh.network import entered, inside
from dev.mesh.sandbox import Sandbox
from dev.progress import StepError

T = TypeVar("T")

_ADMIN_PORT = 15000


class Response(NamedTuple):
    """What a client got. `status` is 0 where there was no HTTP answer, and `error` then says why.

    `arrivals` are the seconds, from the request on, at which each event or message came; `cut` tells that the body
    ended before its end; `grpc_status` is -1 where there is none.
    """

    status: int
    error: str
    seconds: float
    protocol: str
    headers: dict[str, str]
    body: str
    body_bytes: int
    arrivals: list[float]
    cut: bool
    grpc_status: int

    @property
    def json(self) -> dict[str, Any]:
        """The body as JSON."""
        found: dict[str, Any] = json.loads(self.body)
        return found


class Seen(NamedTuple):
    """A request as an app saw it; `aborted` tells that the caller hung up before the answer was out."""

    at: float
    method: str
    path: str
    protocol: str
    status: int
    seconds: float
    aborted: bool
    headers: dict[str, str]


class Pod:
    """A pod that runs, as a place to send requests from and to look at."""

    def __init__(self, sandbox: Sandbox, program: str) -> None:
        self.sandbox = sandbox
        self.name = sandbox.name
        self.namespace = sandbox.namespace
        self.address = sandbox.address
        self.object = sandbox.pod
        self._program = program

    def call(self, url: str, *flags: str, timeout: float = 20) -> Response:
        """Send one request from inside the pod; `flags` are those of `mesh-app call`."""
        found = self._run(url, flags, timeout)["responses"][0]
        return Response(**{field: found.get(field) for field in Response._fields})

    def calls(self, url: str, count: int, *flags: str, concurrency: int = 8, timeout: float = 20) -> dict[str, Any]:
        """Send many: their `statuses`, the `names` of the apps that answered, and `errors`, each a map to a count."""
        many = (*flags, "--count", str(count), "--concurrency", str(concurrency), "--summary")
        return self._run(url, many, timeout)

    def start_call(self, url: str, *flags: str, timeout: float = 60) -> "subprocess.Popen[str]":
        """Send requests and do not wait; `finish_call` gives the response."""
        return subprocess.Popen(self._command(url, flags, timeout), stdout=subprocess.PIPE, text=True)

    def finish_call(self, started: "subprocess.Popen[str]") -> Response:
        """The response of a call that was started."""
        found = json.loads(started.communicate()[0])["responses"][0]
        return Response(**{field: found.get(field) for field in Response._fields})

    def requests(self) -> list[Seen]:
        """The requests that the app saw since it started or `forget`."""
        found = self.control("GET", "/requests")["requests"]
        return [Seen(**{field: each.get(field) for field in Seen._fields}) for each in found]

    def forget(self) -> None:
        """Forget the requests, and behave normally again."""
        self.control("DELETE", "/requests")
        self.behave("")

    def behave(self, what: str) -> None:
        """Tell the app how to treat the requests from now on: `status=503,delay=2`; see dev/mesh/app/README.md."""
        self.control("PUT", "/behaviour", what)

    def control(self, method: str, path: str, body: str = "") -> Any:
        """Ask the app itself, past any proxy."""
        connection = _Unix(self.sandbox.socket)
        try:
            connection.request(method, path, body.encode())
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        if answer.status >= 300:
            raise StepError(f"{self.name}: {method} {path}: {answer.status} {text}")
        return json.loads(text) if text.strip() else None

    def envoy(self, path: str) -> str:
        """A page of the Envoy's admin interface, such as `stats?filter=overflow` or `config_dump`."""
        with entered(self.sandbox.netns):
            connection = http.client.HTTPConnection("127.0.0.1", _ADMIN_PORT, timeout=20)
            connection.connect()
        try:
            connection.request("GET", "/" + path)
            return connection.getresponse().read().decode()
        finally:
            connection.close()

    def proxy_log(self) -> list[str]:
        """The lines that the proxy printed; its access log is among them."""
        return self.sandbox.log(PROXY).splitlines()

    def _run(self, url: str, flags: tuple[str, ...], timeout: float) -> dict[str, Any]:
        done = subprocess.run(self._command(url, flags, timeout), capture_output=True, text=True, check=False)
        if done.returncode:
            raise StepError(f"mesh-app call {' '.join(flags)} {url}: exit {done.returncode}: {done.stderr}")
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def _command(self, url: str, flags: tuple[str, ...], timeout: float) -> list[str]:
        call = [self._program, "call", "--timeout", str(timeout), *flags, url]
        return inside(self.sandbox.netns, call)


def eventually(check: Callable[[], T], seconds: float = 20) -> T:
    """What `check` gives once it is true; the last it gave where that takes longer than `seconds`.

    A rule is in force when the proxies have it, a few tenths of a second after it was applied.
    """
    deadline = time.monotonic() + seconds
    while not (found := check()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


class _Unix(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=20)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))
