{{- /* How the requests that name no version are split, as JSON: weights by version, of those that may get any: dict "model"
<its values>. A mirrored version answers nobody. The only version there is gets all without saying so. */ -}}
{{- define "ml-mesh.weights" -}}
{{- $canary := .model.canary -}}
{{- $weights := dict -}}
{{- $live := list -}}
{{- range $name, $version := .model.versions -}}
{{- if and (include "ml-mesh.on" $version) (not (hasKey $version "mirror")) -}}
{{- $live = append $live $name -}}
{{- if not (include "ml-mesh.on" $canary) -}}
{{- with $version.weight }}{{- $_ := set $weights $name (int .) -}}{{- end -}}
{{- else if eq $name $canary.to -}}
{{- $_ := set $weights $name (int $canary.weight) -}}
{{- else if eq $name $canary.from -}}
{{- $_ := set $weights $name (sub 100 (int $canary.weight) | int) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and (eq (len $live) 1) (not (include "ml-mesh.on" $canary)) (not (hasKey (get .model.versions (first $live)) "weight")) -}}
{{- $_ := set $weights (first $live) 100 -}}
{{- end -}}
{{- toJson $weights -}}
{{- end -}}

{{- /* The traffic policy of the hosts of a model or an LLM service, as JSON: dict "service" <its values>. Empty where it asks
for none: the DestinationRule is not rendered then. */ -}}
{{- define "ml-mesh.trafficPolicy" -}}
{{- $breaker := .service.circuitBreaker -}}
{{- $policy := dict -}}
{{- $balancer := dict -}}
{{- if include "ml-mesh.on" $breaker -}}
{{- $policy = deepCopy ($breaker.trafficPolicy | default dict) -}}
{{- $balancer = $policy.loadBalancer | default dict -}}
{{- $locality := $breaker.locality | default "mesh" -}}
{{- if ne $locality "mesh" -}}
{{- $balancer = merge (dict "localityLbSetting" (dict "enabled" (eq $locality "local-first"))) $balancer -}}
{{- end -}}
{{- end -}}
{{- with .service.affinity -}}
{{- /* Istio takes either a hash or a simple policy. */ -}}
{{- $balancer = merge (dict "consistentHash" .) (omit $balancer "simple") -}}
{{- end -}}
{{- with $balancer }}{{- $_ := set $policy "loadBalancer" . -}}{{- end -}}
{{- toJson $policy -}}
{{- end -}}

{{- /* The DestinationRules of the models and the LLM services, as a JSON list of dicts with name, key, host, policy,
annotations and from (where the values say it). Envoy applies the rule of the host that a request is sent to: so there is one
for each version, mirrored ones too, besides the model's. */ -}}
{{- define "ml-mesh.destinationRules" -}}
{{- $rules := list -}}
{{- range $map := list "models" "llm" -}}
{{- range $host, $service := get $.Values $map -}}
{{- if include "ml-mesh.on" $service -}}
{{- $policy := include "ml-mesh.trafficPolicy" (dict "service" $service) | fromJson -}}
{{- if $policy -}}
{{- $breaker := $service.circuitBreaker | default dict -}}
{{- $common := dict "key" $service.namespace "policy" $policy "annotations" ($breaker.annotations | default dict) -}}
{{- $name := $breaker.name | default $host -}}
{{- $rules = append $rules (merge (dict "name" $name "host" $host "from" (printf "%s.%s.circuitBreaker" $map $host)) $common) -}}
{{- range $version, $settings := $service.versions -}}
{{- /* A version behind the model's own host has the model's rule already. */ -}}
{{- if and (include "ml-mesh.on" $settings) (ne $settings.host $host) -}}
{{- $own := dict "name" (include "ml-mesh.cut" (dict "name" (printf "%s-%s" $name $version) "suffix" "")) "host" $settings.host "from" (printf "%s.%s.versions.%s" $map $host $version) -}}
{{- $rules = append $rules (merge $own $common) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $rules -}}
{{- end -}}
