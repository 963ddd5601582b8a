{{- /* What is wrong with pools and with the routes that lead to them, as a JSON list: the root context. */ -}}
{{- define "ml-mesh.poolErrors" -}}
{{- $errors := list -}}
{{- $pooled := dict -}}
{{- range $name, $values := .Values.pools -}}
{{- if include "ml-mesh.on" $values -}}
{{- $component := get $.Values.components $values.component -}}
{{- if not (include "ml-mesh.on" $component) -}}
{{- $errors = append $errors (printf "pools.%s.component: there is no components.%s, or it is switched off" $name $values.component) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $name, $pool := include "ml-mesh.pools" . | fromJson -}}
{{- $component := get $.Values.components $pool.component -}}
{{- $targets := list -}}
{{- range $pool.targetPorts }}{{- $targets = append $targets (toString (int .number)) -}}{{- end -}}
{{- if and (not $pool.picker.create) (not (dig "picker" "name" "" (get $.Values.pools $name))) -}}
{{- $errors = append $errors (printf "pools.%s.picker.name: with picker.create false it is the name of the Service of the picker that there is" $name) -}}
{{- end -}}
{{- if eq $pool.picker.scrape "plaintext" -}}
{{- $opened := "" -}}
{{- if dig "metrics" "direct" false $component -}}
{{- $opened = include "ml-mesh.containerPort" (dict "component" $component "port" $component.metrics.port) -}}
{{- end -}}
{{- if ne (join "," $targets) $opened -}}
{{- $errors = append $errors (printf "pools.%s.picker.scrape: plaintext needs components.%s.metrics.direct true and its metrics.port to be the one port of targetPorts; or write mtls" $name $pool.component) -}}
{{- end -}}
{{- else if not $pool.picker.serviceAccount -}}
{{- if include "ml-mesh.hasPolicy" (dict "root" $ "name" $pool.component "component" $component "list" "accepts") -}}
{{- $errors = append $errors (printf "pools.%s.picker.serviceAccount: components.%s lets in only whom a rule names, so it must know as whom the picker asks" $name $pool.component) -}}
{{- end -}}
{{- end -}}
{{- if and $pool.picker.create (has (int $pool.picker.port) (list 9003 9090)) -}}
{{- $errors = append $errors (printf "pools.%s.picker.port: the picker has its health on 9003 and its metrics on 9090; take another" $name) -}}
{{- end -}}
{{- $own := dict -}}
{{- if $pool.picker.create }}{{- $_ := set $own $pool.picker.name "picker.name" -}}{{- end -}}
{{- with $pool.picker.scraped }}{{- $_ := set $own . "picker.scrape" -}}{{- end -}}
{{- range $service, $key := $own -}}
{{- $object := printf "Service %s/%s" $pool.namespace $service -}}
{{- if hasKey $pooled $object -}}
{{- $errors = append $errors (printf "pools.%s.%s: its Service %s has the name of one of pools.%s" $name $key $service (get $pooled $object)) -}}
{{- end -}}
{{- $_ := set $pooled $object $name -}}
{{- $other := get $.Values.components $service -}}
{{- if and (include "ml-mesh.on" $other) (eq $pool.namespace (dig "namespace" "" (default dict $other))) -}}
{{- $errors = append $errors (printf "pools.%s.%s: its Service %s has the name of components.%s" $name $key $service $service) -}}
{{- end -}}
{{- end -}}
{{- if $pool.picker.create -}}
{{- $object := printf "ServiceAccount %s/%s" $pool.namespace $pool.picker.serviceAccount -}}
{{- $others := list -}}
{{- with get $pooled $object }}{{- $others = append $others (printf "pools.%s" .) -}}{{- end -}}
{{- range $other, $component := $.Values.components -}}
{{- if and (include "ml-mesh.on" $component) (dig "workload" dict $component) (dig "serviceAccount" "create" true $component) -}}
{{- $account := include "ml-mesh.serviceAccountName" (dict "name" $other "component" $component) -}}
{{- if eq $object (printf "ServiceAccount %s/%s" $component.namespace $account) }}{{- $others = append $others (printf "components.%s" $other) -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- range $others -}}
{{- $errors = append $errors (printf "pools.%s.picker.serviceAccount: %s creates %s too; give the picker one of its own" $name . $pool.picker.serviceAccount) -}}
{{- end -}}
{{- $_ := set $pooled $object $name -}}
{{- end -}}
{{- range $map := list "objectives" "rewrites" -}}
{{- range $key, $item := get $pool $map -}}
{{- $object := printf "%s %s/%s" $map $pool.namespace $key -}}
{{- if include "ml-mesh.on" $item -}}
{{- if hasKey $pooled $object -}}
{{- $errors = append $errors (printf "pools.%s.%s.%s: pools.%s has one of that name too, and they are objects of one namespace" $name $map $key (get $pooled $object)) -}}
{{- end -}}
{{- $_ := set $pooled $object $name -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $name, $route := .Values.routes -}}
{{- if include "ml-mesh.on" $route -}}
{{- range $key, $rule := $route.rules -}}
{{- if include "ml-mesh.on" $rule -}}
{{- $path := printf "routes.%s.rules.%s" $name $key -}}
{{- $leads := false -}}
{{- $sum := 0 -}}
{{- range $backend, $settings := $rule.backends -}}
{{- if include "ml-mesh.on" $settings -}}
{{- $sum = add $sum (hasKey $settings "weight" | ternary (int $settings.weight) 1) -}}
{{- if eq (default "Service" $settings.kind) "InferencePool" -}}
{{- $leads = true -}}
{{- $pool := get (include "ml-mesh.pools" $ | fromJson) $backend -}}
{{- if not $pool -}}
{{- $errors = append $errors (printf "%s.backends.%s: there is no pools.%s, or it is switched off" $path $backend $backend) -}}
{{- else -}}
{{- if ne $pool.namespace $route.namespace -}}
{{- $errors = append $errors (printf "%s.backends.%s: pools.%s is in the namespace of components.%s, and the route in another" $path $backend $backend $pool.component) -}}
{{- end -}}
{{- $denied := get $.Values.authorization.defaultDeny $pool.namespace -}}
{{- if not (include "ml-mesh.letsIn" (dict "root" $ "name" $pool.component "map" "gateways" "caller" $route.gateway "denied" $denied)) -}}
{{- $errors = append $errors (printf "%s.backends.%s: no rule of components.%s.accepts names gateways.%s, so the requests would be refused" $path $backend $pool.component $route.gateway) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if $leads -}}
{{- if and (eq $route.kind "GRPCRoute") (eq (toString $route.timeouts) "false") -}}
{{- $errors = append $errors (printf "%s: for a GRPCRoute Istio asks no picker; leave out routes.%s.timeouts, and it is rendered as an HTTPRoute" $path $name) -}}
{{- end -}}
{{- if (default dict $rule.rule).name -}}
{{- $errors = append $errors (printf "%s.rule.name: Istio finds a rule's picker by its name, and two of one name share one; leave it out" $path) -}}
{{- end -}}
{{- range $filter := (default dict $rule.rule).filters -}}
{{- if eq (default "" $filter.type) "CORS" -}}
{{- $errors = append $errors (printf "%s.rule.filters: a CORS filter takes the place of the picker; answer preflight requests by a rule for OPTIONS to a Service" $path) -}}
{{- end -}}
{{- end -}}
{{- if eq (int $sum) 0 -}}
{{- $errors = append $errors (printf "%s.backends: no backend that is switched on has a weight above 0" $path) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $errors -}}
{{- end -}}
