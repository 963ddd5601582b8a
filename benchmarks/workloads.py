"""Documents that the post-renderer reads: workloads with their pods, Services, routes, identities.

Every function takes a number and returns one document's text, another one for every number.
"""

from benchmarks.words import NAMESPACE, head, indented

ROLES = ("inference", "feature-store", "model-registry", "monitoring")
_KINDS = ("Deployment", "Deployment", "Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob")


def app(number: int) -> str:
    """The name of the app that the documents with this number belong to."""
    return f"model-{number:06d}"


def workload(number: int) -> str:
    """A workload with one pod template of about 1.6 kB; every second template says its role, and so gets patched.

    Nothing else in it tells a role: neither its image nor its arguments are those of a known program.
    """
    kind = _KINDS[number % len(_KINDS)]
    name = app(number)
    role = f"    mlmesh.dev/role: {ROLES[number // 2 % len(ROLES)]}\n" if number % 2 else ""
    template = (
        "metadata:\n"
        "  labels:\n"
        f"    app: {name}\n"
        f"{role}"
        "  annotations:\n"
        f'    checksum/config: "{number * 2654435761 % 2**32:08x}"\n'
        f"spec:\n{indented(_pod_spec(number, name, once=kind in ('Job', 'CronJob')), 2)}"
    )
    if kind == "CronJob":
        spec = f"  schedule: 0 {number % 24} * * *\n  jobTemplate:\n    spec:\n      template:\n" + indented(
            template, 8
        )
        return head("batch/v1", kind, name) + "spec:\n" + spec
    if kind == "Job":
        return head("batch/v1", kind, name) + "spec:\n  backoffLimit: 3\n  template:\n" + indented(template, 4)
    spec = f"  selector:\n    matchLabels:\n      app: {name}\n"
    spec += "" if kind == "DaemonSet" else f"  replicas: {number % 3 + 1}\n"
    spec += f"  serviceName: {name}\n" if kind == "StatefulSet" else ""
    return head("apps/v1", kind, name) + "spec:\n" + spec + "  template:\n" + indented(template, 4)


def _pod_spec(number: int, name: str, *, once: bool) -> str:
    return f"""\
serviceAccountName: {name}
{"restartPolicy: Never" if once else "terminationGracePeriodSeconds: 120"}
securityContext:
  runAsNonRoot: true
  runAsUser: {10000 + number % 1000}
  fsGroup: 10000
containers:
- name: server
  image: "registry.example.com/models/{name}:v{number % 40}.{number % 7}"
  imagePullPolicy: IfNotPresent
  args:
  - --model=/models/{name}
  - --port=8080
  - --max-connections={64 + number % 64}
  - "--request-queue-factor=0.9"
  env:
  - name: POD_NAME
    valueFrom:
      fieldRef:
        fieldPath: metadata.name
  - name: HF_HOME
    value: /models/cache
  - name: LOG_LEVEL
    value: "info"
  ports:
  - name: http
    containerPort: 8080
    protocol: TCP
  readinessProbe:
    httpGet:
      path: /health
      port: http
    periodSeconds: 10
    failureThreshold: 3
  resources:
    requests:
      cpu: {number % 8 + 1}
      memory: 16Gi
    limits:
      memory: 32Gi
  volumeMounts:
  - name: models
    mountPath: /models
  - name: config
    mountPath: /etc/server
    readOnly: true
volumes:
- name: models
  persistentVolumeClaim:
    claimName: {name}
- name: config
  configMap:
    name: {name}
"""


def service(number: int) -> str:
    """A Service of 500 bytes."""
    name = app(number)
    ports = "  ports:\n  - name: http\n    port: 8080\n    targetPort: http\n    protocol: TCP\n"
    return head("v1", "Service", name) + f"spec:\n  type: ClusterIP\n{ports}  selector:\n    app: {name}\n"


def service_account(number: int) -> str:
    """A ServiceAccount of 400 bytes."""
    return head("v1", "ServiceAccount", app(number)) + "automountServiceAccountToken: false\n"


def route(number: int) -> str:
    """A VirtualService with a chat route, which gets a timeout and retries, and a route that is left alone."""
    name = app(number)
    destination = f"    route:\n    - destination:\n        host: {name}\n        port:\n          number: 8080\n"
    rules = ""
    for rule, path in (("chat", "/v1/chat/completions"), ("health", "/health")):
        rules += f"  - name: {rule}\n    match:\n    - uri:\n        exact: {path}\n{destination}"
    hosts = f"  hosts:\n  - {name}\n"
    return head("networking.istio.io/v1", "VirtualService", name) + f"spec:\n{hosts}  http:\n{rules}"


def traffic_policy(number: int) -> str:
    """A DestinationRule with a circuit breaker for the app's Service."""
    name = app(number)
    policy = "  trafficPolicy:\n    outlierDetection:\n      consecutive5xxErrors: 5\n      interval: 30s\n"
    return head("networking.istio.io/v1", "DestinationRule", name) + f"spec:\n  host: {name}\n{policy}"


def access(number: int) -> str:
    """An AuthorizationPolicy that lets the app's own identity in."""
    name = app(number)
    rules = f'  rules:\n  - from:\n    - source:\n        principals: ["cluster.local/ns/{NAMESPACE}/sa/{name}"]\n'
    spec = f"spec:\n  selector:\n    matchLabels:\n      app: {name}\n{rules}"
    return head("security.istio.io/v1", "AuthorizationPolicy", name) + spec
