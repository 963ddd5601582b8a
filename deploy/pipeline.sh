#!/usr/bin/env bash
# A pipeline in one script: each environment in turn is linted, rendered, judged, compared with what runs, installed and
# tested; the next one comes only after that. Copy it and change what is yours. It needs bash, Helm and mlmesh, and with
# Helm 4 the plugin mlmesh-post.
set -euo pipefail

usage() {
  cat <<'END'
Usage: deploy/pipeline.sh ENVIRONMENT...

  deploy/pipeline.sh dev                     one environment
  deploy/pipeline.sh dev staging prod        promoted: each only after the one before it works

An environment is a values file, values/ENVIRONMENT.yaml, laid over the files of BASE. Its reports lie in REPORTS:
ENVIRONMENT.yaml (what is installed), .sarif (findings), .diff.md (what changes, for a pull request).

  RELEASE, NAMESPACE    the release and its namespace                      ml-mesh, ml-mesh
  CHART, VALUES         the chart, and the folder of the overlays          chart/, values/
  BASE                  values files below every overlay, between blanks   none
  UNIT_TESTS            a command that runs before anything else           none
  REPORTS               where the reports go                               reports/
  KUBE_CONTEXT_PROD     the kubeconfig's context of the environment prod   the current one

Exit codes: 0, everything is installed and its tests passed; 1, an environment was refused, and nothing of it changed, or
its tests failed, and it was rolled back; 2, the call is wrong.
END
}

RELEASE=${RELEASE:-ml-mesh} NAMESPACE=${NAMESPACE:-ml-mesh}
CHART=${CHART:-chart/} VALUES=${VALUES:-values/} REPORTS=${REPORTS:-reports/}

step() { echo "== $1: $2"; }
refuse() { echo "pipeline: $1" >&2; exit "${2:-1}"; }

# What runs under the release's name, as it was post-rendered; empty before the first install.
running() { helm get manifest "$RELEASE" --namespace "$NAMESPACE" 2>/dev/null || true; }
history() { helm history "$RELEASE" --namespace "$NAMESPACE" --max 256 2>/dev/null || true; }
# The last revision, and the last that worked; 0 before the first install, where helm history fails.
revision() { history | awk 'END { print $1 + 0 }'; }
working() { history | awk -F '\t' '$3 ~ /^deployed/ { found = $1 } END { print found + 0 }'; }

deploy() {
  local environment=$1 files=() file before good
  for file in ${BASE:-} "${VALUES%/}/$environment.yaml"; do
    [ -f "$file" ] || refuse "$environment: there is no file $file" 2
    files+=(--values "$file")
  done
  local context="KUBE_CONTEXT_${environment^^}"
  context=${context//[^A-Z0-9_]/_}
  if [ -n "${!context:-}" ]; then export HELM_KUBECONTEXT=${!context}; else unset HELM_KUBECONTEXT; fi
  local report=${REPORTS%/}/$environment

  step "$environment" lint
  helm lint "$CHART" "${files[@]}" --quiet || refuse "$environment: the chart refuses these values"

  step "$environment" check
  helm template "$RELEASE" "$CHART" --namespace "$NAMESPACE" "${files[@]}" > "$report.rendered.yaml"
  mlmesh check "$report.rendered.yaml" --post-render --namespace "$NAMESPACE" \
    --report "$report.sarif" --report-format sarif || refuse "$environment: refused, and nothing was changed"

  step "$environment" diff
  # Hooks are not among what is stored of a release.
  helm template "$RELEASE" "$CHART" --namespace "$NAMESPACE" "${files[@]}" --no-hooks --post-renderer mlmesh-post > "$report.yaml"
  running > "$report.running.yaml"
  mlmesh diff "$report.running.yaml" "$report.yaml" --format markdown > "$report.diff.md"
  cat "$report.diff.md"

  step "$environment" install
  before=$(revision) good=$(working)
  helm upgrade --install "$RELEASE" "$CHART" --namespace "$NAMESPACE" --create-namespace "${files[@]}" \
    --post-renderer mlmesh-post --wait || roll_back "$environment" "$before" "$good"

  step "$environment" test
  helm test "$RELEASE" --namespace "$NAMESPACE" || roll_back "$environment" "$before" "$good"
}

# Back to the last revision that worked, which the one before need not be; a first install has none, and stays to be
# looked at.
roll_back() {
  [ "$3" -gt 0 ] || refuse "$1: the first install does not work, and is left as it is"
  [ "$(revision)" = "$2" ] && refuse "$1: refused, and nothing was changed"
  step "$1" "roll back to revision $3"
  helm rollback "$RELEASE" "$3" --namespace "$NAMESPACE" --wait || refuse "$1: it does not work, nor does the way back"
  refuse "$1: it did not work, and revision $3 runs again"
}

case "${1:-}" in
  "") usage >&2; exit 2 ;;
  -h | --help) usage; exit 0 ;;
esac
mkdir -p "$REPORTS"
if [ -n "${UNIT_TESTS:-}" ]; then
  step all "unit tests"
  $UNIT_TESTS || refuse "the unit tests failed"
fi
for environment; do
  deploy "$environment"
done
