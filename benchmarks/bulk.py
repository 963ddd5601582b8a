"""Documents that the post-renderer passes on unread: dashboards, alert rules, CRDs, RBAC and the like.

Every function takes a number and returns one document's text, another one for every number.
"""

from benchmarks.words import NAMESPACE, head, indented, sentence
from benchmarks.workloads import app


def dashboard(number: int) -> str:
    """A ConfigMap with a dashboard of 8 to 25 kB as JSON in a block scalar, one long line as charts have it."""
    name = f"dashboard-{number:06d}"
    panels = ",".join(
        '{"datasource":{"type":"prometheus","uid":"${datasource}"},"expr":"sum(rate(requests_total{namespace=\\"'
        f'{NAMESPACE}\\", model=~\\"{app(number)}.*\\"}}[5m])) by (pod)\\n","legendFormat":"{{{{pod}}}}",'
        f'"description":"{sentence(number + panel, 12)}","title":"Panel {panel}","type":"timeseries"}}'
        for panel in range(24 + number * 7 % 48)
    )
    data = (
        f'data:\n  {name}.json: |-\n    {{"editable":true,"panels":[{panels}],"schemaVersion":39,"title":"{name}"}}\n'
    )
    return head("v1", "ConfigMap", name) + data


def alerts(number: int) -> str:
    """A PrometheusRule of 1 to 12 kB."""
    name = f"rules-{number:06d}"
    rules = ""
    for rule in range(2 + number * 5 % 22):
        subject = sentence(number + rule, 10)
        rules += f"""\
    - alert: Model{number}Slow{rule}
      annotations:
        description: '{{{{ $labels.pod }}}} of {{{{ $labels.job }}}}: {subject} Now {{{{ printf "%.2f" $value }}}}.'
        runbook_url: https://runbooks.example.com/model-slow-{rule}
        summary: {sentence(rule, 8)}
      expr: |-
        histogram_quantile(0.99, sum(rate(request_seconds_bucket{{model="{app(number)}"}}[5m])) by (le, pod))
          > {rule + 1}
      for: {rule + 5}m
      labels:
        severity: {"critical" if rule % 3 else "warning"}
"""
    group = f"spec:\n  groups:\n  - name: {name}\n    rules:\n{rules}"
    return head("monitoring.coreos.com/v1", "PrometheusRule", name) + group


def crd(number: int) -> str:
    """A CustomResourceDefinition of 20 to 100 kB, as operators have them."""
    return _crd(f"Widget{number}", number, 60 + number * 37 % 240)


def small_crd(number: int) -> str:
    """A CustomResourceDefinition of 5 to 20 kB."""
    return _crd(f"Gadget{number}", number, 15 + number * 7 % 45)


def _crd(kind: str, number: int, count: int) -> str:
    """A schema with `count` fields, nested as controller-gen writes them."""
    plural = kind.lower() + "s"
    fields = "".join(_field(number, index) for index in range(count))
    schema = f"type: object\nproperties:\n  spec:\n    type: object\n    properties:\n{indented(fields, 6)}"
    version = "  versions:\n  - name: v1\n    served: true\n    storage: true\n    schema:\n      openAPIV3Schema:\n"
    names = (
        f"  names:\n    kind: {kind}\n    listKind: {kind}List\n    plural: {plural}\n    singular: {kind.lower()}\n"
    )
    return (
        head("apiextensions.k8s.io/v1", "CustomResourceDefinition", f"{plural}.example.com", namespaced=False)
        + f"spec:\n  group: example.com\n  scope: Namespaced\n{names}{version}{indented(schema, 8)}"
    )


def _field(number: int, index: int) -> str:
    leaf = f"description: {sentence(number + index, 9)}\ntype: string\n"
    inner = f"  matchLabels{index}:\n    additionalProperties:\n      type: string\n    type: object\n"
    return (
        f"field{index}:\n  description: |-\n    {sentence(index, 14)}\n    {sentence(number + index, 11)}\n"
        f"  type: object\n  required:\n  - name\n  properties:\n    name:\n{indented(leaf, 6)}{indented(inner, 2)}"
    )


def settings(number: int) -> str:
    """A small ConfigMap."""
    data = "".join(f'  KEY_{index}: "{number + index}"\n' for index in range(6))
    return head("v1", "ConfigMap", app(number)) + "data:\n" + data


def secret(number: int) -> str:
    """A Secret."""
    return head("v1", "Secret", app(number)) + "type: Opaque\ndata:\n  token: c2VjcmV0LW9mLXRoZS1tb2RlbA==\n"


def role(number: int) -> str:
    """A Role."""
    rules = 'rules:\n- apiGroups: [""]\n  resources: ["pods", "pods/log"]\n  verbs: ["get", "list", "watch"]\n'
    return head("rbac.authorization.k8s.io/v1", "Role", app(number)) + rules


def role_binding(number: int) -> str:
    """A RoleBinding."""
    name = app(number)
    subject = f"subjects:\n- kind: ServiceAccount\n  name: {name}\n  namespace: {NAMESPACE}\n"
    reference = f"roleRef:\n  apiGroup: rbac.authorization.k8s.io\n  kind: Role\n  name: {name}\n"
    return head("rbac.authorization.k8s.io/v1", "RoleBinding", name) + subject + reference


def autoscaler(number: int) -> str:
    """A HorizontalPodAutoscaler."""
    target = f"  scaleTargetRef:\n    apiVersion: apps/v1\n    kind: Deployment\n    name: {app(number)}\n"
    return head("autoscaling/v2", "HorizontalPodAutoscaler", app(number)) + f"spec:\n{target}  maxReplicas: 5\n"


def network_policy(number: int) -> str:
    """A NetworkPolicy."""
    spec = f"spec:\n  podSelector:\n    matchLabels:\n      app: {app(number)}\n  policyTypes: [Ingress]\n"
    return head("networking.k8s.io/v1", "NetworkPolicy", app(number)) + spec


def monitor(number: int) -> str:
    """A ServiceMonitor."""
    spec = f"spec:\n  endpoints:\n  - port: http\n  selector:\n    matchLabels:\n      app: {app(number)}\n"
    return head("monitoring.coreos.com/v1", "ServiceMonitor", app(number)) + spec


def claim(number: int) -> str:
    """A PersistentVolumeClaim."""
    spec = "spec:\n  accessModes: [ReadWriteOnce]\n  resources:\n    requests:\n      storage: 200Gi\n"
    return head("v1", "PersistentVolumeClaim", app(number)) + spec
