{{- /* Gateways, and who is let in to them and from them by other namespaces. */ -}}

{{- /* Whether this release creates a gateway: its values. */ -}}
{{- define "ml-mesh.createsGateway" -}}
{{- if and (include "ml-mesh.on" .) (dig "create" true .) }}true{{ end -}}
{{- end -}}

{{- /* The labels of a gateway's pods, as JSON: dict "name" <gateway> "gateway" <its values>. */ -}}
{{- define "ml-mesh.gatewayPods" -}}
{{- .gateway.podLabels | default (dict "gateway.networking.k8s.io/gateway-name" .name) | toJson -}}
{{- end -}}

{{- /* What binds a rule to a gateway's pods, as YAML: dict "name" <gateway> "gateway" <its values> "kind" <the rule's>. By
targetRefs Istio finds only pods with the label that istiod gives to those that it deploys. */ -}}
{{- define "ml-mesh.gatewayTarget" -}}
{{- if not .gateway.podLabels -}}
targetRefs:
  - group: gateway.networking.k8s.io
    kind: Gateway
    name: {{ toYaml .name }}
{{- else if eq .kind "EnvoyFilter" -}}
workloadSelector:
  labels:
    {{- toYaml .gateway.podLabels | nindent 4 }}
{{- else -}}
selector:
  matchLabels:
    {{- toYaml .gateway.podLabels | nindent 4 }}
{{- end -}}
{{- end -}}

{{- /* The key of the namespace in which the backend of a route is: dict "route" <its values> "backend" <its values>. */ -}}
{{- define "ml-mesh.backendKey" -}}
{{- .backend.namespace | default .route.namespace -}}
{{- end -}}

{{- /* The kind of object that a route is rendered as: its values. A GRPCRoute that is to have timeouts is an HTTPRoute. */ -}}
{{- define "ml-mesh.routeKind" -}}
{{- and (eq .kind "GRPCRoute") (ne (toString .timeouts) "false") | ternary "HTTPRoute" .kind -}}
{{- end -}}

{{- /* From which namespaces a listener must take routes, as a JSON list of their names; empty where it is its own alone: dict
"root" $ "gateway" <name> "listener" <name>. */ -}}
{{- define "ml-mesh.routeNamespaces" -}}
{{- $root := .root -}}
{{- $own := (get .root.Values.gateways .gateway).namespace -}}
{{- $others := list -}}
{{- range $route := .root.Values.routes -}}
{{- $attached := and (include "ml-mesh.on" $route) (eq $route.gateway $.gateway) (has (default "" $route.listener) (list "" $.listener)) -}}
{{- if and $attached (ne $route.namespace $own) -}}
{{- $others = append $others (include "ml-mesh.namespace" (dict "root" $root "key" $route.namespace)) -}}
{{- end -}}
{{- end -}}
{{- with $others -}}
{{- append . (include "ml-mesh.namespace" (dict "root" $root "key" $own)) | uniq | sortAlpha | toJson -}}
{{- else -}}
[]
{{- end -}}
{{- end -}}

{{- /* The ReferenceGrants that gateways and routes need, as JSON by "<namespace's key>/<name>": key, name, from (kind and
namespace) and to (kind and names): the root context. Only in namespaces that the values name: others have owners. */ -}}
{{- define "ml-mesh.grants" -}}
{{- $grants := dict -}}
{{- $keys := dict -}}
{{- range $key, $namespace := .Values.namespaces -}}
{{- $ours := or (ne (toString $.Values.scope) "team") (eq $.Release.Namespace (dig "name" "" ($namespace | default dict))) -}}
{{- if and $namespace $ours }}{{- $_ := set $keys $namespace.name $key }}{{- end -}}
{{- end -}}
{{- range $name, $gateway := .Values.gateways -}}
{{- if include "ml-mesh.createsGateway" $gateway -}}
{{- $own := include "ml-mesh.namespace" (dict "root" $ "key" $gateway.namespace) -}}
{{- range $listener := $gateway.listeners -}}
{{- if include "ml-mesh.on" $listener -}}
{{- range $reference := ($listener.tls | default dict).certificateRefs -}}
{{- $key := get $keys (default "" $reference.namespace) -}}
{{- if and $key (ne $reference.namespace $own) -}}
{{- $unique := include "ml-mesh.cut" (dict "name" $name "suffix" "-certificates") -}}
{{- $place := printf "%s/%s" $key $unique -}}
{{- $names := append (dig $place "to" "names" list $grants) $reference.name | uniq | sortAlpha -}}
{{- $_ := set $grants $place (dict "key" $key "name" $unique "from" (dict "kind" "Gateway" "namespace" $own) "to" (dict "kind" "Secret" "names" $names)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $name, $route := .Values.routes -}}
{{- if include "ml-mesh.on" $route -}}
{{- $own := include "ml-mesh.namespace" (dict "root" $ "key" $route.namespace) -}}
{{- range $rule := $route.rules -}}
{{- if include "ml-mesh.on" $rule -}}
{{- range $host, $backend := $rule.backends -}}
{{- if include "ml-mesh.on" $backend -}}
{{- $key := include "ml-mesh.backendKey" (dict "route" $route "backend" $backend) -}}
{{- if ne $key $route.namespace -}}
{{- $unique := include "ml-mesh.cut" (dict "name" $name "suffix" "-backends") -}}
{{- $place := printf "%s/%s" $key $unique -}}
{{- $names := append (dig $place "to" "names" list $grants) $host | uniq | sortAlpha -}}
{{- $_ := set $grants $place (dict "key" $key "name" $unique "from" (dict "kind" (include "ml-mesh.routeKind" $route) "namespace" $own) "to" (dict "kind" "Service" "names" $names)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $grants -}}
{{- end -}}
