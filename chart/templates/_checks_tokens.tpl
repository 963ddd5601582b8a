{{- /* What is wrong with `authentication` and with what rules say of tokens, as a JSON list: the root context. */ -}}
{{- define "ml-mesh.tokenErrors" -}}
{{- $errors := list -}}
{{- $readers := include "ml-mesh.tokenReaders" . | fromJson -}}
{{- $objects := dict -}}
{{- $issuers := dict -}}
{{- $kept := dict -}}
{{- range $name, $authentication := .Values.authentication -}}
{{- if include "ml-mesh.on" $authentication -}}
{{- $path := printf "authentication.%s" $name -}}
{{- if not (include "ml-mesh.anyOn" $authentication.jwtRules) -}}
{{- $errors = append $errors (printf "%s.jwtRules: no rule is switched on, so no token would be read" $path) -}}
{{- end -}}
{{- $signers := list -}}
{{- range $key, $rule := $authentication.jwtRules -}}
{{- if include "ml-mesh.on" $rule -}}
{{- $signers = append $signers $rule.issuer -}}
{{- if and $rule.jwks $rule.jwksUri -}}
{{- $errors = append $errors (printf "%s.jwtRules.%s: it has jwks and jwksUri, and Istio takes only jwks" $path $key) -}}
{{- end -}}
{{- $held := default "{}" $rule.jwks | fromJson -}}
{{- if and $rule.jwks (not (kindIs "slice" $held.keys)) -}}
{{- $errors = append $errors (printf "%s.jwtRules.%s.jwks: it is no JSON with a list `keys`" $path $key) -}}
{{- end -}}
{{- range $held := kindIs "slice" $held.keys | ternary $held.keys list -}}
{{- if and (kindIs "map" $held) (or (hasKey $held "d") (hasKey $held "k")) -}}
{{- $errors = append $errors (printf "%s.jwtRules.%s.jwks: it holds a private key, and whoever reads the release could sign tokens" $path $key) -}}
{{- end -}}
{{- end -}}
{{- if not $rule.forwardOriginalToken }}{{- $_ := set $kept (printf "%s %s" $name $rule.issuer) $key -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- $_ := set $issuers $name $signers -}}
{{- $targets := 0 -}}
{{- range $map := list "gateways" "components" -}}
{{- range $key, $named := get $authentication $map | default dict -}}
{{- $target := get (get $.Values $map) $key -}}
{{- if and $named (not $target) -}}
{{- $errors = append $errors (printf "%s.%s.%s: there is no %s.%s" $path $map $key $map $key) -}}
{{- else if and $named (include "ml-mesh.on" $target) -}}
{{- $targets = add1 $targets -}}
{{- $object := printf "%s/%s" $target.namespace (include "ml-mesh.cut" (dict "name" (printf "%s-%s" $name $key) "suffix" "")) -}}
{{- if hasKey $objects $object -}}
{{- $errors = append $errors (printf "%s.%s.%s: its RequestAuthentication has the name of that of %s" $path $map $key (get $objects $object)) -}}
{{- end -}}
{{- $_ := set $objects $object (printf "%s.%s.%s" $path $map $key) -}}
{{- if eq (include "ml-mesh.authorizationMode" (dict "root" $ "key" $target.namespace)) "off" -}}
{{- $errors = append $errors (printf "%s.%s.%s: authorization is off in namespaces.%s, so nothing would refuse a request without a token" $path $map $key $target.namespace) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if eq (int $targets) 0 -}}
{{- $errors = append $errors (printf "%s: no gateway and no component that is switched on reads these tokens" $path) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $attributes := "^(request[.]headers\\[.+\\]|request[.]auth[.](principal|audiences|presenter|claims(\\[.+\\])+)|(source|remote|destination)[.]ip|source[.](namespace|principal|serviceAccount)|destination[.]port|connection[.]sni|experimental[.]envoy[.]filters[.].+)$" -}}
{{- range $map := list "gateways" "components" -}}
{{- range $name, $item := get $.Values $map -}}
{{- if include "ml-mesh.on" $item -}}
{{- $reads := get (get $readers $map) $name | default list -}}
{{- range $list := list "accepts" "refuses" -}}
{{- range $key, $rule := get $item $list | default dict -}}
{{- if include "ml-mesh.on" $rule -}}
{{- $path := printf "%s.%s.%s.%s" $map $name $list $key -}}
{{- $names := include "ml-mesh.namesTokens" $rule -}}
{{- if and (or $names $rule.token) (not $reads) -}}
{{- $errors = append $errors (printf "%s: it demands a token, and no authentication that is switched on reads tokens for %s.%s" $path $map $name) -}}
{{- end -}}
{{- if and $names (not (dig "token" true $rule)) -}}
{{- $errors = append $errors (printf "%s.token: it is false, and the rule says what must stand in the token" $path) -}}
{{- end -}}
{{- range $attribute, $condition := $rule.when -}}
{{- if and (include "ml-mesh.on" $condition) (not (regexMatch $attributes $attribute)) -}}
{{- $errors = append $errors (printf "%s.when.%s: Istio knows no such attribute; there are request.headers[<name>], request.auth.claims[<name>], request.auth.principal, request.auth.audiences, request.auth.presenter, source.ip, remote.ip, source.namespace, source.principal, source.serviceAccount, destination.ip, destination.port and connection.sni" $path $attribute) -}}
{{- end -}}
{{- end -}}
{{- range $gateway, $named := $rule.gateways -}}
{{- if and $named (include "ml-mesh.demandsToken" (dict "reads" $reads "list" $list "rule" $rule)) -}}
{{- range $there := get $readers.gateways $gateway | default list -}}
{{- range $here := $reads -}}
{{- range $issuer := get $issuers $here | default list -}}
{{- with get $kept (printf "%s %s" $there $issuer) -}}
{{- $errors = append $errors (printf "authentication.%s.jwtRules.%s.forwardOriginalToken: gateways.%s keeps the token for itself, and %s demands it of who comes through it" $there . $gateway $path) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $errors | uniq | toJson -}}
{{- end -}}
