{{- /* All routes of one kind: dict "root" $ "kind" <HTTPRoute or GRPCRoute>. */ -}}
{{- define "ml-mesh.routes" -}}
{{- $root := .root -}}
{{- $kind := .kind -}}
{{- range $name, $route := $root.Values.routes }}
{{- if and (include "ml-mesh.on" $route) (eq $route.kind $kind) }}
{{- $gateway := dig $route.gateway dict (deepCopy $root.Values.gateways) }}
---
apiVersion: gateway.networking.k8s.io/v1
kind: {{ $kind }}
metadata:
  {{- include "ml-mesh.metadata" (dict "root" $root "name" $name "key" $route.namespace "annotations" $route.annotations) | nindent 2 }}
spec:
  parentRefs:
    - name: {{ $route.gateway }}
      {{- if ne $route.namespace (dig "namespace" $route.namespace $gateway) }}
      namespace: {{ include "ml-mesh.namespace" (dict "root" $root "key" $gateway.namespace) }}
      {{- end }}
      {{- with $route.listener }}
      sectionName: {{ . }}
      {{- end }}
  {{- with $route.hostnames }}
  hostnames:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  rules:
    {{- range $rule := $route.rules }}
    {{- if include "ml-mesh.on" $rule }}
    - backendRefs:
        {{- range $host, $backend := $rule.backends }}
        {{- if include "ml-mesh.on" $backend }}
        - name: {{ $host }}
          {{- omit $backend "enabled" | toYaml | nindent 10 }}
        {{- end }}
        {{- end }}
      {{- with $rule.matches }}
      matches:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $rule.rule }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    {{- end }}
    {{- end }}
{{- end }}
{{- end }}
{{- end -}}
