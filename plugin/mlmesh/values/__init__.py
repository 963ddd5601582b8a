"""Helm's values as Helm merges them, each leaf with the file and line that it is from and all that it lies over."""
