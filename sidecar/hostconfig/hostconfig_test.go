package hostconfig_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fluent-siem/fluent-siem/sidecar/hostconfig"
)

// write puts files into a new folder and returns the path of the first.
func write(t *testing.T, nameAndText ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i < len(nameAndText); i += 2 {
		if err := os.WriteFile(filepath.Join(dir, nameAndText[i]), []byte(nameAndText[i+1]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, nameAndText[0])
}

func env(name string) (string, bool) {
	value, ok := map[string]string{"REGION": "eu-west-1", "EMPTY": ""}[name]
	return value, ok
}

// dump is what was read, one line a section.
func dump(f *hostconfig.File) string {
	var b strings.Builder
	line := func(s hostconfig.Section) {
		b.WriteString(s.Kind)
		for _, p := range s.Properties {
			b.WriteString(" " + p.Key + "=" + p.Value)
		}
		b.WriteByte('\n')
	}
	line(f.Service)
	for _, p := range f.Plugins {
		b.WriteString("plugin " + p.Value + "\n")
	}
	for _, list := range [][]hostconfig.Section{f.Inputs, f.Filters, f.Outputs} {
		for _, s := range list {
			line(s)
		}
	}
	return b.String()
}

const yamlText = `# a comment
service: {Flush: 0.2, grace: 30}
env:
  QUEUE: https://sqs.example/1/q
plugins:
  - /opt/in_s3_sqs.so
pipeline:
  inputs:
    - Name: s3_sqs
      tag: siem
      queue_url: ${QUEUE}
      region: ${REGION}
      endpoint: ""
      memory_limit: 64MB
      mapped: on
      nothing:
  filters:
    - name: ecs
      match: siem*
  outputs:
    - name: stdout
      match: '*'
      text: |
        two
        lines
    - {name: file, match: "a b"}
`

const yamlDump = `service flush=0.2 grace=30
plugin /opt/in_s3_sqs.so
input name=s3_sqs tag=siem queue_url=https://sqs.example/1/q region=eu-west-1 endpoint= memory_limit=64MB mapped=on nothing=
filter name=ecs match=siem*
output name=stdout match=* text=two
lines

output name=file match=a b
`

func TestYAML(t *testing.T) {
	f, err := hostconfig.Read(write(t, "a.yaml", yamlText), env)
	if err != nil {
		t.Fatal(err)
	}
	if got := dump(f); got != yamlDump {
		t.Errorf("got\n%s\nwant\n%s", got, yamlDump)
	}
	if len(f.Warnings) != 0 {
		t.Errorf("warnings: %v", f.Warnings)
	}
	if p, _ := f.Inputs[0].Lookup("REGION"); p.At.Line != 12 || p.At.Column != 7 {
		t.Errorf("region stands at %v, want line 12, column 7", p.At)
	}
}

const classicText = `
@SET QUEUE=https://sqs.example/1/q
[SERVICE]
    Flush  0.2
[PLUGINS]
    Path /opt/in_s3_sqs.so
[INPUT]
    Name   s3_sqs
    Tag    siem
    # comment
    queue_url ${QUEUE}
    region	${REGION}
@INCLUDE out*.conf
`

func TestClassic(t *testing.T) {
	f, err := hostconfig.Read(write(t, "fluent-bit.conf", classicText, "out1.conf", "[OUTPUT]\n  Name stdout\n  Match *\n"), env)
	if err != nil {
		t.Fatal(err)
	}
	want := "service flush=0.2\nplugin /opt/in_s3_sqs.so\ninput name=s3_sqs tag=siem queue_url=https://sqs.example/1/q region=eu-west-1\noutput name=stdout match=*\n"
	if got := dump(f); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestTheFormatIsToldFromTheContentWhereTheNameIsSilent(t *testing.T) {
	for _, text := range []string{yamlText, classicText} {
		f, err := hostconfig.Read(write(t, "configuration", text), env)
		if err != nil || len(f.Inputs) != 1 {
			t.Errorf("%v: %d inputs in\n%s", err, len(f.Inputs), text)
		}
	}
}

func TestIncludes(t *testing.T) {
	f, err := hostconfig.Read(write(t, "main.yaml", "includes: [part*.yaml]\n", "part1.yaml", "pipeline: {outputs: [{name: stdout}]}", "part2.yaml", "pipeline: {outputs: [{name: file}]}"), env)
	if err != nil {
		t.Fatal(err)
	}
	if got := dump(f); got != "service\noutput name=stdout\noutput name=file\n" {
		t.Errorf("got\n%s", got)
	}
	if _, err := hostconfig.Read(write(t, "main.yaml", "includes: [main.yaml]\n"), env); err == nil || !strings.Contains(err.Error(), "includes itself") {
		t.Errorf("got %v", err)
	}
}

func TestProblemsPointAtTheLine(t *testing.T) {
	text := "pipeline:\n  inputs:\n    - tag: siem\n  outputs:\n    - name: [a\n"
	_, err := hostconfig.Read(write(t, "bad.yaml", text), env)
	if err == nil || !strings.Contains(err.Error(), "bad.yaml:5:") || !strings.Contains(err.Error(), "    5 |     - name: [a\n") {
		t.Errorf("a syntax error reads:\n%v", err)
	}

	text = "pipelines: {}\npipeline:\n  input: []\n  filters:\n    - match: x\n    - name: &a ecs\n  outputs: 5\nservice: [1]\n"
	_, err = hostconfig.Read(write(t, "bad.yaml", text), env)
	for _, want := range []string{
		"bad.yaml:1:1: unknown section pipelines; did you mean pipeline?\n    1 | pipelines: {}\n      | ^",
		"bad.yaml:3:3: unknown part input of the pipeline; did you mean inputs?",
		"bad.yaml:5:7: this filter has no name",
		"bad.yaml:6:13: anchors and aliases are not understood",
		"bad.yaml:7:12: outputs must be a list",
		"bad.yaml:8:10: service must be a mapping",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("missing %q in:\n%v", want, err)
		}
	}
}

func TestClassicProblems(t *testing.T) {
	_, err := hostconfig.Read(write(t, "bad.conf", "name x\n[INPUTS]\n  a b\n@FOO\n[OUTPUT\n[FILTER]\n  match *\n"), env)
	for _, want := range []string{"bad.conf:1:1: this line belongs to no section", "bad.conf:2:1: unknown section [INPUTS]; did you mean input?", "bad.conf:4:1: unknown command @FOO", "bad.conf:5:1: the section's name does not end with ]", "bad.conf:6:1: this filter has no name"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("missing %q in:\n%v", want, err)
		}
	}
}

func TestAMissingFile(t *testing.T) {
	_, err := hostconfig.Read(filepath.Join(t.TempDir(), "none.yaml"), env)
	if err == nil || !strings.Contains(err.Error(), "cannot read the configuration") {
		t.Errorf("got %v", err)
	}
}

func TestWhatFluentBitIgnoresSilentlyIsWarnedOf(t *testing.T) {
	text := "parsers: []\npipeline:\n  inputs:\n    - name: s3_sqs\n      queue_url: [a, b]\n      region: ${NOWHERE}x\n      Region: again\n      empty: ${EMPTY}\n"
	f, err := hostconfig.Read(write(t, "a.yaml", text), env)
	if err != nil {
		t.Fatal(err)
	}
	if got := dump(f); got != "service\ninput name=s3_sqs queue_url=a region=x empty=\n" {
		t.Errorf("got %s", got)
	}
	var all string
	for _, w := range f.Warnings {
		all += f.Format(w) + "\n"
	}
	for _, want := range []string{":1:1: parsers is for Fluent Bit only", ":5:7: Fluent Bit reads only the first item", ":6:7: the variable NOWHERE is not set", ":7:7: region was written before in line 6"} {
		if !strings.Contains(all, want) {
			t.Errorf("missing %q in:\n%s", want, all)
		}
	}
	if len(f.Warnings) != 4 {
		t.Errorf("%d warnings, want 4:\n%s", len(f.Warnings), all)
	}
}

func TestSuggest(t *testing.T) {
	known := []string{"queue_url", "region", "bulk_size"}
	for word, want := range map[string]string{"que_url": "; did you mean queue_url?", "QUEUE_URLS": "; did you mean queue_url?", "regoin": "; did you mean region?", "password": "", "blksize": "; did you mean bulk_size?"} {
		if got := hostconfig.Suggest(word, known); got != want {
			t.Errorf("Suggest(%s) = %q, want %q", word, got, want)
		}
	}
}

// FuzzRead: whatever a file holds, reading it ends with a configuration or with
// problems that can be printed.
func FuzzRead(f *testing.F) {
	f.Add(yamlText)
	f.Add(classicText)
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(strings.ToLower(text), "include") {
			return // would read files of this machine
		}
		file, err := hostconfig.Read(write(t, "configuration", text), env)
		if err != nil && err.Error() == "" {
			t.Error("an error without a text")
		}
		for _, w := range file.Warnings {
			if file.Format(w) == "" {
				t.Error("a warning without a text")
			}
		}
	})
}
