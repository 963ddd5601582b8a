{{- /* What gateways ask by ext_proc, and what asks the API server: endpoint pickers and body routers. */ -}}

{{- /* What reaches one, as YAML: dict "root" $ "port" <its port of ext_proc> "gateways" <map by key of who asks>. */ -}}
{{- define "ml-mesh.processorIngress" -}}
# Metrics: its own, and of its sidecar.
- ports:
    - {port: 9090, protocol: TCP}
    - {port: 15020, protocol: TCP}
    - {port: 15021, protocol: TCP}
    - {port: 15090, protocol: TCP}
{{- range $key, $_ := .gateways }}
{{- $gateway := get $.root.Values.gateways $key }}
{{- if include "ml-mesh.on" $gateway }}
- from:
    {{- $labels := include "ml-mesh.gatewayPods" (dict "name" $key "gateway" $gateway) | fromJson }}
    {{- include "ml-mesh.peer" (dict "root" $.root "key" $gateway.namespace "labels" $labels) | nindent 4 }}
  ports:
    - {port: {{ int $.port }}, protocol: TCP}
{{- end }}
{{- end }}
{{- end -}}

{{- /* What it reaches, as YAML: dict "root" $. */ -}}
{{- define "ml-mesh.processorEgress" -}}
- ports:
    - {port: 53, protocol: UDP}
    - {port: 53, protocol: TCP}
- to:
    - namespaceSelector:
        matchLabels:
          kubernetes.io/metadata.name: {{ toYaml .root.Values.policy.mesh.rootNamespace }}
  ports:
    - {port: 15012, protocol: TCP}
# The API server: policies know no names.
- to:
    - ipBlock: {cidr: 0.0.0.0/0}
    - ipBlock: {cidr: "::/0"}
  ports:
    - {port: 443, protocol: TCP}
    - {port: 6443, protocol: TCP}
{{- with .root.Values.networkPolicies.egress.always }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- /* The body routers of the gateways that have one, as JSON by gateway: what the values say, over files/body-routing.yaml,
with namespace (a key), name, and pooled (whether a route of the gateway leads to a pool): the root context. */ -}}
{{- define "ml-mesh.bodyRouters" -}}
{{- $routers := dict -}}
{{- $pooled := include "ml-mesh.poolGateways" (dict "root" .) | fromJson -}}
{{- range $name, $gateway := .Values.gateways -}}
{{- if and (include "ml-mesh.on" $gateway) $gateway.bodyRouting (dig "bodyRouting" "enabled" true $gateway) -}}
{{- $router := mergeOverwrite ($.Files.Get "files/body-routing.yaml" | fromYaml) (deepCopy ($gateway.bodyRouting | default dict)) -}}
{{- $_ := set $router "namespace" $gateway.namespace -}}
{{- $_ := set $router "name" (include "ml-mesh.cut" (dict "name" $name "suffix" "-body-router")) -}}
{{- $_ := set $router "pooled" (hasKey $pooled $name) -}}
{{- $_ := set $routers $name $router -}}
{{- end -}}
{{- end -}}
{{- toJson $routers -}}
{{- end -}}
