"""Floor 2: a stream of Kubernetes manifests: split, read by Go's rules, edited in its own text."""
