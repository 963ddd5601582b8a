{{- /* The hosts that the values name and no component provides, as a JSON list of full names: the root context. */ -}}
{{- define "ml-mesh.externalHosts" -}}
{{- $named := list -}}
{{- range $host, $model := .Values.models -}}
{{- if include "ml-mesh.on" $model -}}
{{- $named = append $named (dict "root" $ "host" $host "key" $model.namespace) -}}
{{- range $version := $model.versions -}}
{{- if include "ml-mesh.on" $version -}}
{{- $named = append $named (dict "root" $ "host" $version.host "key" $model.namespace) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $host, $service := .Values.llm -}}
{{- if include "ml-mesh.on" $service -}}
{{- $named = append $named (dict "root" $ "host" $host "key" $service.namespace) -}}
{{- end -}}
{{- end -}}
{{- range $route := .Values.routes -}}
{{- if include "ml-mesh.on" $route -}}
{{- range $rule := $route.rules -}}
{{- if include "ml-mesh.on" $rule -}}
{{- range $host, $backend := $rule.backends -}}
{{- if and (include "ml-mesh.on" $backend) (eq (default "Service" $backend.kind) "Service") -}}
{{- $key := include "ml-mesh.backendKey" (dict "route" $route "backend" $backend) -}}
{{- $named = append $named (dict "root" $ "host" $host "key" $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $pool := include "ml-mesh.pools" . | fromJson -}}
{{- if not $pool.picker.create -}}
{{- $named = append $named (dict "root" $ "host" $pool.picker.name "key" $pool.namespace) -}}
{{- end -}}
{{- end -}}
{{- $provided := include "ml-mesh.providedHosts" . | fromJsonArray -}}
{{- $hosts := .Values.policy.external.hosts | default list -}}
{{- range $call := include "ml-mesh.calls" . | fromJson -}}
{{- range $host, $_ := $call.hosts }}{{- $hosts = append $hosts $host }}{{- end -}}
{{- end -}}
{{- range $named -}}
{{- $host := include "ml-mesh.fqdn" . -}}
{{- if not (has $host $provided) -}}
{{- $hosts = append $hosts $host -}}
{{- end -}}
{{- end -}}
{{- $hosts | uniq | sortAlpha | toJson -}}
{{- end -}}

{{- /* The principals that the values name and nobody in this release has, as a JSON list: the root context. Those in
namespaces that it does not create, and those of components that it does not deploy. */ -}}
{{- define "ml-mesh.externalPrincipals" -}}
{{- $principals := .Values.policy.external.principals | default list -}}
{{- range $component := .Values.components -}}
{{- if include "ml-mesh.on" $component -}}
{{- range $rules := list $component.accepts $component.refuses -}}
{{- range $rule := $rules -}}
{{- if include "ml-mesh.on" $rule -}}
{{- range include "ml-mesh.ruleCallers" (dict "root" $ "rule" $rule) | fromJsonArray -}}
{{- if .external }}{{- $principals = append $principals .principal }}{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $caller := $component.adminCallers -}}
{{- if include "ml-mesh.on" $caller -}}
{{- $principals = append $principals (include "ml-mesh.principal" (dict "root" $ "key" $caller.namespace "serviceAccount" $caller.serviceAccount)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $pool := include "ml-mesh.pools" . | fromJson -}}
{{- if and (not $pool.picker.create) $pool.picker.sidecar $pool.picker.serviceAccount -}}
{{- $principals = append $principals (include "ml-mesh.principal" (dict "root" $ "key" $pool.namespace "serviceAccount" $pool.picker.serviceAccount)) -}}
{{- end -}}
{{- end -}}
{{- $principals | uniq | sortAlpha | toJson -}}
{{- end -}}

{{- /* The MeshPolicy without its labels: the root context. Empty maps and lists are left out. */ -}}
{{- define "ml-mesh.policy" -}}
{{- $components := dict -}}
{{- range $name, $component := .Values.components -}}
{{- if include "ml-mesh.on" $component -}}
{{- $namespace := include "ml-mesh.namespace" (dict "root" $ "key" $component.namespace) -}}
{{- $known := dict "role" $component.role "namespace" $namespace "selector" $component.selector -}}
{{- with $component.serves }}{{- $_ := set $known "serves" . }}{{- end -}}
{{- $_ := set $components $name $known -}}
{{- end -}}
{{- end -}}
{{- $external := dict -}}
{{- with include "ml-mesh.externalHosts" . | fromJsonArray }}{{- $_ := set $external "hosts" . }}{{- end -}}
{{- with include "ml-mesh.externalPrincipals" . | fromJsonArray }}{{- $_ := set $external "principals" . }}{{- end -}}
{{- $gateways := .Values.policy.external.gateways | default list -}}
{{- range $name, $gateway := .Values.gateways -}}
{{- if and (include "ml-mesh.on" $gateway) (not (include "ml-mesh.createsGateway" $gateway)) -}}
{{- $gateways = append $gateways (printf "%s/%s" (include "ml-mesh.namespace" (dict "root" $ "key" $gateway.namespace)) $name) -}}
{{- end -}}
{{- end -}}
{{- with $gateways | uniq }}{{- $_ := set $external "gateways" . }}{{- end -}}
{{- $spec := dict
  "release" (dict "name" .Release.Name "namespace" .Release.Namespace)
  "requires" (index .Chart.Annotations "mlmesh.dev/requires")
-}}
{{- with $components }}{{- $_ := set $spec "components" . }}{{- end -}}
{{- with .Values.policy.mesh }}{{- $_ := set $spec "mesh" . }}{{- end -}}
{{- with .Values.policy.sidecars }}{{- $_ := set $spec "sidecars" . }}{{- end -}}
{{- $endpoints := dict -}}
{{- range $key := list "types" "objectives" "retryBudget" -}}
{{- with dig $key dict (deepCopy ($.Values.policy.endpoints | default dict)) }}{{- $_ := set $endpoints $key . }}{{- end -}}
{{- end -}}
{{- with $endpoints }}{{- $_ := set $spec "endpoints" . }}{{- end -}}
{{- $invariants := dict -}}
{{- with .Values.policy.invariants.severity }}{{- $_ := set $invariants "severity" . }}{{- end -}}
{{- with .Values.policy.invariants.allow }}{{- $_ := set $invariants "allow" . }}{{- end -}}
{{- with $invariants }}{{- $_ := set $spec "invariants" . }}{{- end -}}
{{- with $external }}{{- $_ := set $spec "external" . }}{{- end -}}
{{- with .Values.policy.owns }}{{- $_ := set $spec "owns" . }}{{- end -}}
apiVersion: mlmesh.dev/v1alpha1
kind: MeshPolicy
metadata:
  name: {{ .Release.Name }}-mesh-policy
spec:
  {{- toYaml $spec | nindent 2 }}
{{- end -}}
