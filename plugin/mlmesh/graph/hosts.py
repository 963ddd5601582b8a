"""Host names as Istio resolves them."""


def fqdn(host: str, namespace: str, domain: str) -> str:
    """A Service's full name: ``llm`` in ``ml`` is ``llm.ml.svc.cluster.local``.

    Istio expands only names without a dot (istio/istio pilot/pkg/model ResolveShortnameToFQDN); ``name.namespace.svc``
    is expanded here too, since what its author means is plain. A short name stays as it is where the namespace is
    unknown; wildcards and outside names always do.
    """
    if "*" in host:
        return host
    parts = host.split(".")
    if len(parts) == 1:
        return f"{host}.{namespace}.svc.{domain}" if namespace else host
    if parts[2:] == ["svc"]:
        return f"{host}.{domain}"
    return host
