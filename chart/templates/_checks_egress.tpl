{{- /* What is wrong with hosts outside, as a JSON list of messages: the root context. */ -}}
{{- define "ml-mesh.egressErrors" -}}
{{- $errors := list -}}
{{- $packs := .Files.Get "files/egress-packs.yaml" | fromYaml -}}
{{- range $name, $component := .Values.components -}}
{{- if include "ml-mesh.on" $component -}}
{{- range $pack, $settings := dig "calls" "packs" dict $component -}}
{{- $path := printf "components.%s.calls.packs.%s" $name $pack -}}
{{- $said := kindIs "map" $settings | ternary $settings dict -}}
{{- $known := get $packs $pack -}}
{{- if and (kindIs "map" $settings | ternary (dig "enabled" true $said) $settings) (not $known) -}}
{{- $errors = append $errors (printf "%s: there is no such pack; there are %s" $path (keys $packs | sortAlpha | join ", ")) -}}
{{- end -}}
{{- if $known -}}
{{- $parameters := $known.parameters | default dict -}}
{{- range $parameter, $default := $parameters -}}
{{- if and $settings (not $default) (not (get $said $parameter)) -}}
{{- $errors = append $errors (printf "%s: the pack needs %s.%s" $path $path $parameter) -}}
{{- end -}}
{{- end -}}
{{- range $parameter := keys (omit $said "enabled" "tls" "trafficPolicy") | sortAlpha -}}
{{- if not (hasKey $parameters $parameter) -}}
{{- $errors = append $errors (printf "%s.%s: no host of this pack has it" $path $parameter) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $host, $calls := include "ml-mesh.outsideHosts" (dict "root" $ "component" $component) | fromJson -}}
{{- if regexMatch "(^|[.])[0-9]+$" $host -}}
{{- $errors = append $errors (printf "components.%s.calls.hosts.%s: it is an address, and what the sidecars go by are names; write the host's name" $name $host) -}}
{{- end -}}
{{- range $call := $calls -}}
{{- $path := printf "components.%s.calls: %s" $name $host -}}
{{- if and $call.tls (has $call.protocol (list "TLS" "HTTPS")) -}}
{{- $errors = append $errors (printf "%s has tls, and protocol %s, which is TLS already" $path $call.protocol) -}}
{{- end -}}
{{- $asked := $call.resolution | default (hasPrefix "*" $host | ternary "NONE" "DNS") -}}
{{- if and $call.tls (eq $asked "NONE") -}}
{{- $errors = append $errors (printf "%s has tls, and resolution NONE, which goes to the port that the client calls" $path) -}}
{{- end -}}
{{- if ne (hasPrefix "*" $host) (has $asked (list "NONE" "DYNAMIC_DNS")) -}}
{{- $errors = append $errors (printf "%s has resolution %s, which is for %s" $path $asked (hasPrefix "*" $host | ternary "full names" "wildcards")) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $said := dict -}}
{{- range $name, $call := include "ml-mesh.calls" . | fromJson -}}
{{- $key := (get $.Values.components $name).namespace -}}
{{- range $host, $calls := $call.hosts -}}
{{- range $port, $own := $calls -}}
{{- $place := printf "%s/%s %s" $key $host $port -}}
{{- $text := toJson $own -}}
{{- with get $said $place -}}
{{- if ne .text $text -}}
{{- $errors = append $errors (printf "components.%s.calls: %s has other settings for port %s than components.%s.calls, and a namespace has one entry for a host" $name $host (int $own.port | toString) .name) -}}
{{- end -}}
{{- end -}}
{{- $_ := set $said $place (dict "name" $name "text" $text) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $errors -}}
{{- end -}}
