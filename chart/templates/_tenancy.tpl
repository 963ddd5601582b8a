{{- /* What a release of one team differs in: `scope: team`. Its values are rewritten before any other template reads them, so
that no other has to know of it, except where an object gets its name. */ -}}

{{- /* Rewrite the values for a release that lives in its own namespace alone: the root context. Of the keys of `namespaces`,
those that something is rendered into become one, with the release's namespace; those that callers and adopted gateways alone
have stay, and nothing is rendered there. Gateways
and routes, which others refer to by name, get the release's name in front. */ -}}
{{- define "ml-mesh.team" -}}
{{- $values := .Values -}}
{{- range $values.namespaces }}{{- $_ := set . "create" false -}}{{- end -}}
{{- $keys := dict -}}
{{- $outside := dict -}}
{{- range $values.callers }}{{- if include "ml-mesh.on" . }}{{- $_ := set $outside .namespace true -}}{{- end -}}{{- end -}}
{{- $in := omit $values "namespaces" "callers" -}}
{{- $gateways := dict -}}
{{- range $name, $gateway := $values.gateways -}}
{{- if and (include "ml-mesh.on" $gateway) (not (include "ml-mesh.createsGateway" $gateway)) -}}
{{- $_ := set $outside $gateway.namespace true -}}
{{- else -}}
{{- $_ := set $gateways $name $gateway -}}
{{- end -}}
{{- end -}}
{{- $in = merge (dict "gateways" $gateways) (omit $in "gateways") -}}
{{- include "ml-mesh.teamKeys" (dict "in" $in "keys" $keys "known" $values.namespaces "outside" $outside) -}}
{{- range $key, $namespace := $values.namespaces -}}
{{- if eq (dig "name" "" ($namespace | default dict)) $.Release.Namespace }}{{- $_ := set $keys $key true -}}{{- end -}}
{{- end -}}
{{- with $keys -}}
{{- $one := keys . | sortAlpha | first -}}
{{- $modes := dict -}}
{{- range $key, $_ := . }}{{- $_ := set $modes (include "ml-mesh.authorizationMode" (dict "root" $ "key" $key)) true -}}{{- end -}}
{{- $mode := hasKey $modes "enforce" | ternary "enforce" (hasKey $modes "dry-run" | ternary "dry-run" "off") -}}
{{- $outbound := dict -}}
{{- range $key, $policy := $values.egress.outboundTrafficPolicy }}{{- if hasKey $keys $key }}{{- $_ := set $outbound (toString $policy) true }}{{- end -}}{{- end -}}
{{- $outbound = hasKey $outbound "REGISTRY_ONLY" | ternary "REGISTRY_ONLY" (keys $outbound | sortAlpha | join " " | trim) -}}
{{- $namespace := mergeOverwrite (deepCopy (get $values.namespaces $one)) (dict "name" $.Release.Namespace) -}}
{{- $namespaces := set (deepCopy $values.namespaces) $one $namespace -}}
{{- range $key, $_ := . }}{{- if ne $key $one }}{{- $_ := unset $namespaces $key -}}{{- end -}}{{- end -}}
{{- $all := $values.namespaces -}}
{{- $_ := set $values "namespaces" dict -}}
{{- include "ml-mesh.teamRename" (dict "in" $values "map" "namespaces" "field" "namespace" "names" $keys "to" $one "known" $all) -}}
{{- $_ := set $values "namespaces" $namespaces -}}
{{- $_ := set $values.authorization "namespaces" (dict $one $mode) -}}
{{- $_ := set $values.egress "outboundTrafficPolicy" (empty $outbound | ternary dict (dict $one $outbound)) -}}
{{- end -}}
{{- range $map, $field := dict "gateways" "gateway" "routes" "" -}}
{{- $names := dict -}}
{{- range $name, $item := get $values $map -}}
{{- $adopted := and (eq $map "gateways") (not (include "ml-mesh.createsGateway" $item)) -}}
{{- $_ := set $names $name (ternary $name (include "ml-mesh.unique" (dict "root" $ "name" $name)) $adopted) -}}
{{- end -}}
{{- include "ml-mesh.teamRename" (dict "in" $values "map" $map "field" $field "names" $names) -}}
{{- /* For messages, which are in the words of the values. */ -}}
{{- $_ := set $ "Renamed" (set (get $ "Renamed" | default dict) $map $names) -}}
{{- end -}}
{{- end -}}

