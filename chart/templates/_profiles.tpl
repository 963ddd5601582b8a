{{- /* Lay the profile under the values: the root context. Below what the user and values.yaml say comes the profile, and below
it what values.yaml has behind a `#`. */ -}}
{{- define "ml-mesh.profile" -}}
{{- $values := deepCopy .Values -}}
{{- $defaults := .Files.Get "files/defaults.yaml" | fromYaml -}}
{{- $known := list -}}
{{- range $path, $_ := .Files.Glob "files/profiles/*.yaml" }}{{- $known = append $known (base $path | trimSuffix ".yaml") }}{{- end -}}
{{- range $name := splitList "+" (.Values.profile | default "") | reverse -}}
{{- if has $name $known -}}
{{- $profile := $.Files.Get (printf "files/profiles/%s.yaml" $name) | fromYaml -}}
{{- include "ml-mesh.fill" (dict "into" $values "from" $profile "maps" $defaults.maps) -}}
{{- else if $name -}}
{{- printf "ERROR: profile: there is no %s; there are %s" $name (join ", " $known) | fail -}}
{{- end -}}
{{- end -}}
{{- include "ml-mesh.fill" (dict "into" $values "from" $defaults.unset "maps" $defaults.maps) -}}
{{- include "ml-mesh.clear" (dict "in" $values "of" $defaults.unset) -}}
{{- include "ml-mesh.prune" (dict "in" (omit $values "policy" "global")) -}}
{{- /* Of a map that a null takes away nothing is left, and templates need not ask whether it is there. */ -}}
{{- $settings := pick $defaults.maps "authorization" "scopes" "networkPolicies" "monitors" "policy" -}}
{{- include "ml-mesh.empty" (dict "in" $values "maps" (merge $settings (include "ml-mesh.roots" $defaults.maps | fromJson))) -}}
{{- $_ := set . "Values" $values -}}
{{- end -}}

{{- /* Fill a map of values with what it does not say: dict "into" <the map> "from" <another> "maps" <the maps that values.yaml
has below it>. A map that values.yaml has and that is missing was taken away by the user's null. */ -}}
{{- define "ml-mesh.fill" -}}
{{- range $key, $value := .from -}}
{{- if hasKey $.into $key -}}
{{- $held := get $.into $key -}}
{{- if and (kindIs "map" $held) (kindIs "map" $value) -}}
{{- include "ml-mesh.fill" (dict "into" $held "from" $value "maps" (get $.maps $key | default dict)) -}}
{{- end -}}
{{- else if not (hasKey $.maps $key) -}}
{{- $_ := set $.into $key $value -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* The maps at the root, without what is in them, as JSON: a map of maps. */ -}}
{{- define "ml-mesh.roots" -}}
{{- $roots := dict -}}
{{- range $key, $_ := . }}{{- $_ := set $roots $key dict -}}{{- end -}}
{{- toJson $roots -}}
{{- end -}}

{{- /* Put empty maps where maps are missing: dict "in" <values> "maps" <those that are to be there>. */ -}}
{{- define "ml-mesh.empty" -}}
{{- range $key, $below := .maps -}}
{{- if not (get $.in $key) }}{{- $_ := set $.in $key dict -}}{{- end -}}
{{- include "ml-mesh.empty" (dict "in" (get $.in $key) "maps" $below) -}}
{{- end -}}
{{- end -}}

{{- /* Take away the defaults that the user's null removes, as Helm does where values.yaml has them: dict "in" <the values> "of"
<the defaults>. */ -}}
{{- define "ml-mesh.clear" -}}
{{- range $key, $value := .of -}}
{{- if hasKey $.in $key -}}
{{- $held := get $.in $key -}}
{{- if kindIs "invalid" $held -}}
{{- $_ := unset $.in $key -}}
{{- else if and (kindIs "map" $held) (kindIs "map" $value) -}}
{{- include "ml-mesh.clear" (dict "in" $held "of" $value) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* Take out what is null: of what only an earlier values file has, Helm leaves the null by which a later one takes it back:
dict "in" <a map of values>. In `policy` a null is a value. */ -}}
{{- define "ml-mesh.prune" -}}
{{- range $key, $value := .in -}}
{{- if kindIs "invalid" $value -}}
{{- $_ := unset $.in $key -}}
{{- else if kindIs "map" $value -}}
{{- include "ml-mesh.prune" (dict "in" $value) -}}
{{- end -}}
{{- end -}}
{{- end -}}
