{{- /* The graph of who calls whom, as `accepts` and `refuses` of the components say it. */ -}}

{{- /* A name of at most 63 characters, or "limit": dict "name" <what it belongs to> "suffix" <what comes after it>. What is cut
off is told by a hash, so that two long names stay two. */ -}}
{{- define "ml-mesh.cut" -}}
{{- $limit := .limit | default 63 | int -}}
{{- if gt (add (len .name) (len .suffix)) $limit -}}
{{- $kept := trunc (int (sub $limit (add 9 (len .suffix)))) .name | trimSuffix "-" | trimSuffix "." -}}
{{- printf "%s-%s%s" $kept (sha256sum .name | trunc 8) .suffix -}}
{{- else -}}
{{- printf "%s%s" .name .suffix -}}
{{- end -}}
{{- end -}}

{{- /* The name of the AuthorizationPolicy of a component: dict "name" <component> "component" <its values> "list" <accepts or
refuses>. */ -}}
{{- define "ml-mesh.accessName" -}}
{{- if eq .list "refuses" -}}
{{- include "ml-mesh.cut" (dict "name" .name "suffix" "-refuse") -}}
{{- else -}}
{{- dig "access" "name" "" .component | default (include "ml-mesh.cut" (dict "name" .name "suffix" "-access")) -}}
{{- end -}}
{{- end -}}

{{- /* Whether a component has that policy: dict "root" $ "name" <component> "component" <its values> "list" <accepts or
refuses>. One without rules has it for the tokens that it reads, and for its metrics where its namespace, or the rules of a wider
selector, refuse who asks for them. */ -}}
{{- define "ml-mesh.hasPolicy" -}}
{{- $rules := include "ml-mesh.anyOn" (get .component .list | default dict) -}}
{{- $asked := and (eq .list "accepts") (not $rules) (include "ml-mesh.isAsked" .) -}}
{{- $metrics := and $asked (or (get .root.Values.authorization.defaultDeny .component.namespace) (not (include "ml-mesh.letsIn" .))) -}}
{{- $reads := and (eq .list "accepts") (include "ml-mesh.readsTokens" (dict "root" .root "map" "components" "name" .name)) -}}
{{- if or $rules $metrics $reads }}true{{ end -}}
{{- end -}}

{{- /* Whether the ports of a component are asked for its metrics, by everybody or by the picker of a pool: dict "root" $ "name"
<component> "component" <its values>. */ -}}
{{- define "ml-mesh.isAsked" -}}
{{- if or (dig "metrics" "direct" false .component) (include "ml-mesh.scrapers" . | fromJsonArray) }}true{{ end -}}
{{- end -}}

{{- /* Whether a gateway has a policy, for its rules or for the tokens that it reads: dict "root" $ "name" <gateway> "gateway"
<its values>. */ -}}
{{- define "ml-mesh.gatewayHasPolicy" -}}
{{- include "ml-mesh.anyOn" .gateway.accepts -}}
{{- include "ml-mesh.readsTokens" (dict "root" .root "map" "gateways" "name" .name) -}}
{{- end -}}

{{- /* How AuthorizationPolicies hold in a namespace: dict "root" $ "key" <key of .Values.namespaces>. One of off, dry-run and
enforce; YAML reads a bare `off` as false. */ -}}
{{- define "ml-mesh.authorizationMode" -}}
{{- $mode := .root.Values.authorization.mode -}}
{{- if hasKey .root.Values.authorization.namespaces .key -}}
{{- $mode = get .root.Values.authorization.namespaces .key -}}
{{- end -}}
{{- has $mode (list "dry-run" "enforce") | ternary $mode "off" -}}
{{- end -}}

{{- /* The annotations of an AuthorizationPolicy in a namespace, as JSON: dict "root" $ "key" <key of .Values.namespaces>
"annotations" <map or nil>. */ -}}
{{- define "ml-mesh.authorizationAnnotations" -}}
{{- $dry := eq (include "ml-mesh.authorizationMode" .) "dry-run" | ternary (dict "istio.io/dry-run" "true") dict -}}
{{- merge $dry (.annotations | default dict) | toJson -}}
{{- end -}}

