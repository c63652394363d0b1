{{/* The definitions that this installation has, as a list in YAML. Beside Agent Sandbox's controller, the four kinds are its own;
on GKE, those of snapshots are Google's. */}}
{{- define "exeat.crds" -}}
{{- range $path, $text := .Files.Glob "files/crds/*.yaml" }}
{{- $crd := fromYaml (toString $text) }}
{{- $group := $crd.spec.group }}
{{- $others := and (hasSuffix "agents.x-k8s.io" $group) (eq $.Values.controller.mode "beside") }}
{{- $googles := and (eq $group "podsnapshot.gke.io") (not $.Values.crds.podSnapshots) }}
{{- if not (or $others $googles) }}
- {{ toJson $crd }}
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
