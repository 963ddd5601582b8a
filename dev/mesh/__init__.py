"""A real mesh on one machine, without containers: istiod, and pods whose sidecars are real Envoys.

A pod is a network namespace. What runs in it is read from the Pod as Istio's injector left it, so the annotations and
resources of a release act as they do in a cluster. Needs root, iproute2 and iptables; no traffic leaves the namespaces.

`lab` puts the parts together: a control plane (`istio`, on `dev.cluster`), the wires (`network`, `names`), a kubelet's
work (`kubelet`, `sandbox`, `containers`), and hands for whoever sends traffic (`traffic`).
"""
