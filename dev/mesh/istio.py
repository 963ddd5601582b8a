"""istiod as a process, with the mesh-wide settings of values/mesh as they are, and its webhooks on what is applied."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from dev.cluster import Cluster, free_ports
from dev.helm import Helm
from dev.mesh.api import Api
from dev.processes import Journal, stop
from dev.progress import StepError
from dev.toolchain import ROOT, tool

NEEDED = ("istiod", "istio-charts", "helm4")

_NAMESPACE = "istio-system"
_WEBHOOK = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/istio-sidecar-injector"
_READY_SECONDS = 60
# istiod is a process here, and the CRDs are there already.
_LEFT_OUT = ("Deployment", "HorizontalPodAutoscaler", "PodDisruptionBudget", "CustomResourceDefinition")
# Without the filters that only Istio's own build of Envoy has; with the Inference Extension, which is off by default.
_ENVIRONMENT = {
    "PILOT_ENABLE_ALPN_FILTER": "false",
    "PILOT_ENABLE_METADATA_EXCHANGE": "false",
    "PILOT_ENABLE_TELEMETRY_LABEL": "false",
    "ENABLE_GATEWAY_API_INFERENCE_EXTENSION": "true",
    "PILOT_DEBOUNCE_AFTER": "50ms",  # a test waits for every change; the default is 100ms
}


class Istio:
    """istiod beside the cluster; `xds_port` is where sidecars reach it, on loopback."""

    def __init__(self, cluster: Cluster, helm: Helm, journal: Journal, home: Path, envoy: str) -> None:
        self._cluster = cluster
        self._helm = helm
        self._journal = journal
        self._home = home
        self._envoy = envoy
        self._api = Api(cluster.kubeconfig)
        self.xds_port, self._webhook_port, self._http_port, *self._others = free_ports(5)

    def start(self) -> None:
        """Apply Istio's own objects and start istiod; about four seconds."""
        self._home.mkdir()
        objects = [*self._render("base"), *self._render("istiod")]
        deployment = next(each for each in objects if each["kind"] == "Deployment")
        kept = [each for each in objects if each["kind"] not in _LEFT_OUT]
        self._cluster.kubectl("create", "namespace", _NAMESPACE)
        listed = {"apiVersion": "v1", "kind": "List", "items": kept}
        self._cluster.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(listed))
        self._environment = self._of_the_chart(deployment)
        self._process = self._journal.start(self._command(), self._home / "istiod.log", env=self._environment)
        self._wait()

    @contextmanager
    def restarted(self, **environment: str) -> Iterator[None]:
        """Run istiod with other environment variables for a while; the proxies come back to it by themselves."""
        self._restart(environment)
        try:
            yield
        finally:
            self._restart({})

    def _restart(self, environment: dict[str, str]) -> None:
        connected = frozenset(proxy["proxy"] for proxy in self.debug("syncz"))
        stop([self._process])
        self._process = self._journal.start(
            self._command(), self._home / "istiod.log", env={**self._environment, **environment}
        )
        self._wait()
        # A proxy that found nobody a few times waits up to half a minute before it tries again.
        self.settle(90, connected)

    def debug(self, path: str) -> Any:
        """istiod's answer, as JSON, to a request for one of its debug pages, such as `syncz`."""
        with _opener.open(f"http://127.0.0.1:{self._http_port}/debug/{path}", timeout=20) as answer:
            return json.loads(answer.read())

    def settle(self, seconds: float = 30, proxies: frozenset[str] = frozenset()) -> None:
        """Wait until every proxy has acknowledged what istiod sent it, and nothing new is sent for half a second.

        `proxies`, each named as `syncz` names it, must be connected by then, but those whose pods end meanwhile.
        """
        deadline, last, quiet_since = time.monotonic() + seconds, None, 0.0
        waiting: set[str] = set()
        while time.monotonic() < deadline:
            sent = {
                (proxy["proxy"], kind): (state.get("sent"), state.get("acked"))
                for proxy in self.debug("syncz")
                for kind, state in (proxy.get("resources") or {}).items()
            }
            waiting = {proxy for (proxy, _), nonces in sent.items() if nonces[0] and nonces[0] != nonces[1]}
            if missing := proxies - {proxy for proxy, _ in sent}:
                waiting |= missing & self._proxies_that_stay()
            if waiting or sent != last:
                last, quiet_since = sent, time.monotonic()
            elif time.monotonic() - quiet_since > 0.5:
                return
            time.sleep(0.1)
        who = ", ".join(sorted(waiting)) or "none, but new ones were sent all the time"
        raise StepError(f"proxies that have not acknowledged istiod's settings within {seconds} s: {who}")

    def _proxies_that_stay(self) -> set[str]:
        """The names of the pods' proxies; of one that is being ended istiod tells a while longer."""
        everything = [each["metadata"] for each in self._api.items("/api/v1/pods")]
        return {f"{each['name']}.{each['namespace']}" for each in everything if "deletionTimestamp" not in each}

    def _render(self, chart: str) -> list[dict[str, Any]]:
        own = self._home / f"{chart}.json"
        own.write_text(json.dumps(self._values()))
        files = ("--values", str(ROOT / "values" / "mesh" / f"{chart}.yaml"), "--values", str(own))
        charts = tool("istio-charts")
        done = self._helm.run("template", chart, str(charts / chart), "--namespace", _NAMESPACE, *files)
        if done.returncode:
            raise StepError(f"Istio's chart {chart} cannot be rendered: {done.stderr.strip()}")
        return [each for each in yaml.load_all(done.stdout, yaml.CSafeLoader) if each]

    def _values(self) -> dict[str, Any]:
        """What differs from a cluster, laid over values/mesh."""
        webhooks = f"https://localhost:{self._webhook_port}"
        return {
            "base": {"enableCRDTemplates": False, "validationURL": f"{webhooks}/validate"},
            "istiodRemote": {"injectionURL": f"{webhooks}/inject"},
            "meshConfig": {
                "defaultProviders": {"metrics": []},  # needs a filter of Istio's own Envoy
                "defaultConfig": {"binaryPath": self._envoy},
            },
            "env": _ENVIRONMENT,
        }

    def _command(self) -> list[str]:
        monitoring, ctrlz = self._others
        return [
            str(tool("istiod")),
            "discovery",
            f"--kubeconfig={self._cluster.kubeconfig}",
            "--domain=cluster.local",
            f"--secureGRPCAddr=127.0.0.1:{self.xds_port}",
            f"--httpsAddr=127.0.0.1:{self._webhook_port}",
            f"--httpAddr=127.0.0.1:{self._http_port}",
            f"--monitoringAddr=127.0.0.1:{monitoring}",
            "--ctrlz_address=127.0.0.1",
            f"--ctrlz_port={ctrlz}",
            "--grpcAddr=",
            "--shutdownDuration=1s",
        ]

    def _of_the_chart(self, deployment: dict[str, Any]) -> dict[str, str]:
        """The environment that the chart gives istiod's container, values/mesh included."""
        container = deployment["spec"]["template"]["spec"]["containers"][0]
        given = {each["name"]: str(each.get("value", "")) for each in container["env"] if "valueFrom" not in each}
        own = {"POD_NAME": "istiod", "POD_NAMESPACE": _NAMESPACE, "SERVICE_ACCOUNT": "istiod"}
        # The name for which the webhooks' certificate is made; what a pod calls istiod is in it anyway.
        own |= {"ISTIOD_CUSTOM_HOST": "localhost", "VALIDATION_WEBHOOK_CONFIG_NAME": "istio-validator-istio-system"}
        own |= {"UNSAFE_ENABLE_ADMIN_ENDPOINTS": "true", "HOME": str(self._home)}
        return {**given, **own}

    def _wait(self) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        while time.monotonic() < deadline:
            if not self._process.alive():
                raise StepError(f"istiod ended early:\n{self._end_of_log()}")
            try:
                with _opener.open(f"http://127.0.0.1:{self._http_port}/ready", timeout=2):
                    webhook = self._api.get(_WEBHOOK)
                    if webhook and webhook["webhooks"][0]["clientConfig"].get("caBundle"):
                        return
            except (OSError, urllib.error.URLError):
                pass
            time.sleep(0.1)
        raise StepError(f"istiod is not ready after {_READY_SECONDS} s:\n{self._end_of_log()}")

    def _end_of_log(self) -> str:
        return "\n".join((self._home / "istiod.log").read_text(errors="replace").splitlines()[-25:])


_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy of the user's must not see this
