// Package deploy_test checks and builds what is in this folder, with the tools
// that those who use it have.
package deploy_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/goccy/go-yaml"

	"github.com/fluent-siem/fluent-siem/test/services"
)

// root is the top of the repository.
const root = "../.."

// tool is a program of the machine; without it the test is listed as not run.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		services.NotRun(t, name+" is not installed")
	}
	return path
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// run runs a check that says nothing when all is well.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Errorf("%s %s: %v\n%s", filepath.Base(name), strings.Join(args, " "), err, out.String())
	}
	return out.String()
}

// TestUnits: systemd understands every line, and finds them well confined.
func TestUnits(t *testing.T) {
	analyze := tool(t, "systemd-analyze")
	dir := t.TempDir()
	here := strings.NewReplacer("/usr/bin/fluent-siem", "/bin/true", "/opt/fluent-bit/bin/fluent-bit", "/bin/true") // what a unit starts must be there
	sidecar := filepath.Join(dir, "fluent-siem-sidecar.service")
	write(t, sidecar, here.Replace(read(t, "systemd/fluent-siem-sidecar.service")))
	// Our part of fluent-bit.service stands alone here: what it is added to is the official packages'.
	agent := filepath.Join(dir, "fluent-bit.service")
	write(t, agent, here.Replace(read(t, "systemd/fluent-bit.service.d-fluent-siem.conf")))
	for _, unit := range []string{sidecar, agent} {
		if out := run(t, analyze, "verify", "--man=no", unit); strings.Contains(out, dir) || strings.Contains(out, "fluent-") {
			t.Errorf("%s: %s", filepath.Base(unit), out)
		}
		run(t, analyze, "security", "--offline=yes", "--threshold=25", unit) // of 100, which is no confinement at all
	}
}

// TestDockerfile: hadolint finds nothing, and each library that a configuration
// loads is in the image.
func TestDockerfile(t *testing.T) {
	run(t, filepath.Join(services.Home(t, "hadolint"), "bin/hadolint"), "docker/Dockerfile")
	text := read(t, "docker/Dockerfile")
	for line := range strings.Lines(read(t, "../aws/fluent-bit.yaml")) {
		if _, library, ok := strings.Cut(line, "- /opt/fluent-siem/"); ok && !strings.Contains(text, "build/"+strings.TrimSpace(library)) {
			t.Errorf("%s is not in the image", strings.TrimSpace(library))
		}
	}
}

// chartKeys are those values of the official chart (0.50) that are set here.
var chartKeys = []string{"kind", "replicaCount", "fullnameOverride", "image", "serviceAccount", "rbac", "testFramework", "command", "args", "envFrom",
	"terminationGracePeriodSeconds", "podSecurityContext", "securityContext", "livenessProbe", "readinessProbe", "resources", "podAnnotations",
	"extraContainers", "extraVolumeMounts", "extraVolumes"}

// TestManifests: the pod that the chart makes of the values is valid to the
// schema of Kubernetes, without a field too many.
func TestManifests(t *testing.T) {
	var v map[string]any
	if err := yaml.Unmarshal([]byte(read(t, "kubernetes/values.yaml")), &v); err != nil {
		t.Fatal(err)
	}
	for key := range v {
		if !slices.Contains(chartKeys, key) {
			t.Errorf("the chart has no value %s", key)
		}
	}
	type object = map[string]any
	image := v["image"].(object)
	agent := object{"name": "fluent-bit", "image": fmt.Sprint(image["repository"], ":", image["tag"]), "imagePullPolicy": image["pullPolicy"],
		"ports":        []any{object{"name": "http", "containerPort": 2020, "protocol": "TCP"}},
		"volumeMounts": append([]any{object{"name": "config", "mountPath": "/fluent-bit/etc/conf"}}, v["extraVolumeMounts"].([]any)...)}
	for _, key := range []string{"command", "args", "envFrom", "securityContext", "livenessProbe", "readinessProbe", "resources"} {
		agent[key] = v[key]
	}
	labels := object{"app.kubernetes.io/name": "fluent-bit"}
	deployment, err := yaml.Marshal(object{"apiVersion": "apps/v1", "kind": v["kind"], "metadata": object{"name": v["fullnameOverride"]}, "spec": object{
		"replicas": v["replicaCount"], "selector": object{"matchLabels": labels},
		"template": object{"metadata": object{"labels": labels, "annotations": v["podAnnotations"]}, "spec": object{
			"containers":      append([]any{agent}, v["extraContainers"].([]any)...),
			"volumes":         append([]any{object{"name": "config", "configMap": object{"name": v["fullnameOverride"]}}}, v["extraVolumes"].([]any)...),
			"securityContext": v["podSecurityContext"], "terminationGracePeriodSeconds": v["terminationGracePeriodSeconds"]}}}})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "deployment.yaml")
	write(t, path, string(deployment))
	run(t, filepath.Join(services.Home(t, "kubernetes-validate"), "bin/kubernetes-validate"), "--strict", "--quiet", path)

	// KEDA's kinds are not in that schema; what they name must be there.
	scaling := read(t, "kubernetes/scaling.yaml")
	for _, want := range []string{"kind: ScaledObject", "kind: TriggerAuthentication", "type: aws-sqs-queue", fmt.Sprintf("name: %s # fullnameOverride", v["fullnameOverride"])} {
		if !strings.Contains(scaling, want) {
			t.Errorf("scaling.yaml has no %q", want)
		}
	}
	for i, part := range strings.Split(scaling, "\n---\n") {
		var any map[string]any
		if err := yaml.UnmarshalWithOptions([]byte(part), &any, yaml.Strict()); err != nil {
			t.Errorf("scaling.yaml, part %d: %v", i+1, err)
		}
	}
}

// TestTaskDefinition: as a resource of CloudFormation, cfn-lint finds nothing
// wrong with it.
func TestTaskDefinition(t *testing.T) {
	var task map[string]any
	if err := json.Unmarshal([]byte(read(t, "ecs/task-definition.json")), &task); err != nil {
		t.Fatal(err)
	}
	template, err := json.Marshal(map[string]any{"Resources": map[string]any{"Task": map[string]any{"Type": "AWS::ECS::TaskDefinition", "Properties": capital(task)}}})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "task.json")
	write(t, path, string(template))
	run(t, filepath.Join(services.Home(t, "cfn-lint"), "bin/cfn-lint"), "--regions", "eu-west-1", "--", path)
}

// capital is v with keys as CloudFormation writes them; those of a log driver's
// options are not its own.
func capital(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for key, value := range v {
			if key != "options" {
				value = capital(value)
			}
			out[string(unicode.ToUpper(rune(key[0])))+key[1:]] = value
		}
		return out
	case []any:
		for i := range v {
			v[i] = capital(v[i])
		}
	}
	return v
}

// TestConfigurationsHaveTheirVariables: what the files of conf/aws name is set
// wherever they run.
func TestConfigurationsHaveTheirVariables(t *testing.T) {
	for file, places := range map[string][]string{
		"../aws/fluent-bit.yaml": {"kubernetes/values.yaml", "ecs/task-definition.json"},
		"../aws/sidecar.yaml":    {"kubernetes/values.yaml", "ecs/task-definition.json"},
	} {
		for _, part := range strings.Split(read(t, file), "${")[1:] {
			name, _, _ := strings.Cut(part, "}")
			for _, place := range places {
				if !strings.Contains(read(t, place), name) {
					t.Errorf("%s needs %s, which %s does not set", file, name, place)
				}
			}
		}
	}
}
