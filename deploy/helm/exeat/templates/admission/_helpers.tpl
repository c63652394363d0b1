{{/* A policy's binding, which is in force wherever the policy matches. */}}
{{- define "exeat.admission.binding" -}}
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: {{ .name }}
  labels:
    {{- include "exeat.labels" (dict "root" .root "role" "admission") | nindent 4 }}
spec:
  policyName: {{ .name }}
  validationActions: [Deny]
{{- end }}

{{/* Who no policy applies to: the controllers, and whoever is exempted by value. */}}
{{- define "exeat.admission.trusted" -}}
{{ include "exeat.cel.list" (concat (include "exeat.controllers" . | fromJsonArray) .Values.admission.exemptUsers | uniq) }}
{{- end }}
