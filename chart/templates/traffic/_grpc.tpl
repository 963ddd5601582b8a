{{- /* The hosts behind gRPC routes that are to have timeouts, for callers in the mesh, as JSON by "<namespace's key>/<host>":
host, namespace, from (the route's path in the values) and rules, which have name, port and match, the most specific
first. A host that models or llm routes is not among them: Istio takes only one VirtualService for it. */ -}}
{{- define "ml-mesh.grpcHosts" -}}
{{- $hosts := dict -}}
{{- range $name, $route := .Values.routes -}}
{{- if and (include "ml-mesh.on" $route) (eq $route.kind "GRPCRoute") (ne (toString $route.timeouts) "false") -}}
{{- range $key, $rule := $route.rules -}}
{{- if include "ml-mesh.on" $rule -}}
{{- range $host, $backend := $rule.backends -}}
{{- $where := include "ml-mesh.backendKey" (dict "route" $route "backend" $backend) -}}
{{- $routed := false -}}
{{- range $other := list (get ($.Values.models | default dict) $host) (get ($.Values.llm | default dict) $host) -}}
{{- if and (include "ml-mesh.on" $other) (eq $where (dig "namespace" "" (default dict $other))) -}}{{- $routed = true -}}{{- end -}}
{{- end -}}
{{- if and (include "ml-mesh.on" $backend) (not $routed) (eq (default "Service" $backend.kind) "Service") -}}
{{- $place := printf "%s/%s" $where $host -}}
{{- $found := get $hosts $place | default (dict "host" $host "namespace" $where "from" (printf "routes.%s" $name) "rules" dict) -}}
{{- range $index, $match := $rule.matches | default (list dict) -}}
{{- $uri := dict -}}
{{- with $match.method -}}{{- $uri = include "ml-mesh.grpcPath" . | fromYaml -}}{{- end -}}
{{- $rank := get (dict "Exact" 0 "PathPrefix" 1 "RegularExpression" 2) (default "" $uri.type) | toString | default "3" -}}
{{- $order := printf "%s %05d %03d %s %s %03d" $rank (sub 99999 (len (default "" $uri.value))) (sub 999 (len (default list $match.headers))) $name $key $index -}}
{{- $_ := set $found.rules $order (dict "name" $key "port" $backend.port "uri" $uri "headers" (default list $match.headers)) -}}
{{- end -}}
{{- $_ := set $hosts $place $found -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $hosts -}}
{{- end -}}
