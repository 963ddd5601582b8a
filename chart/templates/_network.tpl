{{- /* The rules of NetworkPolicies. They see pods and ports, not identities: those are left to AuthorizationPolicies. */ -}}

{{- /* A peer: pods of one namespace as YAML: dict "root" $ "key" <key of .Values.namespaces> or "name" <its name> "labels" <map,
or nil for all>. */ -}}
{{- define "ml-mesh.peer" -}}
- namespaceSelector:
    matchLabels:
      kubernetes.io/metadata.name: {{ .name | default (include "ml-mesh.namespace" (dict "root" .root "key" (default "" .key))) | toYaml }}
  {{- with .labels }}
  podSelector:
    matchLabels:
      {{- toYaml . | nindent 6 }}
  {{- end }}
{{- end -}}

{{- /* The peers of a rule of `accepts`, as YAML: dict "root" $ "rule" <the rule>. */ -}}
{{- define "ml-mesh.rulePeers" -}}
{{- $root := .root -}}
{{- range $key, $named := .rule.callers }}
{{- $caller := get $root.Values.callers $key }}
{{- if and $named (include "ml-mesh.on" $caller) }}
{{ include "ml-mesh.peer" (dict "root" $root "key" $caller.namespace) }}
{{- end }}
{{- end }}
{{- range $key, $named := .rule.gateways }}
{{- $gateway := get $root.Values.gateways $key }}
{{- if and $named (include "ml-mesh.on" $gateway) }}
{{ include "ml-mesh.peer" (dict "root" $root "key" $gateway.namespace "labels" (include "ml-mesh.gatewayPods" (dict "name" $key "gateway" $gateway) | fromJson)) }}
{{- end }}
{{- end }}
{{- range $key, $named := .rule.components }}
{{- $component := get $root.Values.components $key }}
{{- if and $named (include "ml-mesh.on" $component) }}
{{ include "ml-mesh.peer" (dict "root" $root "key" $component.namespace "labels" $component.selector) }}
{{- end }}
{{- end }}
{{- end -}}

{{- /* What reaches the pods of a component, as YAML: dict "root" $ "name" <component> "component" <its values>. */ -}}
{{- define "ml-mesh.ingress" -}}
{{- $root := .root -}}
{{- $component := .component -}}
# The sidecar's merged metrics, readiness and own metrics.
- ports:
    - {port: 15020, protocol: TCP}
    - {port: 15021, protocol: TCP}
    - {port: 15090, protocol: TCP}
    {{- if dig "metrics" "direct" false $component }}
    - {port: {{ include "ml-mesh.containerPort" (dict "component" $component "port" $component.metrics.port) }}, protocol: TCP}
    {{- end }}
# Pods of one component among themselves.
- from:
    - podSelector:
        matchLabels:
          {{- toYaml $component.selector | nindent 10 }}
{{- range $scraper := include "ml-mesh.scrapers" (dict "root" $root "name" .name) | fromJsonArray }}
# The endpoint picker of the pool {{ $scraper.pool }} asks for metrics.
- from:
    {{- include "ml-mesh.peer" (merge (dict "root" $root) $scraper) | nindent 4 }}
  ports:
    {{- range $scraper.ports }}
    - {port: {{ int . }}, protocol: TCP}
    {{- end }}
{{- end }}
{{- range $rule := $component.accepts }}
{{- if include "ml-mesh.on" $rule }}
{{- $admitted := dict }}
{{- with include "ml-mesh.rulePeers" (dict "root" $root "rule" $rule) | fromYamlArray }}{{- $_ := set $admitted "from" . }}{{- end }}
{{- with $rule.ports }}
{{- $ports := list }}
{{- range $port := . }}
{{- $number := include "ml-mesh.containerPort" (dict "component" $component "port" $port) | int }}
{{- $settings := get ($component.ports | default dict) (toString $port) | default dict }}
{{- $ports = append $ports (dict "port" $number "protocol" ($settings.protocol | default "TCP")) }}
{{- end }}
{{- /* By the last one callers in ambient mode come. */}}
{{- $_ := set $admitted "ports" (append $ports (dict "port" 15008 "protocol" "TCP")) }}
{{- end }}
{{- /* A rule that names nobody demands a token, whoever sends it. */}}
{{ list $admitted | toYaml }}
{{- end }}
{{- end }}
{{- end -}}

