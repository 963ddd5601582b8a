"""Floor 4: the release as objects, pods, hosts and what refers to what."""
