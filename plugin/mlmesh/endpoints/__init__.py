"""Floor 6: what a route serves, and the timeout and retries that follow from it."""
