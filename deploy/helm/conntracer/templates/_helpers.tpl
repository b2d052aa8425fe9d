{{- define "conntracer.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "conntracer.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains (include "conntracer.name" .) .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "conntracer.name" .) | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* What selects the pods: it must stay the same over upgrades. */}}
{{- define "conntracer.selectorLabels" -}}
app.kubernetes.io/name: {{ include "conntracer.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: agent
{{- end }}

{{- define "conntracer.labels" -}}
{{ include "conntracer.selectorLabels" . }}
app.kubernetes.io/part-of: conntracer
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* Each section and setting as TOML, in which JSON's strings, numbers and arrays are the same. */}}
{{- define "conntracer.toml" -}}
{{- range $section, $settings := .Values.config }}
[{{ $section }}]
{{- range $name, $value := $settings }}
{{- if ne $value nil }}
{{ $name }} = {{ toJson $value }}
{{- end }}
{{- end }}
{{ end }}
{{- end }}

{{- define "conntracer.port" -}}
{{- splitList ":" .Values.config.serve.listen | last }}
{{- end }}

{{/* "true" where the agent serves on the pod's address: in a network of its own the kubelet cannot reach its loopback. */}}
{{- define "conntracer.onPodAddress" -}}
{{- if or .Values.podAddress .Values.serviceMonitor.enabled (not .Values.hostNetwork) }}true{{ end }}
{{- end }}

{{- define "conntracer.listen" -}}
{{- if .Values.ipv6 }}[$(POD_IP)]{{ else }}$(POD_IP){{ end }}:{{ include "conntracer.port" . }}
{{- end }}

{{- define "conntracer.probe" -}}
httpGet:
  {{- if not (include "conntracer.onPodAddress" .context) }}
  host: 127.0.0.1
  {{- end }}
  path: {{ .path }}
  port: metrics
periodSeconds: {{ .period }}
timeoutSeconds: 2
{{- end }}

{{/* Nothing where the configuration names no file. */}}
{{- define "conntracer.logFolder" -}}
{{- with .Values.config.output.file }}{{ dir . }}{{ end }}
{{- end }}
