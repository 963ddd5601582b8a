{{- /* What `helm test` asks, as lines of a shell script, and in whose namespaces: the root context. */ -}}

{{- /* The checks, one a line. */ -}}
{{- define "ml-mesh.testChecks" -}}
{{- range $name, $gateway := .Values.gateways }}
{{- if include "ml-mesh.createsGateway" $gateway }}
{{- $place := printf "%s %s" $name (include "ml-mesh.namespace" (dict "root" $ "key" $gateway.namespace)) }}
holds gateways {{ $place }} Programmed '{.status.conditions[?(@.type=="Programmed")].status}'
{{- range $listener, $settings := $gateway.listeners }}
{{- if include "ml-mesh.on" $settings }}
{{- range $condition := list "Accepted" "ResolvedRefs" }}
holds gateways {{ $place }} 'listener {{ $listener }}: {{ $condition }}' '{.status.listeners[?(@.name=="{{ $listener }}")].conditions[?(@.type=="{{ $condition }}")].status}'
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- range $name, $route := .Values.routes }}
{{- if include "ml-mesh.on" $route }}
{{- $kind := printf "%ss" (include "ml-mesh.routeKind" $route | lower) }}
{{- range $condition := list "Accepted" "ResolvedRefs" }}
holds {{ $kind }} {{ $name }} {{ include "ml-mesh.namespace" (dict "root" $ "key" $route.namespace) }} {{ $condition }} '{.status.parents[0].conditions[?(@.type=="{{ $condition }}")].status}'
{{- end }}
{{- with dig "test" "path" "" $route | default (eq $route.kind "HTTPRoute" | ternary $.Values.test.path "") }}
{{- $gateway := get $.Values.gateways $route.gateway }}
{{- if not (include "ml-mesh.testReads" (dict "root" $ "gateway" $gateway)) }}
echo 'left out  {{ . }} through {{ $route.gateway }}: it is in a namespace in which a release of a team has no rights'
{{- else }}
{{- $listener := include "ml-mesh.testListener" (dict "route" $route "gateway" $gateway) | fromJson }}
{{- $host := $route.hostnames | default list | first | default "localhost" | replace "*" "test" }}
answers {{ $route.gateway }} {{ include "ml-mesh.namespace" (dict "root" $ "key" $gateway.namespace) }} {{ int $listener.port }} '{{ has $listener.protocol (list "HTTPS" "TLS") | ternary "https" "http" }}://{{ $host }}:{{ int $listener.port }}{{ . }}'
{{- end }}
{{- end }}
{{- end }}
{{- end }}
there configmaps {{ .Release.Name }}-mesh-policy {{ .Release.Namespace }}
{{- range include "ml-mesh.testWorkloads" . | fromJsonArray }}
stamped {{ .resource }}.{{ .group }} {{ .name }} {{ .namespace }}{{ if eq .resource "jobs" }} --ignore-not-found{{ end }}
{{- end }}
{{- end -}}

{{- /* The workloads that the post-renderer stamps, as a JSON list of {resource, group, name, namespace}: the root context. */ -}}
{{- define "ml-mesh.testWorkloads" -}}
{{- $found := list -}}
{{- range $name, $component := .Values.components -}}
{{- if and $.Values.postRenderer.required (include "ml-mesh.on" $component) (dig "workload" dict $component) -}}
{{- $kind := $component.workload.kind -}}
{{- $text := include "ml-mesh.workloadSpec" (dict "name" $name "component" $component) -}}
{{- $spec := fromYaml $text -}}
{{- if eq $kind "CronJob" }}{{- $spec = $spec.jobTemplate.spec -}}{{- end -}}
{{- if include "ml-mesh.testStamped" $spec.template -}}
{{- $unique := include "ml-mesh.workloadName" (dict "root" $ "name" $name "component" $component "spec" $text) -}}
{{- $found = append $found (dict
  "resource" (printf "%ss" (lower $kind))
  "group" (has $kind (list "Job" "CronJob") | ternary "batch" "apps")
  "name" (include "ml-mesh.unique" (dict "root" $ "name" $unique "limit" (include "ml-mesh.workloadLimit" $kind)))
  "namespace" (include "ml-mesh.namespace" (dict "root" $ "key" $component.namespace))
) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $found -}}
{{- end -}}

