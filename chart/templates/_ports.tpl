{{- /* The number of a component's port as its containers have it, which is what policies of pods speak of: dict "component"
<its values> "port" <key of its ports, or the number>. Empty where that is not known. */ -}}
{{- define "ml-mesh.containerPort" -}}
{{- $settings := get (.component.ports | default dict) (toString .port) -}}
{{- if regexMatch "^[0-9]+$" (toString .port) -}}
{{- .port -}}
{{- else if include "ml-mesh.on" $settings -}}
{{- $target := $settings.targetPort | default $settings.port -}}
{{- if regexMatch "^[0-9]+$" (toString $target) -}}
{{- $target -}}
{{- else if kindIs "string" $target -}}
{{- $template := include "ml-mesh.userTemplate" (.component.workload | default dict) | fromJson -}}
{{- range ($template.spec | default dict).containers -}}
{{- range .ports -}}
{{- if eq (default "" .name) $target }}{{ int .containerPort }}{{ end -}}
{{- end -}}
{{- end -}}
{{- else -}}
{{- int $target -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* Whether Istio takes a port for TCP, from its appProtocol or its name: dict "component" <its values> "port" <key>. */ -}}
{{- define "ml-mesh.isTCP" -}}
{{- $settings := get (.component.ports | default dict) (toString .port) | default dict -}}
{{- $protocol := $settings.appProtocol | default (regexFind "^[a-z0-9]+" (toString .port)) -}}
{{- if has $protocol (list "tcp" "tls" "https" "mongo" "mysql" "redis" "udp") }}true{{ end -}}
{{- end -}}

{{- /* What is wrong with the name of a port, if anything: dict "name" <component> "component" <its values> "port" <key of its
ports, or a number>. */ -}}
{{- define "ml-mesh.portError" -}}
{{- $settings := get (.component.ports | default dict) (toString .port) -}}
{{- if not (include "ml-mesh.containerPort" .) -}}
{{- if include "ml-mesh.on" $settings -}}
{{- printf "components.%s.ports.%s has a targetPort by name, and no container of components.%s.workload has a port of that name; write its number" .name .port .name -}}
{{- else -}}
{{- printf "there is no components.%s.ports.%s, or it is switched off" .name .port -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* The ports of a component with a mode of mutual TLS of their own, as JSON by number: dict "component" <its values>. */ -}}
{{- define "ml-mesh.portModes" -}}
{{- $modes := dict -}}
{{- if dig "metrics" "direct" false .component -}}
{{- $_ := set $modes (include "ml-mesh.containerPort" (dict "component" .component "port" .component.metrics.port)) "PERMISSIVE" -}}
{{- end -}}
{{- range $port, $mode := .component.mtls -}}
{{- $_ := set $modes (include "ml-mesh.containerPort" (dict "component" $.component "port" $port)) $mode -}}
{{- end -}}
{{- toJson $modes -}}
{{- end -}}

{{- /* The path of a component's metrics: dict "component" <its values>. */ -}}
{{- define "ml-mesh.metricsPath" -}}
{{- dig "metrics" "path" "" .component | default "/metrics" -}}
{{- end -}}
