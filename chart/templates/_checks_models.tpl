{{- /* What is wrong with the models and the LLM services by themselves, as a JSON list of messages: the root context. */ -}}
{{- define "ml-mesh.checks.models" -}}
{{- $errors := list -}}
{{- range $host, $model := .Values.models -}}
{{- if include "ml-mesh.on" $model -}}
{{- $path := printf "models.%s" $host -}}
{{- $pinned := false -}}
{{- $mirrored := false -}}
{{- $canary := include "ml-mesh.on" $model.canary | eq "true" | ternary $model.canary dict -}}
{{- range $name, $version := $model.versions -}}
{{- if include "ml-mesh.on" $version -}}
{{- if hasKey $version "pinned" }}{{- $pinned = true -}}{{- end -}}
{{- if and $canary (hasKey $version "weight") -}}
{{- $errors = append $errors (printf "%s.versions.%s.weight: %s.canary says already how the requests are split; leave out one of them (%s.canary.enabled=false)" $path $name $path $path) -}}
{{- end -}}
{{- if hasKey $version "mirror" -}}
{{- $mirrored = true -}}
{{- range $key := list "weight" "pinned" -}}
{{- if hasKey $version $key -}}
{{- $errors = append $errors (printf "%s.versions.%s.mirror: clients would get its answers too, by %s.versions.%s.%s; a mirrored version answers nobody" $path $name $path $name $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and $pinned (not $model.versionHeader) -}}
{{- $errors = append $errors (printf "%s.versionHeader: a version is pinned, and no header names it" $path) -}}
{{- end -}}
{{- range $key := list "mirror" "mirrors" "mirrorPercentage" -}}
{{- if and $mirrored (hasKey ($model.route.split | default dict) $key) -}}
{{- $errors = append $errors (printf "%s.route.split.%s: %s.versions say already what is mirrored; leave out one of them" $path $key $path) -}}
{{- end -}}
{{- end -}}
{{- if $canary -}}
{{- if kindIs "invalid" $canary.weight -}}
{{- $errors = append $errors (printf "%s.canary.weight: there is none, and 0 is one too" $path) -}}
{{- end -}}
{{- range $key := list "from" "to" -}}
{{- $name := get $canary $key -}}
{{- $version := get $model.versions $name -}}
{{- if and (not (include "ml-mesh.on" $version)) (or (eq $key "to") (lt (int $canary.weight) 100)) -}}
{{- $errors = append $errors (printf "%s.canary.%s: there is no %s.versions.%s, or it is switched off" $path $key $path $name) -}}
{{- else if hasKey ($version | default dict) "mirror" -}}
{{- $errors = append $errors (printf "%s.canary.%s: %s.versions.%s.mirror says that it answers nobody; leave out one of them" $path $key $path $name) -}}
{{- end -}}
{{- end -}}
{{- if eq $canary.from $canary.to -}}
{{- $errors = append $errors (printf "%s.canary.to: it is the version of %s.canary.from too" $path $path) -}}
{{- end -}}
{{- else -}}
{{- $sum := 0 -}}
{{- range $weight := include "ml-mesh.weights" (dict "model" $model) | fromJson }}{{- $sum = add $sum (int $weight) -}}{{- end -}}
{{- if ne (int $sum) 100 -}}
{{- $errors = append $errors (printf "%s.versions: the weights of the versions that are switched on add up to %s, not to 100" $path (toString $sum)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $map := list "models" "llm" -}}
{{- range $host, $service := get $.Values $map -}}
{{- if include "ml-mesh.on" $service -}}
{{- $path := printf "%s.%s" $map $host -}}
{{- $breaker := include "ml-mesh.on" $service.circuitBreaker | eq "true" | ternary $service.circuitBreaker dict -}}
{{- $place := printf "%s.circuitBreaker.trafficPolicy.loadBalancer" $path -}}
{{- $balancer := ($breaker.trafficPolicy | default dict).loadBalancer | default dict -}}
{{- if and $service.affinity $balancer.consistentHash -}}
{{- $errors = append $errors (printf "%s.affinity: %s.consistentHash says it already; leave out one of them" $path $place) -}}
{{- else if and $balancer.simple $balancer.consistentHash -}}
{{- $errors = append $errors (printf "%s.consistentHash: Istio takes either this or %s.simple; %s.affinity takes its place by itself" $place $place $path) -}}
{{- end -}}
{{- if and $balancer.warmup (or $service.affinity $balancer.consistentHash (has $balancer.simple (list "RANDOM" "PASSTHROUGH"))) -}}
{{- $errors = append $errors (printf "%s.warmup: it would do nothing: Envoy warms up with LEAST_REQUEST and ROUND_ROBIN only" $place) -}}
{{- end -}}
{{- if and (eq ($breaker.locality | default "mesh") "local-first") (not ($breaker.trafficPolicy | default dict).outlierDetection) -}}
{{- $errors = append $errors (printf "%s.circuitBreaker.locality: it is local-first, and without %s.circuitBreaker.trafficPolicy.outlierDetection Istio prefers no zone" $path $path) -}}
{{- end -}}
{{- if and $balancer.localityLbSetting (ne ($breaker.locality | default "mesh") "mesh") -}}
{{- $errors = append $errors (printf "%s.circuitBreaker.locality: %s.localityLbSetting says it already; leave out one of them" $path $place) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $errors -}}
{{- end -}}
