package pipeline

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/fluent-siem/fluent-siem/internal/event"
)

// twoEvents are a record and a finished document.
func twoEvents() []byte {
	chunk := record("a \"line\"")
	chunk = event.AppendTarget(chunk, time.Unix(5, 0), nil, event.Target{Index: []byte("log-x"), ID: []byte("1")}, nil, nil)
	return event.AppendDocument(chunk, []byte(`{"a":1}`))
}

func output(t *testing.T, out *bytes.Buffer, name string, values map[string]string) Output {
	t.Helper()
	o, err := Plain(out).Outputs[name].Make(func(key string) string { return values[key] }, Host{})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestStdout(t *testing.T) {
	for _, c := range []struct {
		values map[string]string
		want   string
	}{
		{nil, `[0] siem: [[1718409600.500000, {"siem":{"object":1,"record":1,"size":8}}], {"message":"a \"line\""}]
[1] siem: [[5.000000, {"siem":{"index":"log-x","id":"1","op":"create"}}], {"a":1}]
`},
		{map[string]string{"format": "json_lines"}, `{"date":1718409600.500000,"message":"a \"line\""}
{"date":5.000000,"a":1}
`},
		{map[string]string{"format": "json_lines", "json_date_key": "t", "json_date_format": "iso8601"}, `{"t":"2024-06-15T00:00:00.500000Z","message":"a \"line\""}
{"t":"1970-01-01T00:00:05.000000Z","a":1}
`},
		{map[string]string{"format": "json_lines", "json_date_key": "false"}, "{\"message\":\"a \\\"line\\\"\"}\n{\"a\":1}\n"},
	} {
		var out bytes.Buffer
		if err := output(t, &out, "stdout", c.values).Write(t.Context(), "siem", twoEvents()); err != nil {
			t.Fatal(err)
		}
		if out.String() != c.want {
			t.Errorf("%v: got\n%swant\n%s", c.values, out.String(), c.want)
		}
	}
}

func TestFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	for _, c := range []struct{ name, format, file, want string }{
		{"s/iem", "", "s_iem", "s/iem: [1718409600.500000, {\"message\":\"a \\\"line\\\"\"}]\ns/iem: [5.000000, {\"a\":1}]\n"},
		{"siem", "plain", "siem", "{\"message\":\"a \\\"line\\\"\"}\n{\"a\":1}\n"},
	} {
		o := output(t, nil, "file", map[string]string{"path": dir, "mkdir": "on", "format": c.format})
		for range 2 {
			if err := o.Write(t.Context(), c.name, twoEvents()); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(filepath.Join(dir, c.file))
		if err != nil || string(got) != c.want+c.want {
			t.Errorf("%v: got\n%swant twice\n%s", err, got, c.want)
		}
	}
}

func TestACutChunkIsAnErrorAndNothingIsWritten(t *testing.T) {
	var out bytes.Buffer
	if err := output(t, &out, "stdout", nil).Write(t.Context(), "siem", twoEvents()[:40]); err == nil || out.Len() > 0 {
		t.Errorf("%v, %q", err, out.String())
	}
	if err := output(t, nil, "null", nil).Write(t.Context(), "siem", twoEvents()[:40]); err != nil {
		t.Error(err)
	}
}
