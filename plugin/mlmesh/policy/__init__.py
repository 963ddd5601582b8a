"""Floor 3: the settings: which fields there are, their defaults, and how layers are laid over each other."""
