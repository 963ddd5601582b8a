"""Floor 7: what must hold in every release, a module a topic."""
