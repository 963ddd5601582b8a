{{- /* All routes of one kind: dict "root" $ "kind" <HTTPRoute or GRPCRoute>. A GRPCRoute that is to have timeouts is
an HTTPRoute of the same requests. */ -}}
{{- define "ml-mesh.routes" -}}
{{- $root := .root -}}
{{- $kind := .kind -}}
{{- range $name, $route := $root.Values.routes }}
{{- $asHTTP := and (eq $route.kind "GRPCRoute") (ne (toString $route.timeouts) "false") }}
{{- if and (include "ml-mesh.on" $route) (eq (ternary "HTTPRoute" $route.kind $asHTTP) $kind) }}
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
        {{- if $asHTTP }}
        {{- range . }}
        - {{ include "ml-mesh.grpcMatch" . | trim | indent 10 | trim }}
        {{- end }}
        {{- else }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- end }}
      {{- with $rule.rule }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    {{- end }}
    {{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- /* A GRPCRoute's match as an HTTPRoute has it. */ -}}
{{- define "ml-mesh.grpcMatch" -}}
{{- with .method }}
path:
  {{- include "ml-mesh.grpcPath" . | nindent 2 }}
{{- end }}
{{- with .headers }}
headers:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if not (or .method .headers) }}
path: {type: PathPrefix, value: /}
{{- end }}
{{- end -}}

{{- /* A GRPCRoute's method as the path of its requests, which is /package.Service/Method. */ -}}
{{- define "ml-mesh.grpcPath" -}}
{{- if eq (default "Exact" .type) "RegularExpression" -}}
type: RegularExpression
value: {{ printf "/(%s)/(%s)" (default "[^/]+" .service) (default "[^/]+" .method) | quote }}
{{- else if not .service -}}
type: RegularExpression
value: {{ printf "/[^/]+/%s" .method | quote }}
{{- else if .method -}}
type: Exact
value: {{ printf "/%s/%s" .service .method | quote }}
{{- else -}}
type: PathPrefix
value: {{ printf "/%s" .service | quote }}
{{- end -}}
{{- end -}}
