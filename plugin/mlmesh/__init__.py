"""mlmesh: a Helm post-renderer that makes every pod and LLM route of a release fit an Istio mesh.

Importing the package loads nothing: the filter runs on every ``helm upgrade``, so each entry point imports what it
needs.
"""

__version__ = "0.1.0"
