{{/* The command line of each role, and nothing else: this file changes when they do. A role makes its folder itself, inside
the volume, since it must be its own alone and a volume's root is root's. */}}

{{- define "exeat.gateway.command" -}}
- /exeat
- gateway
- --kubernetes
- --listen=0.0.0.0:3129
- --metrics-listen=0.0.0.0:9464
{{- end }}

{{- define "exeat.controller.command" -}}
- /exeat
- controller
- --mode={{ .Values.controller.mode }}
- --namespace=$(POD_NAMESPACE)
- --gateway-service=exeat-gateway
- --router-namespace={{ .Values.router.namespace }}
- --sandboxd-image={{ include "exeat.image" . }}
- --webhook-listen=0.0.0.0:9443
- --pod-snapshots={{ .Values.crds.podSnapshots }}
{{- $own := dict "leader-elect" true "metrics-bind-address" ":8080" "health-probe-bind-address" ":8081" }}
{{- range $flag, $value := merge (deepCopy .Values.controller.flags) $own }}
- --{{ $flag }}={{ toJson $value | trimAll "\"" }}
{{- end }}
{{- with include "exeat.snapshots.url" . }}
- --snapshot-store={{ . }}
{{- end }}
{{- end }}

{{- define "exeat.snapshots.url" -}}
{{- with .Values.snapshots -}}
{{- if eq .store "volume" -}}
file:///var/lib/exeat/snapshots
{{- else if eq .store "s3" -}}
s3://{{ required "snapshots.s3.bucket is needed where snapshots.store is s3" .s3.bucket }}{{ with .s3.prefix }}/{{ . }}{{ end }}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "exeat.router.command" -}}
- /exeat
- router
- --listen=0.0.0.0:8080
- --port-forward-user={{ .Values.router.portForwardUser }}
{{- end }}
