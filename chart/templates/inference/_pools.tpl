{{- /* The pools that are switched on, as JSON by name: what the values say, over files/pools.yaml, with namespace (a key), the
selector of its pods, shadow (the name of the Service that istiod makes of the pool), and of its picker the name, the
serviceAccount, sidecar (whether it has one) and scraped (the name of the headless Service for its scrapes, or nothing): the
root context. Pools of no component are left out; checks.yaml tells of them. */ -}}
{{- define "ml-mesh.pools" -}}
{{- $pools := dict -}}
{{- range $name, $values := .Values.pools -}}
{{- $component := get $.Values.components (dig "component" "" (default dict $values)) -}}
{{- if and (include "ml-mesh.on" $values) (include "ml-mesh.on" $component) -}}
{{- $pool := mergeOverwrite ($.Files.Get "files/pools.yaml" | fromYaml) (deepCopy $values) -}}
{{- $_ := set $pool "namespace" $component.namespace -}}
{{- $_ := set $pool "selector" (merge (dict) $pool.selector $component.selector) -}}
{{- $_ := set $pool "shadow" (printf "%s-ip-%s" (trunc 51 $name) (sha256sum $name | trunc 8)) -}}
{{- $picker := $pool.picker -}}
{{- $_ := set $picker "name" ($picker.name | default (include "ml-mesh.cut" (dict "name" $name "suffix" "-picker"))) -}}
{{- if $picker.create -}}
{{- $_ := set $picker "serviceAccount" ($picker.serviceAccount | default $picker.name) -}}
{{- end -}}
{{- $_ := set $picker "sidecar" (eq $picker.scrape "mtls") -}}
{{- $_ := set $picker "scraped" ($picker.sidecar | ternary (include "ml-mesh.cut" (dict "name" $name "suffix" "-scraped")) "") -}}
{{- $_ := set $pools $name $pool -}}
{{- end -}}
{{- end -}}
{{- toJson $pools -}}
{{- end -}}

{{- /* The parts of a rule of a route, as a JSON list of dicts with backends (names) and upTo: of which millionth of the
requests on the next part takes over. A rule is one part, but of a rule that splits requests among pools each backend is one:
Istio gives a rule one picker, that of its last backend. dict "rule" <the rule>. */ -}}
{{- define "ml-mesh.ruleParts" -}}
{{- $names := list -}}
{{- $pooled := false -}}
{{- $total := 0 -}}
{{- range $name, $backend := .rule.backends -}}
{{- if include "ml-mesh.on" $backend -}}
{{- $weight := hasKey $backend "weight" | ternary (int $backend.weight) 1 -}}
{{- $names = append $names (dict "name" $name "weight" $weight) -}}
{{- $total = add $total $weight -}}
{{- if eq (default "Service" $backend.kind) "InferencePool" }}{{- $pooled = true -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- $parts := list -}}
{{- if and $pooled (gt (len $names) 1) (gt (int $total) 0) -}}
{{- $before := 0 -}}
{{- range $names -}}
{{- if gt (int .weight) 0 -}}
{{- $before = add $before .weight -}}
{{- $parts = append $parts (dict "backends" (list .name) "upTo" (div (mul $before 1000000) $total)) -}}
{{- end -}}
{{- end -}}
{{- else -}}
{{- $all := list -}}
{{- range $names }}{{- $all = append $all .name -}}{{- end -}}
{{- $parts = list (dict "backends" $all "upTo" 1000000) -}}
{{- end -}}
{{- toJson $parts -}}
{{- end -}}

{{- /* The gateways, as a JSON map of true by key, whose routes lead to a pool: dict "root" $ "pool" <its name>, or no pool
for any. */ -}}
{{- define "ml-mesh.poolGateways" -}}
{{- $pool := .pool -}}
{{- $gateways := dict -}}
{{- range $route := .root.Values.routes -}}
{{- if include "ml-mesh.on" $route -}}
{{- range $rule := $route.rules -}}
{{- if include "ml-mesh.on" $rule -}}
{{- range $name, $backend := $rule.backends -}}
{{- if and (include "ml-mesh.on" $backend) (eq (default "Service" $backend.kind) "InferencePool") (or (not $pool) (eq $name $pool)) -}}
{{- $_ := set $gateways $route.gateway true -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $gateways -}}
{{- end -}}

{{- /* The same field as ml-mesh.exportTo for the rules of a pool, which gateways elsewhere must see: dict "root" $ "pool" <its
name>. */ -}}
{{- define "ml-mesh.poolExportTo" -}}
{{- if include "ml-mesh.exportTo" .root -}}
{{- $seen := list "." -}}
{{- range $key, $_ := include "ml-mesh.poolGateways" . | fromJson -}}
{{- $place := include "ml-mesh.namespace" (dict "root" $.root "key" (get $.root.Values.gateways $key).namespace) -}}
{{- if ne $place $.root.Release.Namespace }}{{- $seen = append $seen $place -}}{{- end -}}
{{- end -}}
exportTo: {{ $seen | uniq | toJson }}
{{- end -}}
{{- end -}}

{{- /* Who asks the pods of a component for metrics, as the picker of a pool: a JSON list of dicts with pool, key, labels (none
of a picker that is somebody else's), serviceAccount, sidecar and ports: dict "root" $ "name" <component>. */ -}}
{{- define "ml-mesh.scrapers" -}}
{{- $component := .name -}}
{{- $scrapers := list -}}
{{- range $name, $pool := include "ml-mesh.pools" .root | fromJson -}}
{{- if eq $pool.component $component -}}
{{- $ports := list -}}
{{- range $pool.targetPorts }}{{- $ports = append $ports (int .number) -}}{{- end -}}
{{- $scraper := dict "pool" $name "key" $pool.namespace "ports" $ports "sidecar" $pool.picker.sidecar -}}
{{- $_ := set $scraper "serviceAccount" $pool.picker.serviceAccount -}}
{{- if $pool.picker.create }}{{- $_ := set $scraper "labels" (dict "app" $pool.picker.name) }}{{- end -}}
{{- $scrapers = append $scrapers $scraper -}}
{{- end -}}
{{- end -}}
{{- toJson $scrapers -}}
{{- end -}}

{{- /* The words that start a picker, as a JSON list: dict "root" $ "name" <pool> "pool" <an item of ml-mesh.pools>. */ -}}
{{- define "ml-mesh.pickerArguments" -}}
{{- $picker := .pool.picker -}}
{{- $words := list
  (printf "--pool-name=%s" .name)
  (printf "--pool-namespace=%s" (include "ml-mesh.namespace" (dict "root" .root "key" .pool.namespace)))
  (printf "--grpc-port=%d" (int $picker.port))
  "--metrics-endpoint-auth=false"
  "--tracing=false"
-}}
{{- with $picker.config -}}
{{- $words = append $words (printf "--config-text=%s" (toJson .)) -}}
{{- end -}}
{{- if gt (int $picker.replicas) 1 -}}
{{- $words = append $words "--ha-enable-leader-election" -}}
{{- end -}}
{{- range $flag, $value := $picker.flags -}}
{{- $words = append $words (printf "--%s=%s" $flag (toString $value)) -}}
{{- end -}}
{{- toJson $words -}}
{{- end -}}