{{- /* Whether a pod template is one that the post-renderer changes for sure: it has a sidecar, and says nothing of its size. */ -}}
{{- define "ml-mesh.testStamped" -}}
{{- $labels := .metadata.labels -}}
{{- $annotations := .metadata.annotations | default dict -}}
{{- $key := "sidecar.istio.io/inject" -}}
{{- $inject := hasKey $labels $key | ternary (get $labels $key) (get $annotations $key) -}}
{{- $left := or (eq (toString $inject) "false") .spec.hostNetwork (contains "gateway" (get $annotations "inject.istio.io/templates" | toString)) -}}
{{- range $name, $_ := $annotations -}}
{{- if or (hasPrefix "sidecar.istio.io/proxy" $name) (eq $name "proxy.istio.io/config") }}{{- $left = true -}}{{- end -}}
{{- end -}}
{{- if not $left }}true{{ end -}}
{{- end -}}

{{- /* The listener that a route is asked through, as JSON: its own, or the one with the lowest port: dict "route" "gateway". */ -}}
{{- define "ml-mesh.testListener" -}}
{{- $found := dict -}}
{{- range $name, $settings := .gateway.listeners -}}
{{- if and (include "ml-mesh.on" $settings) (or (not $.route.listener) (eq $.route.listener $name)) -}}
{{- if or (not $found) (lt (int $settings.port) (int $found.port)) }}{{- $found = $settings -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $found -}}
{{- end -}}

{{- /* Whether the test may read a gateway, for its address: dict "root" $ "gateway" <its values>. One that is there already is
somebody else's, and so may its namespace be. */ -}}
{{- define "ml-mesh.testReads" -}}
{{- if or (include "ml-mesh.createsGateway" .gateway) (ne (toString .root.Values.scope) "team") }}true{{ end -}}
{{- end -}}

{{- /* The namespaces that are asked, as a JSON list: the root context. */ -}}
{{- define "ml-mesh.testNamespaces" -}}
{{- $names := list .Release.Namespace -}}
{{- range $gateway := .Values.gateways -}}
{{- if include "ml-mesh.createsGateway" $gateway }}{{- $names = append $names (include "ml-mesh.namespace" (dict "root" $ "key" $gateway.namespace)) -}}{{- end -}}
{{- end -}}
{{- range $route := .Values.routes -}}
{{- if include "ml-mesh.on" $route -}}
{{- $names = append $names (include "ml-mesh.namespace" (dict "root" $ "key" $route.namespace)) -}}
{{- $gateway := get $.Values.gateways $route.gateway -}}
{{- $asked := dig "test" "path" "" $route | default (eq $route.kind "HTTPRoute" | ternary $.Values.test.path "") -}}
{{- if and $asked (include "ml-mesh.testReads" (dict "root" $ "gateway" $gateway)) -}}
{{- $names = append $names (include "ml-mesh.namespace" (dict "root" $ "key" $gateway.namespace)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range include "ml-mesh.testWorkloads" . | fromJsonArray }}{{- $names = append $names .namespace -}}{{- end -}}
{{- $names | uniq | toJson -}}
{{- end -}}

{{- /* Metadata of what `helm test` makes: dict "root" $ "namespace" <name> "weight" <of the hook> "labels" <more of them>. */ -}}
{{- define "ml-mesh.testMetadata" -}}
name: {{ include "ml-mesh.cut" (dict "name" .root.Release.Name "suffix" "-test") }}
namespace: {{ toYaml .namespace }}
labels:
  {{- include "ml-mesh.labels" .root | nindent 2 }}
  {{- with .labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
annotations:
  helm.sh/hook: test
  helm.sh/hook-weight: {{ .weight | quote }}
  helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end -}}
