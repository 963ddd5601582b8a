"""A kubelet's, a scheduler's and a cloud's work: whatever Pods the API holds run, and those that are gone end."""

import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from dev.mesh.api import Api, Object, pod_path
from dev.mesh.containers import NODE
from dev.mesh.names import Services, write_names, write_nat
from dev.mesh.network import HUB, Network
from dev.mesh.programs import Programs
from dev.mesh.sandbox import Sandbox, bind
from dev.progress import StepError

_PAUSE_SECONDS = 0.15
_AT_ONCE = 4


class Kubelet:
    """Runs pods in a thread of its own until `stop`. `sandboxes` are the pods that run, by uid."""

    def __init__(self, api: Api, network: Network, programs: Programs, home: Path) -> None:
        self.sandboxes: dict[str, Sandbox] = {}
        self.errors: list[str] = []
        self._api = api
        self._network = network
        self._programs = programs
        self._home = home
        self._stopping = threading.Event()
        self._workers = ThreadPoolExecutor(_AT_ONCE)
        self._busy: set[str] = set()  # uids that a worker starts or ends
        self._written: dict[str, tuple[str, str]] = {}
        self._thread = threading.Thread(target=self._loop, name="kubelet", daemon=True)

    def start(self) -> None:
        """Register the node and begin."""
        node: Object = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE, "labels": {}}}
        node["metadata"]["labels"] = {"kubernetes.io/hostname": NODE, "kubernetes.io/os": "linux"}
        self._api.create("/api/v1/nodes", node)
        resources = {"cpu": "64", "memory": "256Gi", "pods": "500"}
        self._api.merge(
            f"/api/v1/nodes/{NODE}/status",
            {
                "status": {
                    "conditions": [{"type": "Ready", "status": "True", "reason": "Here", "message": "no kubelet"}],
                    "allocatable": resources,
                    "capacity": resources,
                    "nodeInfo": {"kubeletVersion": "v1.36.3"},  # istiod asks it whether native sidecars work
                }
            },
        )
        self._api.merge(f"/api/v1/nodes/{NODE}", {"spec": {"taints": None}})
        self._thread.start()

    def stop(self) -> None:
        """End every pod at once."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        self._workers.shutdown(wait=True, cancel_futures=True)
        for sandbox in self.sandboxes.values():
            sandbox.terminate(0)

    def _loop(self) -> None:
        while not self._stopping.wait(_PAUSE_SECONDS):
            try:
                self._round()
            except StepError as error:
                self.errors.append(str(error))

    def _round(self) -> None:
        pods = {pod["metadata"]["uid"]: pod for pod in self._api.items("/api/v1/pods")}
        for uid, pod in pods.items():
            if uid in self._busy:
                continue
            going = pod["metadata"].get("deletionTimestamp")
            if uid in self.sandboxes:
                if going:
                    self._hand_over(uid, self._end, pod)
                elif self.sandboxes[uid].exit_code is None and self.sandboxes[uid].ended():
                    self._finish(pod)
            elif going:
                self._api.delete(_path(pod))
            elif pod["status"].get("phase", "Pending") == "Pending":
                self._hand_over(uid, self._begin, pod)
        for uid in self.sandboxes.keys() - pods.keys() - self._busy:
            self.sandboxes.pop(uid).terminate(0)
        services = Services.read(self._api)
        services.publish_load_balancers(self._api)
        for sandbox in list(self.sandboxes.values()):
            self._name(sandbox, services)

    def _hand_over(self, uid: str, work: Callable[[Object], None], pod: Object) -> None:
        self._busy.add(uid)
        self._workers.submit(self._work, uid, work, pod)

    def _work(self, uid: str, work: Callable[[Object], None], pod: Object) -> None:
        try:
            work(pod)
        except StepError as error:
            now = self._api.get(_path(pod))
            if now and now["metadata"]["uid"] == uid and not now["metadata"].get("deletionTimestamp"):
                self.errors.append(str(error))  # else it was deleted meanwhile, and the next round ends it
        finally:
            self._busy.discard(uid)

    def _begin(self, pod: Object) -> None:
        metadata = pod["metadata"]
        if not pod["spec"].get("nodeName"):
            bind(self._api, pod, NODE)
        folder = self._home / f"{metadata['namespace']}_{metadata['name']}_{metadata['uid'][:8]}"
        sandbox = Sandbox(pod, folder, self._api, self._network, self._programs)
        self.sandboxes[metadata["uid"]] = sandbox
        self._publish(sandbox, "Running", ready=False)
        sandbox.run(lambda started: self._name(started, Services.read(self._api)))
        self._publish(sandbox, "Running", ready=True)

    def _end(self, pod: Object) -> None:
        sandbox = self.sandboxes[pod["metadata"]["uid"]]
        self._publish(sandbox, "Running", ready=False)
        grace = pod["metadata"].get("deletionGracePeriodSeconds") or 0
        sandbox.terminate(grace)
        self._api.delete(_path(pod))
        self._forget(pod["metadata"]["uid"])

    def _finish(self, pod: Object) -> None:
        sandbox = self.sandboxes[pod["metadata"]["uid"]]
        sandbox.terminate(5)
        self._publish(sandbox, "Failed" if sandbox.exit_code else "Succeeded", ready=False)
        self._forget(pod["metadata"]["uid"])

    def _forget(self, uid: str) -> None:
        sandbox = self.sandboxes.pop(uid)
        self._written.pop(sandbox.netns, None)
        shutil.rmtree(sandbox.folder, ignore_errors=True)

    def _name(self, sandbox: Sandbox, services: Services) -> None:
        if sandbox.ending:
            return
        aliases = sandbox.pod["spec"].get("hostAliases") or []
        wanted = (services.hosts(sandbox.namespace, aliases), services.nat_rules() if sandbox.mapped else "")
        if self._written.get(sandbox.netns) == wanted:
            return
        self._written[sandbox.netns] = wanted
        try:
            write_names(sandbox.netns, wanted[0])
            if sandbox.mapped:
                write_nat(sandbox.netns, wanted[1])
        except StepError:
            if not sandbox.ending:  # else its namespace went meanwhile
                raise

    def _publish(self, sandbox: Sandbox, phase: str, *, ready: bool) -> None:
        """Write the pod's status, from which the controllers make endpoints and count replicas."""
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        running: Object = {"running": {"startedAt": now}}
        code = sandbox.exit_code or 0
        over: Object = {"terminated": {"exitCode": code, "reason": "Error" if code else "Completed"}}
        over["terminated"] |= {"startedAt": now, "finishedAt": now}
        ended = phase in ("Succeeded", "Failed")
        spec = sandbox.pod["spec"]

        def status(container: Object, state: Object, *, is_ready: bool) -> Object:
            base = {"name": container["name"], "image": container["image"], "imageID": "none", "restartCount": 0}
            return {**base, "ready": is_ready, "started": "running" in state, "state": state}

        conditions = {"PodScheduled": True, "Initialized": True, "ContainersReady": ready, "Ready": ready}
        inits = []
        for each in spec.get("initContainers") or []:
            stays = each.get("restartPolicy") == "Always" and not ended
            inits.append(status(each, running if stays else over, is_ready=ready or not stays))
        body = {
            "phase": phase,
            "hostIP": HUB,
            "podIP": sandbox.address,
            "podIPs": [{"ip": sandbox.address}],
            "startTime": now,
            "conditions": [
                {"type": kind, "status": str(value), "lastTransitionTime": now} for kind, value in conditions.items()
            ],
            "initContainerStatuses": inits,
            "containerStatuses": [
                status(each, over if ended else running, is_ready=ready) for each in spec["containers"]
            ],
        }
        self._api.merge(_path(sandbox.pod, "status"), {"status": body})


def _path(pod: Object, subresource: str = "") -> str:
    return pod_path(pod["metadata"]["namespace"], pod["metadata"]["name"], subresource)