{{- /* Collect the keys of namespaces that something is rendered into: dict "in" <a map of values> "keys" <filled>
"known" <all> "outside" <those of callers, which count where something lives, and not where it only holds>. */ -}}
{{- define "ml-mesh.teamKeys" -}}
{{- if dig "enabled" true .in | toString | ne "false" -}}
{{- range $name, $value := .in -}}
{{- if and (eq $name "namespace") (kindIs "string" $value) (hasKey $.known (toString $value)) -}}
{{- $_ := set $.keys $value true -}}
{{- else if kindIs "map" $value -}}
{{- if or (eq $name "namespaces") (eq $name "defaultDeny") -}}
{{- range $key, $holds := $value -}}
{{- if and $holds (kindIs "bool" $holds) (hasKey $.known $key) (not (hasKey $.outside $key)) }}{{- $_ := set $.keys $key true -}}{{- end -}}
{{- end -}}
{{- else if ne $name "adminCallers" -}}
{{- include "ml-mesh.teamKeys" (dict "in" $value "keys" $.keys "known" $.known "outside" $.outside) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* Rename keys wherever values use them, in maps called `map` and in fields called `field`: dict "in" <a map of values> "map"
"field" "names" <new names by old>, with "to" <one for all>. Of two that become one, what is switched on counts; what is none of
them is taken out of maps. */ -}}
{{- define "ml-mesh.teamRename" -}}
{{- range $name, $value := .in -}}
{{- if and $.field (eq $name $.field) (kindIs "string" $value) (hasKey $.names (toString $value)) -}}
{{- $_ := set $.in $name ($.to | default (get $.names $value)) -}}
{{- else if kindIs "map" $value -}}
{{- if or (eq $name $.map) (and (eq $.map "namespaces") (eq $name "defaultDeny")) -}}
{{- $renamed := dict -}}
{{- range $key, $item := $value -}}
{{- $new := hasKey $.names $key | ternary ($.to | default (get $.names $key)) $key -}}
{{- $out := and $.to (not (hasKey $.names $key)) (hasKey $.known $key) -}}
{{- if and (not $out) (or $item (not (hasKey $renamed $new))) }}{{- $_ := set $renamed $new $item -}}{{- end -}}
{{- end -}}
{{- $_ := set $.in $name $renamed -}}
{{- $value = $renamed -}}
{{- end -}}
{{- include "ml-mesh.teamRename" (dict "in" $value "map" $.map "field" $.field "names" $.names "to" $.to "known" $.known) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* The name of an object that is neither an address nor an identity: dict "root" $ "name" <name> "limit" <how long it may be,
where that is less than 63>. In a release of one team it begins with the release's name. */ -}}
{{- define "ml-mesh.unique" -}}
{{- $prefix := printf "%s-" .root.Release.Name -}}
{{- $ours := or (ne (toString .root.Values.scope) "team") (hasPrefix $prefix .name) -}}
{{- include "ml-mesh.cut" (dict "name" (printf "%s%s" (ternary "" $prefix $ours) .name) "suffix" "" "limit" .limit) -}}
{{- end -}}

{{- /* The field by which a rule holds in its own namespace alone: the root context. */ -}}
{{- define "ml-mesh.exportTo" -}}
{{- if eq (toString .Values.scope) "team" -}}
exportTo: ["."]
{{- end -}}
{{- end -}}
