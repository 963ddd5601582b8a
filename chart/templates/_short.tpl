{{- /* Complete the models and LLM services of the values that say only what is theirs: the root context. What an item leaves
out is named after its host. */ -}}
{{- define "ml-mesh.complete" -}}
{{- range $map, $ending := dict "models" "routing" "llm" "timeouts" -}}
{{- range $host, $item := get $.Values $map -}}
{{- if $item -}}
{{- $short := include "ml-mesh.cut" (dict "name" $host "suffix" (printf "-%s" $ending)) -}}
{{- $_ := set $item "route" (merge (deepCopy ($item.route | default dict)) (dict "name" $short)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $host, $model := .Values.models -}}
{{- if $model -}}
{{- if not (hasKey $model "versionHeader") }}{{- $_ := set $model "versionHeader" "x-model-version" -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
