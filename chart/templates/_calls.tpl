{{- /* The graph of who calls whom, from the caller's side: `calls` of the components, and what `accepts` of others say. */ -}}

{{- /* Whom each component calls, as JSON by component: maps `components`, `models` and `llm` of keys that are on, and `hosts`
as ml-mesh.outsideHosts gives them: the root context. */ -}}
{{- define "ml-mesh.calls" -}}
{{- $calls := dict -}}
{{- range $name, $component := .Values.components -}}
{{- if include "ml-mesh.on" $component -}}
{{- $own := dict "components" dict "models" dict "llm" dict -}}
{{- range $map := list "components" "models" "llm" -}}
{{- range $key, $called := dig "calls" $map dict $component -}}
{{- if and $called (include "ml-mesh.on" (get (get $.Values $map) $key)) }}{{- $_ := set (get $own $map) $key true -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- $_ := set $own "hosts" (include "ml-mesh.outsideHosts" (dict "root" $ "component" $component) | fromJson) -}}
{{- $_ := set $calls $name $own -}}
{{- end -}}
{{- end -}}
{{- range $name, $component := .Values.components -}}
{{- if include "ml-mesh.on" $component -}}
{{- range $rule := $component.accepts -}}
{{- if include "ml-mesh.on" $rule -}}
{{- range $caller, $named := $rule.components -}}
{{- if and $named (hasKey $calls $caller) }}{{- $_ := set (get $calls $caller).components $name true -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $calls -}}
{{- end -}}

{{- /* The hosts that such a call leads to, as a JSON list in the form of Istio's Sidecar, namespace/host: dict "root" $ "call"
<an item of ml-mesh.calls>. Where a model or an LLM service has the host of a component, its route leads to the versions. */ -}}
{{- define "ml-mesh.calledHosts" -}}
{{- $root := .root -}}
{{- $named := list -}}
{{- range $key, $_ := .call.components -}}
{{- $component := get $root.Values.components $key -}}
{{- $named = append $named (dict "host" $key "key" $component.namespace) -}}
{{- $model := get $root.Values.models $key -}}
{{- if and (include "ml-mesh.on" $model) (eq $component.namespace (dig "namespace" "" (default dict $model))) -}}
{{- range $version := $model.versions -}}
{{- if include "ml-mesh.on" $version }}{{- $named = append $named (dict "host" $version.host "key" $model.namespace) -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $key, $_ := .call.models -}}
{{- $model := get $root.Values.models $key -}}
{{- $named = append $named (dict "host" $key "key" $model.namespace) -}}
{{- range $version := $model.versions -}}
{{- if include "ml-mesh.on" $version }}{{- $named = append $named (dict "host" $version.host "key" $model.namespace) -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- range $key, $_ := .call.llm -}}
{{- $named = append $named (dict "host" $key "key" (get $root.Values.llm $key).namespace) -}}
{{- end -}}
{{- $hosts := list -}}
{{- range $named -}}
{{- $where := contains "." .host | ternary "*" (include "ml-mesh.namespace" (dict "root" $root "key" .key)) -}}
{{- $hosts = append $hosts (printf "%s/%s" $where (include "ml-mesh.fqdn" (merge (dict "root" $root) .))) -}}
{{- end -}}
{{- range $host, $_ := .call.hosts }}{{- $hosts = append $hosts (printf "*/%s" $host) -}}{{- end -}}
{{- toJson $hosts -}}
{{- end -}}

{{- /* The components whose selectors find the pods of one, itself among them, as a JSON list of names: dict "root" $ "name"
<the one>. Policies of all of them hold for its pods. */ -}}
{{- define "ml-mesh.covering" -}}
{{- $component := get .root.Values.components .name -}}
{{- $names := list -}}
{{- range $other, $wider := .root.Values.components -}}
{{- if and (include "ml-mesh.on" $wider) (eq $component.namespace (dig "namespace" "" (default dict $wider))) -}}
{{- $covers := true -}}
{{- range $label, $value := $wider.selector -}}
{{- if ne (toString (get $component.selector $label)) (toString $value) }}{{- $covers = false -}}{{- end -}}
{{- end -}}
{{- if $covers }}{{- $names = append $names $other -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $names -}}
{{- end -}}

{{- /* Whether a caller reaches the pods of a component, as the rules in `accepts` say: dict "root" $ "name" <component> "map"
<components or gateways> "caller" <its key; without both, one that no rule can name> "denied" <whether its namespace refuses whom
no rule lets in>. */ -}}
{{- define "ml-mesh.letsIn" -}}
{{- $guarded := .denied -}}
{{- $named := false -}}
{{- range include "ml-mesh.covering" . | fromJsonArray -}}
{{- range $rule := (get $.root.Values.components .).accepts -}}
{{- if include "ml-mesh.on" $rule -}}
{{- $guarded = true -}}
{{- if get (get $rule ($.map | default "") | default dict) ($.caller | default "") }}{{- $named = true -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if or $named (not $guarded) }}true{{ end -}}
{{- end -}}

{{- /* The components by the one whose selector finds their pods too, as JSON: lists of names by name, the root context. Of
several Sidecars or PeerAuthentications for one pod Istio takes one, so there is one for each such family. */ -}}
{{- define "ml-mesh.families" -}}
{{- $families := dict -}}
{{- range $name, $component := .Values.components -}}
{{- if include "ml-mesh.on" $component -}}
{{- $head := $name -}}
{{- $size := len $component.selector -}}
{{- range $other := include "ml-mesh.covering" (dict "root" $ "name" $name) | fromJsonArray -}}
{{- $own := len (get $.Values.components $other).selector -}}
{{- if lt $own $size }}{{- $head = $other -}}{{- $size = $own -}}{{- end -}}
{{- end -}}
{{- $_ := set $families $head (append (get $families $head | default list) $name) -}}
{{- end -}}
{{- end -}}
{{- toJson $families -}}
{{- end -}}
