{{- /* All routes of one kind: dict "root" $ "kind" <HTTPRoute, GRPCRoute or TLSRoute>. A GRPCRoute that is to have timeouts is
an HTTPRoute of the same requests. */ -}}
{{- define "ml-mesh.routes" -}}
{{- $root := .root -}}
{{- $kind := .kind -}}
{{- range $name, $route := $root.Values.routes }}
{{- $asHTTP := and (eq $route.kind "GRPCRoute") (ne (toString $route.timeouts) "false") }}
{{- if and (include "ml-mesh.on" $route) (eq (include "ml-mesh.routeKind" $route) $kind) }}
{{- $gateway := dig $route.gateway dict (deepCopy ($root.Values.gateways | default dict)) }}
---
apiVersion: gateway.networking.k8s.io/v1
kind: {{ $kind }}
metadata:
  {{- include "ml-mesh.metadata" (dict "root" $root "name" $name "key" $route.namespace "annotations" $route.annotations) | nindent 2 }}
spec:
  parentRefs:
    - name: {{ toYaml $route.gateway }}
      {{- if ne $route.namespace (dig "namespace" $route.namespace $gateway) }}
      namespace: {{ include "ml-mesh.namespace" (dict "root" $root "key" $gateway.namespace) | toYaml }}
      {{- end }}
      {{- with $route.listener }}
      sectionName: {{ toYaml . }}
      {{- end }}
  {{- with $route.hostnames }}
  hostnames:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  rules:
    {{- range $rule := $route.rules }}
    {{- if include "ml-mesh.on" $rule }}
    {{- range $part := include "ml-mesh.ruleParts" (dict "rule" $rule) | fromJsonArray }}
    - backendRefs:
        {{- range $host := $part.backends }}
        {{- $backend := get $rule.backends $host }}
        {{- if eq (default "Service" $backend.kind) "InferencePool" }}
        - group: inference.networking.k8s.io
          name: {{ toYaml $host }}
        {{- else }}
        - name: {{ toYaml $host }}
        {{- end }}
          {{- $key := include "ml-mesh.backendKey" (dict "route" $route "backend" $backend) }}
          {{- if ne $key $route.namespace }}
          namespace: {{ include "ml-mesh.namespace" (dict "root" $root "key" $key) | toYaml }}
          {{- end }}
          {{- omit $backend "enabled" "namespace" | toYaml | nindent 10 }}
        {{- end }}
      {{- with include "ml-mesh.partMatches" (dict "rule" $rule "part" $part "grpc" $asHTTP) | fromJsonArray }}
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
{{- end }}
{{- end -}}

{{- /* The matches of a part of a rule, as a JSON list: dict "rule" <the rule> "part" <of ml-mesh.ruleParts> "grpc" <whether it
is a GRPCRoute's rule of an HTTPRoute>. All parts of a rule but the last ask for a header more, which every request has: so
the last comes after them, and istiod takes none of them for the rule after which it may stop. */ -}}
{{- define "ml-mesh.partMatches" -}}
{{- $last := eq (int .part.upTo) 1000000 -}}
{{- $matches := list -}}
{{- range .rule.matches | default ($last | ternary list (list dict)) -}}
{{- $match := deepCopy . -}}
{{- if $.grpc }}{{- $match = include "ml-mesh.grpcMatch" . | fromYaml }}{{- end -}}
{{- if not $last -}}
{{- $any := dict "name" "x-forwarded-proto" "type" "RegularExpression" "value" ".+" -}}
{{- $_ := set $match "headers" (append ($match.headers | default list) $any) -}}
{{- end -}}
{{- $matches = append $matches $match -}}
{{- end -}}
{{- toJson $matches -}}
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
