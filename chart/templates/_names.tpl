{{- /* Whether an item of a map is switched on: it is there and does not say `enabled: false`. */ -}}
{{- define "ml-mesh.on" -}}
{{- if and . (dig "enabled" true .) }}true{{ end -}}
{{- end -}}

{{- /* Whether any item of a map is switched on. */ -}}
{{- define "ml-mesh.anyOn" -}}
{{- range . }}{{ include "ml-mesh.on" . }}{{ end -}}
{{- end -}}

{{- /* The real name of a namespace: dict "root" $ "key" <key of .Values.namespaces>. Empty for an unknown key, which
checks.yaml reports. */ -}}
{{- define "ml-mesh.namespace" -}}
{{- dig .key "name" "" (deepCopy (.root.Values.namespaces | default dict)) -}}
{{- end -}}

{{- /* The full name of a host: dict "root" $ "host" <name> "key" <key of .Values.namespaces>. Istio completes only names
without a dot. */ -}}
{{- define "ml-mesh.fqdn" -}}
{{- if contains "." .host -}}
{{- .host -}}
{{- else -}}
{{- printf "%s.%s.svc.%s" .host (include "ml-mesh.namespace" .) .root.Values.policy.mesh.clusterDomain -}}
{{- end -}}
{{- end -}}

{{- /* A principal: dict "root" $ "key" <key of .Values.namespaces> "serviceAccount" <name>. */ -}}
{{- define "ml-mesh.principal" -}}
{{- printf "%s/ns/%s/sa/%s" .root.Values.policy.mesh.trustDomain (include "ml-mesh.namespace" .) .serviceAccount -}}
{{- end -}}

{{- /* Labels of every object: the root context. */ -}}
{{- define "ml-mesh.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ toYaml .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: ml-mesh
{{- end -}}

{{- /* Metadata of an object: dict "root" $ "name" <name> "limit" <as ml-mesh.unique has it> "key" <key of .Values.namespaces>
"annotations" <map or nil> "is" <"address" or "identity" where others know it by its name, which then stays in a release of one
team>. */ -}}
{{- define "ml-mesh.metadata" -}}
name: {{ empty .is | ternary (include "ml-mesh.unique" .) .name | toYaml }}
namespace: {{ include "ml-mesh.namespace" . | toYaml }}
labels:
  {{- include "ml-mesh.labels" .root | nindent 2 }}
{{- with .annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