{{- /* The pods behind hosts that a component calls, as a JSON list of dicts with key and labels: dict "root" $ "call" <an item
of ml-mesh.calls>. Of a host that is no component's only the namespace is known, by its key or, of a full name, its name. */ -}}
{{- define "ml-mesh.calledPods" -}}
{{- $root := .root -}}
{{- $hosts := list -}}
{{- range $map := list "components" "models" "llm" -}}
{{- range $key, $_ := get $.call $map -}}
{{- $callee := get (get $root.Values $map) $key -}}
{{- $hosts = append $hosts (dict "host" $key "key" $callee.namespace) -}}
{{- $model := get $root.Values.models $key -}}
{{- if and (include "ml-mesh.on" $model) (eq $callee.namespace (dig "namespace" "" (default dict $model))) -}}
{{- range $version := $model.versions -}}
{{- if include "ml-mesh.on" $version }}{{- $hosts = append $hosts (dict "host" $version.host "key" $model.namespace) -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $pods := list -}}
{{- range $hosts -}}
{{- $component := get $root.Values.components .host -}}
{{- if and (include "ml-mesh.on" $component) (eq .key (dig "namespace" "" (default dict $component))) -}}
{{- $pods = append $pods (dict "key" .key "labels" $component.selector) -}}
{{- else if not (contains "." .host) -}}
{{- $pods = append $pods (dict "key" .key) -}}
{{- else if hasSuffix (printf ".svc.%s" $root.Values.policy.mesh.clusterDomain) .host -}}
{{- $pods = append $pods (dict "name" (splitList "." .host | rest | first)) -}}
{{- end -}}
{{- end -}}
{{- $pods | uniq | toJson -}}
{{- end -}}

{{- /* What the pods of a component reach, as YAML: dict "root" $ "component" <its values> "call" <its item of
ml-mesh.calls>. */ -}}
{{- define "ml-mesh.egress" -}}
{{- $root := .root -}}
# DNS, and istiod, from which the sidecar has its certificate and its configuration.
- ports:
    - {port: 53, protocol: UDP}
    - {port: 53, protocol: TCP}
- to:
    - namespaceSelector:
        matchLabels:
          kubernetes.io/metadata.name: {{ toYaml $root.Values.policy.mesh.rootNamespace }}
  ports:
    - {port: 15012, protocol: TCP}
# Pods of one component among themselves.
- to:
    - podSelector:
        matchLabels:
          {{- toYaml .component.selector | nindent 10 }}
{{- if eq .component.role "monitoring" }}
# Who scrapes asks every pod.
- to:
    - namespaceSelector: {}
{{- end }}
{{- range include "ml-mesh.calledPods" . | fromJsonArray }}
- to:
    {{- include "ml-mesh.peer" (merge (dict "root" $root) .) | nindent 4 }}
{{- end }}
{{- $ports := list -}}
{{- range $calls := .call.hosts -}}
{{- range $call := $calls }}{{- $ports = append $ports ($call.targetPort | default $call.port | int) }}{{- end -}}
{{- end -}}
{{- with $ports | uniq | sortAlpha }}
# Hosts outside: policies know no names.
- to:
    - ipBlock: {cidr: 0.0.0.0/0}
    - ipBlock: {cidr: "::/0"}
  ports:
    {{- range . }}
    - {port: {{ . }}, protocol: TCP}
    {{- end }}
{{- end }}
{{- with $root.Values.networkPolicies.egress.always }}
{{ toYaml . }}
{{- end }}
{{- end -}}
