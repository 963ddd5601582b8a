{{- /* The name of a component's ServiceAccount: dict "name" <component> "component" <its values>. */ -}}
{{- define "ml-mesh.serviceAccountName" -}}
{{- dig "serviceAccount" "name" "" .component | default .name -}}
{{- end -}}

{{- /* The name of the ServiceAccount that a gateway runs as: dict "name" <gateway> "gateway" <its values>. */ -}}
{{- define "ml-mesh.gatewayAccount" -}}
{{- .gateway.serviceAccount | default (printf "%s-%s" .name (.gateway.gatewayClassName | default "istio")) -}}
{{- end -}}

{{- /* The hosts that the components provide, as a JSON list of full names: the root context. */ -}}
{{- define "ml-mesh.providedHosts" -}}
{{- $hosts := list -}}
{{- range $name, $component := .Values.components -}}
{{- if and (include "ml-mesh.on" $component) (include "ml-mesh.anyOn" $component.ports) -}}
{{- $hosts = append $hosts (include "ml-mesh.fqdn" (dict "root" $ "host" $name "key" $component.namespace)) -}}
{{- end -}}
{{- end -}}
{{- toJson $hosts -}}
{{- end -}}

{{- /* The pod template of a component's workload as the user wrote it, as JSON: <the workload's values>. */ -}}
{{- define "ml-mesh.userTemplate" -}}
{{- $spec := .spec | default dict -}}
{{- if eq (default "" .kind) "CronJob" -}}
{{- $spec = ($spec.jobTemplate | default dict).spec | default dict -}}
{{- end -}}
{{- $spec.template | default dict | toJson -}}
{{- end -}}

{{- /* What the chart adds to a pod template: labels and the ServiceAccount's name, laid over the user's template, and
annotations that tell the sidecar's agent of metrics.
dict "name" <component> "component" <its values> "template" <the pod template>. */ -}}
{{- define "ml-mesh.podTemplate" -}}
{{- $labels := merge (dict "mlmesh.dev/role" .component.role) .component.selector (dict "app.kubernetes.io/part-of" "ml-mesh") -}}
{{- $annotations := dict -}}
{{- $port := dig "metrics" "port" "" .component -}}
{{- if and $port (not (dig "metrics" "direct" false .component)) -}}
{{- $annotations = dict
  "prometheus.io/scrape" "true"
  "prometheus.io/port" (include "ml-mesh.containerPort" (dict "component" .component "port" $port))
  "prometheus.io/path" (include "ml-mesh.metricsPath" .)
-}}
{{- $annotations = merge ((.template.metadata | default dict).annotations | default dict | deepCopy) $annotations -}}
{{- end -}}
{{- $ours := dict
  "metadata" (merge (dict "labels" $labels) ($annotations | empty | ternary dict (dict "annotations" $annotations)))
  "spec" (dict "serviceAccountName" (include "ml-mesh.serviceAccountName" .))
-}}
{{- toYaml (mergeOverwrite (deepCopy .template) $ours) -}}
{{- end -}}

{{- /* The spec of a component's workload, with what the chart adds: dict "name" <component> "component" <its values>. */ -}}
{{- define "ml-mesh.workloadSpec" -}}
{{- $kind := .component.workload.kind -}}
{{- $spec := deepCopy .component.workload.spec -}}
{{- $template := include "ml-mesh.userTemplate" .component.workload | fromJson -}}
{{- $template = include "ml-mesh.podTemplate" (dict "name" .name "component" .component "template" $template) | fromYaml -}}
{{- if eq $kind "CronJob" -}}
{{- $spec = mergeOverwrite $spec (dict "jobTemplate" (dict "spec" (dict "template" $template))) -}}
{{- else -}}
{{- $_ := set $spec "template" $template -}}
{{- end -}}
{{- if has $kind (list "Deployment" "StatefulSet" "DaemonSet") -}}
{{- $_ := set $spec "selector" (dict "matchLabels" .component.selector) -}}
{{- end -}}
{{- if eq $kind "StatefulSet" -}}
{{- $spec = merge $spec (dict "serviceName" .name) -}}
{{- end -}}
{{- toYaml $spec -}}
{{- end -}}

{{- /* How long the name of a workload may be: its kind. Kubernetes puts more behind those of two kinds, and all of it into the
name or a label of what they make. */ -}}
{{- define "ml-mesh.workloadLimit" -}}
{{- has . (list "CronJob" "StatefulSet") | ternary 52 63 -}}
{{- end -}}

{{- /* The name of a component's workload: dict "root" $ "name" <component> "component" <its values> "spec" <as rendered>.
The template of a Job cannot change, so its name holds a hash of all that goes into the template: that is also the
chart's version, and the role's sidecar and its kind, which the post-renderer writes after rendering. */ -}}
{{- define "ml-mesh.workloadName" -}}
{{- if eq .component.workload.kind "Job" -}}
{{- $sidecar := dig .component.role dict (deepCopy (.root.Values.policy.sidecars | default dict)) -}}
{{- $native := .root.Values.policy.mesh.nativeSidecars -}}
{{- $hash := list .spec .root.Chart.Version $sidecar $native | toJson | sha256sum | trunc 8 -}}
{{- printf "%s-%s" (.name | trunc 54 | trimSuffix "-") $hash -}}
{{- else -}}
{{- .name -}}
{{- end -}}
{{- end -}}
