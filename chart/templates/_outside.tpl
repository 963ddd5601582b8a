{{- /* Hosts outside the mesh, as `calls.hosts` and `calls.packs` of the components name them. */ -}}

{{- /* One call of a host, as JSON: dict "host" <name> "settings" <its values>. It has port and protocol, which the application
speaks, and where they are given targetPort, which the host has, and resolution, tls and trafficPolicy. */ -}}
{{- define "ml-mesh.outsideCall" -}}
{{- $settings := .settings -}}
{{- $wraps := not (empty $settings.tls) -}}
{{- $call := dict
  "port" ($settings.port | default (ternary 80 443 $wraps) | int)
  "protocol" ($settings.protocol | default (ternary "HTTP" "TLS" $wraps))
-}}
{{- with $settings.targetPort | default (ternary 443 0 $wraps) }}{{- $_ := set $call "targetPort" (int .) }}{{- end -}}
{{- with $settings.resolution }}{{- $_ := set $call "resolution" . }}{{- end -}}
{{- with $settings.trafficPolicy }}{{- $_ := set $call "trafficPolicy" . }}{{- end -}}
{{- if $wraps -}}
{{- $known := hasPrefix "*" .host | ternary dict (dict "sni" .host) -}}
{{- if not $settings.tls.insecureSkipVerify -}}
{{- /* Without a name to check, a certificate that an authority has signed for anybody would do. `system` is what Istio takes
where no authority is named, and istioctl does not know that it does. */ -}}
{{- if not (hasPrefix "*" .host) }}{{- $_ := set $known "subjectAltNames" (list .host) }}{{- end -}}
{{- if not $settings.tls.credentialName }}{{- $_ := set $known "caCertificates" "system" }}{{- end -}}
{{- end -}}
{{- $_ := set $call "tls" (merge (deepCopy $settings.tls) $known) -}}
{{- end -}}
{{- toJson $call -}}
{{- end -}}

{{- /* The hosts of a pack, as a JSON list: dict "pack" <the pack> "settings" <what the component says of it>. */ -}}
{{- define "ml-mesh.packHosts" -}}
{{- $settings := kindIs "map" .settings | ternary .settings dict -}}
{{- $hosts := list -}}
{{- range $host := .pack.hosts -}}
{{- range $parameter, $default := $.pack.parameters -}}
{{- $host = replace (printf "<%s>" $parameter) (get $settings $parameter | default $default) $host -}}
{{- end -}}
{{- $hosts = append $hosts $host -}}
{{- end -}}
{{- toJson $hosts -}}
{{- end -}}

{{- /* Which hosts outside a component calls, as JSON: by host, its calls by port: dict "root" $ "component" <its values>. What a
host itself says of a port comes before what a pack says. */ -}}
{{- define "ml-mesh.outsideHosts" -}}
{{- $hosts := dict -}}
{{- range $host, $settings := dig "calls" "hosts" dict .component -}}
{{- if and (kindIs "map" $settings) (dig "enabled" true $settings) -}}
{{- $call := include "ml-mesh.outsideCall" (dict "host" $host "settings" $settings) | fromJson -}}
{{- $_ := set $hosts $host (dict (printf "%05d" (int $call.port)) $call) -}}
{{- end -}}
{{- end -}}
{{- $packs := .root.Files.Get "files/egress-packs.yaml" | fromYaml -}}
{{- range $name, $settings := dig "calls" "packs" dict .component -}}
{{- $pack := get $packs $name -}}
{{- $on := kindIs "map" $settings | ternary (dig "enabled" true (kindIs "map" $settings | ternary $settings dict)) $settings -}}
{{- if and $pack $on -}}
{{- $said := kindIs "map" $settings | ternary (pick (kindIs "map" $settings | ternary $settings dict) "tls" "trafficPolicy") dict -}}
{{- range $host := include "ml-mesh.packHosts" (dict "pack" $pack "settings" $settings) | fromJsonArray -}}
{{- $call := include "ml-mesh.outsideCall" (dict "host" $host "settings" $said) | fromJson -}}
{{- $_ := set $hosts $host (merge (get $hosts $host | default dict) (dict (printf "%05d" (int $call.port)) $call)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $hosts -}}
{{- end -}}

{{- /* The hosts outside by "<namespace's key>/<host>", as JSON: key, host, calls by port, and of each call the components in
`by`: the root context. */ -}}
{{- define "ml-mesh.outsideEntries" -}}
{{- $entries := dict -}}
{{- range $name, $call := include "ml-mesh.calls" . | fromJson -}}
{{- $key := (get $.Values.components $name).namespace -}}
{{- range $host, $calls := $call.hosts -}}
{{- $place := printf "%s/%s" $key $host -}}
{{- $entry := get $entries $place | default (dict "key" $key "host" $host "calls" dict) -}}
{{- range $port, $call := $calls -}}
{{- $by := append (dig $port "by" list $entry.calls) $name -}}
{{- $_ := set $entry.calls $port (merge (dict "by" $by) $call) -}}
{{- end -}}
{{- $_ := set $entries $place $entry -}}
{{- end -}}
{{- end -}}
{{- toJson $entries -}}
{{- end -}}

{{- /* The name of what is rendered for a host outside: the host, and what tells it from others of it. */ -}}
{{- define "ml-mesh.outsideName" -}}
{{- include "ml-mesh.cut" (dict "name" (replace "*" "wildcard" .) "suffix" "") -}}
{{- end -}}

{{- /* What the proxies of a component do with calls of hosts that they do not know: ALLOW_ANY, REGISTRY_ONLY or nothing:
dict "root" $ "component" <its values>. Who scrapes calls pods by their addresses, which no registry has. */ -}}
{{- define "ml-mesh.outboundMode" -}}
{{- $mode := dig .component.namespace "" (deepCopy (.root.Values.egress.outboundTrafficPolicy | default dict)) -}}
{{- if and $mode (eq .component.role "monitoring") }}{{- $mode = "ALLOW_ANY" }}{{- end -}}
{{- dig "calls" "outboundTrafficPolicy" "" .component | default $mode -}}
{{- end -}}