{{- /* Whom a rule names, as a JSON list of dicts with principal and external (whether nobody in this release has it): dict
"root" $ "rule" <the rule>. Who is switched off is nobody. */ -}}
{{- define "ml-mesh.ruleCallers" -}}
{{- $root := .root -}}
{{- $found := list -}}
{{- range $key, $named := .rule.callers -}}
{{- $caller := get $root.Values.callers $key -}}
{{- if and $named (include "ml-mesh.on" $caller) -}}
{{- /* Where the release brings the pods it knows their ServiceAccounts; a namespace that it only creates is others'. */ -}}
{{- $ours := false -}}
{{- range $component := $root.Values.components -}}
{{- if and (include "ml-mesh.on" $component) (eq $component.namespace $caller.namespace) }}{{- $ours = true -}}{{- end -}}
{{- end -}}
{{- $found = append $found (dict "key" $caller.namespace "serviceAccount" $caller.serviceAccount "ours" $ours) -}}
{{- end -}}
{{- end -}}
{{- range $key, $named := .rule.gateways -}}
{{- $gateway := get $root.Values.gateways $key -}}
{{- if and $named (include "ml-mesh.on" $gateway) -}}
{{- $account := include "ml-mesh.gatewayAccount" (dict "name" $key "gateway" $gateway) -}}
{{- $found = append $found (dict "key" $gateway.namespace "serviceAccount" $account "ours" (dig "create" true $gateway)) -}}
{{- end -}}
{{- end -}}
{{- range $key, $named := .rule.components -}}
{{- $component := get $root.Values.components $key -}}
{{- if and $named (include "ml-mesh.on" $component) -}}
{{- $account := include "ml-mesh.serviceAccountName" (dict "name" $key "component" $component) -}}
{{- $found = append $found (dict "key" $component.namespace "serviceAccount" $account "ours" (not (empty $component.workload))) -}}
{{- end -}}
{{- end -}}
{{- $callers := list -}}
{{- range $found -}}
{{- $principal := include "ml-mesh.principal" (merge (dict "root" $root) .) -}}
{{- $created := dig .key "create" false (deepCopy ($root.Values.namespaces | default dict)) -}}
{{- $callers = append $callers (dict "principal" $principal "external" (not (and $created .ours))) -}}
{{- end -}}
{{- toJson $callers -}}
{{- end -}}

{{- /* What a rule speaks of, as a JSON list of Istio's operations: dict "component" <its values; empty for a gateway> "rule"
<the rule>. */ -}}
{{- define "ml-mesh.operations" -}}
{{- $component := .component -}}
{{- $where := dict -}}
{{- with .rule.ports -}}
{{- $ports := list -}}
{{- range . -}}
{{- $ports = append $ports (include "ml-mesh.containerPort" (dict "component" $component "port" .)) -}}
{{- end -}}
{{- $where = dict "ports" $ports -}}
{{- end -}}
{{- with .rule.hosts }}{{- $_ := set $where "hosts" . }}{{- end -}}
{{- $operations := list -}}
{{- if or .rule.methods .rule.paths (not .rule.grpc) -}}
{{- $operation := deepCopy $where -}}
{{- with .rule.methods }}{{- $_ := set $operation "methods" . }}{{- end -}}
{{- with .rule.paths }}{{- $_ := set $operation "paths" . }}{{- end -}}
{{- with $operation }}{{- $operations = append $operations (dict "operation" .) }}{{- end -}}
{{- end -}}
{{- with .rule.grpc -}}
{{- $paths := list -}}
{{- range . }}{{- $paths = append $paths (printf "/%s" .) }}{{- end -}}
{{- $operations = append $operations (dict "operation" (merge (dict "methods" (list "POST") "paths" $paths) $where)) -}}
{{- end -}}
{{- toJson $operations -}}
{{- end -}}
