{{- /* What is wrong with the names of items, as a JSON list: the root context. The schema could say it, but of a name that it
refuses Helm tells another place than the name's. */ -}}
{{- define "ml-mesh.nameErrors" -}}
{{- $errors := list -}}
{{- $found := dict -}}
{{- $part := "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?" -}}
{{- $label := dict "found" $found "pattern" (printf "^%s$" $part) "wanted" "a name is of lower-case letters, digits and -, and has at most 63 characters" -}}
{{- range $path := list
  "namespaces" "callers" "components" "pools" "gateways" "routes" "mtls" "authentication" "telemetry"
  "components.*.ports" "components.*.adminCallers" "components.*.accepts" "components.*.refuses"
  "models.*.versions" "llm.*.endpoints" "pools.*.objectives" "pools.*.rewrites" "authentication.*.jwtRules"
  "gateways.*.listeners" "gateways.*.accepts" "gateways.*.bodyRouting.models" "routes.*.rules" "routes.*.rules.*.backends"
-}}
{{- $written := hasKey ($.Renamed | default dict) $path | ternary $.Renamed $.Values -}}
{{- include "ml-mesh.namesIn" (merge (dict "in" $written "path" "" "rest" (splitList "." $path)) $label) -}}
{{- end -}}
{{- $host := dict "found" $found "pattern" (printf "^%s([.]%s)*$" $part $part) "wanted" "a host is the name of a Service or a full name, in lower case, without scheme, port or path" -}}
{{- range list "models" "llm" -}}
{{- include "ml-mesh.namesIn" (merge (dict "in" $.Values "path" "" "rest" (list .)) $host) -}}
{{- end -}}
{{- $outside := dict "found" $found "pattern" (printf "^([*][.])?%s([.]%s)*$" $part $part) "wanted" "a host outside is a full name, or *. and one, in lower case, without scheme, port or path" -}}
{{- include "ml-mesh.namesIn" (merge (dict "in" .Values "path" "" "rest" (list "components" "*" "calls" "hosts")) $outside) -}}
{{- range $path, $wanted := $found -}}
{{- $errors = append $errors (printf "%s: %s" $path $wanted) -}}
{{- end -}}
{{- toJson $errors -}}
{{- end -}}

{{- /* Collect the keys of a map, or of all maps there, that do not match: dict "in" <values> "path" <of these> "rest" <the path
below them, with `*` for every item> "pattern" "wanted" <what matches> "found" <filled: `wanted` by path>. */ -}}
{{- define "ml-mesh.namesIn" -}}
{{- range $name, $item := kindIs "map" .in | ternary .in dict -}}
{{- $path := printf "%s.%s" $.path $name | trimPrefix "." -}}
{{- if not $.rest -}}
{{- if or (gt (len $name) 253) (not (regexMatch $.pattern $name)) }}{{- $_ := set $.found $path $.wanted -}}{{- end -}}
{{- else if has (first $.rest) (list "*" $name) -}}
{{- include "ml-mesh.namesIn" (merge (dict "in" $item "path" $path "rest" (rest $.rest)) (omit $ "in" "path" "rest")) -}}
{{- end -}}
{{- end -}}
{{- end -}}
