{{- /* What these values let pass that a strict mesh would not, as a JSON list of lines: the root context. */ -}}
{{- define "ml-mesh.soft" -}}
{{- $lines := list -}}
{{- range $name, $mtls := .Values.mtls -}}
{{- if and (include "ml-mesh.on" $mtls) (ne $mtls.mode "STRICT") -}}
{{- range $key, $holds := $mtls.namespaces -}}
{{- if $holds -}}
{{- $namespace := include "ml-mesh.namespace" (dict "root" $ "key" $key) -}}
{{- $lines = append $lines (printf "plaintext is let in in %s (mtls.%s.mode: %s)" $namespace $name $mtls.mode) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $guarded := dict -}}
{{- range $map := list "components" "gateways" -}}
{{- range $name, $item := get $.Values $map -}}
{{- if include "ml-mesh.on" $item -}}
{{- $policies := include "ml-mesh.anyOn" $item.accepts -}}
{{- $policies = printf "%s%s" $policies (include "ml-mesh.anyOn" $item.refuses) -}}
{{- $policies = printf "%s%s" $policies (default "" $item.server) -}}
{{- $policies = printf "%s%s" $policies (include "ml-mesh.readsTokens" (dict "root" $ "map" $map "name" $name)) -}}
{{- if $policies }}{{- $_ := set $guarded $item.namespace true -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $key, $holds := .Values.authorization.defaultDeny }}{{- if $holds }}{{- $_ := set $guarded $key true -}}{{- end -}}{{- end -}}
{{- range $key, $_ := $guarded -}}
{{- $mode := include "ml-mesh.authorizationMode" (dict "root" $ "key" $key) -}}
{{- $namespace := include "ml-mesh.namespace" (dict "root" $ "key" $key) -}}
{{- if eq $mode "dry-run" -}}
{{- $lines = append $lines (printf "policies in %s refuse nobody, and say whom they would have refused (authorization: dry-run)" $namespace) -}}
{{- else if eq $mode "off" -}}
{{- $lines = append $lines (printf "there are no policies in %s, though the values have rules for them (authorization: off)" $namespace) -}}
{{- end -}}
{{- end -}}
{{- toJson $lines -}}
{{- end -}}
