"""What is released, made from a commit: the Python package, the chart, Helm 4's plugin, what they hold, their sums."""
