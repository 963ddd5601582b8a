{{- /* Tokens: where `authentication` has them read, and which rules demand one. */ -}}

{{- /* Who reads tokens, as JSON: maps `gateways` and `components` by key, each a list of the keys of `authentication` that are
on: the root context. What a wider selector has read, the pods of a narrower one read too. */ -}}
{{- define "ml-mesh.tokenReaders" -}}
{{- $readers := dict "gateways" dict "components" dict -}}
{{- range $name, $authentication := .Values.authentication -}}
{{- if include "ml-mesh.on" $authentication -}}
{{- range $key, $named := $authentication.gateways -}}
{{- if and $named (include "ml-mesh.on" (get $.Values.gateways $key)) -}}
{{- $_ := set $readers.gateways $key (append (get $readers.gateways $key | default list) $name) -}}
{{- end -}}
{{- end -}}
{{- range $key, $component := $.Values.components -}}
{{- if include "ml-mesh.on" $component -}}
{{- $reads := false -}}
{{- range include "ml-mesh.covering" (dict "root" $ "name" $key) | fromJsonArray -}}
{{- if get ($authentication.components | default dict) . }}{{- $reads = true -}}{{- end -}}
{{- end -}}
{{- if $reads }}{{- $_ := set $readers.components $key (append (get $readers.components $key | default list) $name) -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $readers -}}
{{- end -}}

{{- /* Whether a gateway or a component reads tokens: dict "root" $ "map" <gateways or components> "name" <its key>. */ -}}
{{- define "ml-mesh.readsTokens" -}}
{{- if hasKey (get (include "ml-mesh.tokenReaders" .root | fromJson) .map) .name }}true{{ end -}}
{{- end -}}

{{- /* Whether a rule speaks of what stands in a token: the rule. */ -}}
{{- define "ml-mesh.namesTokens" -}}
{{- if .requestPrincipals }}true{{ end -}}
{{- range $key, $condition := .when -}}
{{- if and (include "ml-mesh.on" $condition) (hasPrefix "request.auth." $key) }}true{{ end -}}
{{- end -}}
{{- end -}}

{{- /* Whether a rule lets in nobody without a valid token: dict "reads" <whether tokens are read there> "list" <accepts or
refuses> "rule" <the rule>. Where they are read it does, unless it says otherwise. */ -}}
{{- define "ml-mesh.demandsToken" -}}
{{- if and .reads (eq .list "accepts") (dig "token" true .rule) }}true{{ end -}}
{{- end -}}

{{- /* A rule of `accepts` or `refuses` as Istio has it, as JSON: dict "root" $ "component" <its values; empty for a gateway>
"reads" <whether tokens are read there> "list" <accepts or refuses> "rule" <the rule>. */ -}}
{{- define "ml-mesh.accessRule" -}}
{{- $source := dict -}}
{{- $principals := list -}}
{{- range include "ml-mesh.ruleCallers" . | fromJsonArray }}{{- $principals = append $principals .principal -}}{{- end -}}
{{- with $principals }}{{- $_ := set $source "principals" . }}{{- end -}}
{{- with .rule.requestPrincipals }}{{- $_ := set $source "requestPrincipals" . }}{{- end -}}
{{- if and (include "ml-mesh.demandsToken" .) (not .rule.requestPrincipals) -}}
{{- $_ := set $source "requestPrincipals" (list "*") -}}
{{- end -}}
{{- $rule := dict -}}
{{- with $source }}{{- $_ := set $rule "from" (list (dict "source" .)) }}{{- end -}}
{{- with include "ml-mesh.operations" . | fromJsonArray }}{{- $_ := set $rule "to" . }}{{- end -}}
{{- $conditions := list -}}
{{- range $key, $condition := .rule.when -}}
{{- if include "ml-mesh.on" $condition -}}
{{- $conditions = append $conditions (merge (dict "key" $key) (omit $condition "enabled")) -}}
{{- end -}}
{{- end -}}
{{- with $conditions }}{{- $_ := set $rule "when" . }}{{- end -}}
{{- toJson $rule -}}
{{- end -}}

{{- /* The rules of a policy as Istio has them, as JSON: the same, with "rules" <the map> in place of "rule". Who reads tokens and
has no rules lets in whoever has a valid one. */ -}}
{{- define "ml-mesh.accessRules" -}}
{{- $rules := list -}}
{{- range $rule := .rules -}}
{{- if include "ml-mesh.on" $rule -}}
{{- $rules = append $rules (include "ml-mesh.accessRule" (merge (dict "rule" $rule) $) | fromJson) -}}
{{- end -}}
{{- end -}}
{{- if and .reads (eq .list "accepts") (not $rules) -}}
{{- $rules = append $rules (include "ml-mesh.accessRule" (merge (dict "rule" dict) $) | fromJson) -}}
{{- end -}}
{{- toJson $rules -}}
{{- end -}}
