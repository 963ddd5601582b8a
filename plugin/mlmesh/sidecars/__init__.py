"""Floor 7: the sidecar settings that a pod gets by its role."""
