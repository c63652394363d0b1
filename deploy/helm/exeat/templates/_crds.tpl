{{/* The definitions that this mode has, as a list in YAML. Beside Agent Sandbox's controller, the four kinds are its own. */}}
{{- define "exeat.crds" -}}
{{- range $path, $text := .Files.Glob "files/crds/*.yaml" }}
{{- range splitList "\n---\n" (toString $text) }}
{{- $crd := fromYaml . }}
{{- $others := hasSuffix "agents.x-k8s.io" (dig "spec" "group" "" $crd) }}
{{- if and $crd.kind (not (and $others (eq $.Values.controller.mode "beside"))) }}
- {{ toJson $crd }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* Those whose versions are converted by our webhook. */}}
{{- define "exeat.crds.converted" -}}
{{- range include "exeat.crds" . | fromYamlArray }}
{{- if eq (dig "spec" "conversion" "strategy" "None" .) "Webhook" }}
- {{ .metadata.name }}
{{- end }}
{{- end }}
{{- end }}
