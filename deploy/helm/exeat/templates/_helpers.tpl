{{/* Names are fixed: an installation is the cluster's, and others name these objects. */}}

{{- define "exeat.labels" -}}
{{ include "exeat.selector" . }}
app.kubernetes.io/part-of: exeat
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{/* What a role's pods are found by. The router's are found by others too, by Agent Sandbox's label. */}}
{{- define "exeat.selector" -}}
app.kubernetes.io/name: exeat
app.kubernetes.io/component: {{ .role }}
{{- if eq .role "router" }}
app: sandbox-router
{{- end }}
{{- end }}

{{- define "exeat.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end }}

{{/* The user names of our controller, and of Agent Sandbox's where it runs the four kinds. */}}
{{- define "exeat.controllers" -}}
{{- $users := list (printf "system:serviceaccount:%s:exeat-controller" .Release.Namespace) -}}
{{- if eq .Values.controller.mode "beside" -}}
{{- with .Values.controller.upstream -}}
{{- $users = append $users (printf "system:serviceaccount:%s:%s" .namespace .serviceAccount) -}}
{{- end -}}
{{- end -}}
{{ toJson $users }}
{{- end }}

{{/* A list of texts in CEL. */}}
{{- define "exeat.cel.list" -}}
[{{ range $i, $text := . }}{{ if $i }}, {{ end }}{{ squote $text }}{{ end }}]
{{- end }}

{{/* What every pod of ours has: restricted Pod Security, and its replicas apart from each other. */}}
{{- define "exeat.pod" -}}
{{- $values := index .root.Values .role -}}
serviceAccountName: exeat-{{ .role }}
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .root.Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: { type: RuntimeDefault }
{{- if not .together }}
topologySpreadConstraints:
  {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - topologyKey: {{ . }}
    maxSkew: 1
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "exeat.selector" $ | nindent 8 }}
  {{- end }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* What every container of ours has. */}}
{{- define "exeat.container" -}}
{{- $values := index .root.Values .role -}}
image: {{ include "exeat.image" .root }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
securityContext:
  readOnlyRootFilesystem: true
  allowPrivilegeEscalation: false
  capabilities: { drop: [ALL] }
resources:
  {{- toYaml $values.resources | nindent 2 }}
{{- end }}

{{/* Where the API server finds a webhook. */}}
{{- define "exeat.webhook.client" -}}
service: { name: exeat-webhook, namespace: {{ .root.Release.Namespace }}, port: 443, path: {{ .path }} }
{{- with .root.Values.webhook.caBundle }}
caBundle: {{ . }}
{{- end }}
{{- end }}

{{/* Alive, and ready for work: the same two paths for every role. */}}
{{- define "exeat.probes" -}}
livenessProbe:
  httpGet: { path: /healthz, port: {{ . }} }
  periodSeconds: 10
  failureThreshold: 6
readinessProbe:
  httpGet: { path: /readyz, port: {{ . }} }
  periodSeconds: 5
startupProbe:
  httpGet: { path: /healthz, port: {{ . }} }
  periodSeconds: 1
  failureThreshold: 60
{{- end }}
