package cli

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/fluent-siem/fluent-siem/filters/logtype"
	codes "github.com/fluent-siem/fluent-siem/internal/code"
	"github.com/fluent-siem/fluent-siem/internal/settings/settingstest"
)

// TestManual keeps conf/fluent-siem.md equal to the help texts; with UPDATE=1
// it writes it.
func TestManual(t *testing.T) {
	const path = "../../conf/fluent-siem.md"
	t.Setenv("COLUMNS", "100")
	var out, errs bytes.Buffer
	if code := Run(t.Context(), []string{"manual"}, Terminal{Out: &out, Err: &errs}); code != Done {
		t.Fatalf("exit code %d: %s", code, errs.String())
	}
	for _, command := range []string{"pipeline", "convert", "explain", "check", "infer", "import es-loader", "version"} {
		if !strings.Contains(out.String(), "\n## fluent-siem "+command+"\n") {
			t.Errorf("the manual lacks %s", command)
		}
	}
	settingstest.CheckFile(t, path, out.String(), "the help texts say")
}

// Every command that can be run has a code for when it fails, and its error
// shows it.
func TestEveryCommandHasACode(t *testing.T) {
	var c commands
	parser, err := newParser(&c, Terminal{Out: io.Discard, Err: io.Discard}, func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	leaves := parser.Model.Leaves(true)
	for _, leaf := range leaves {
		if codes.Command(leaf.FullPath()) == "" {
			t.Errorf("%s has no code in internal/code", leaf.FullPath())
		}
	}
	if len(leaves) < 15 {
		t.Errorf("only %d commands were found", len(leaves))
	}
	var out, errs bytes.Buffer
	args := []string{"deadletter", "show", "--place", t.TempDir(), "abc"}
	if exit := Run(t.Context(), args, Terminal{Out: &out, Err: &errs}); exit != Failed || !strings.HasSuffix(errs.String(), " [FS7005]\n") {
		t.Errorf("exit code %d: %s", exit, errs.String())
	}
	errs.Reset()
	if exit := Run(t.Context(), []string{"deadletter", "shew"}, Terminal{Out: &out, Err: &errs}); exit != Usage || !strings.Contains(errs.String(), string(codes.Usage)) {
		t.Errorf("exit code %d: %s", exit, errs.String())
	}
}

func TestNearest(t *testing.T) {
	types := []*logtype.Type{{Name: "vpc", Key: "vpcflowlogs/"}, {Name: "waf", Key: `aws-waf-logs-|_waflogs_`}, {Name: "trail", Key: "CloudTrail/"}, {Name: "none"}}
	for key, want := range map[string]string{
		"AWSLogs/1/vpcflowlog/x":    `vpc: its pattern wants "vpcflowlogs/"`,
		"aws-waf-log-x":             `waf: its pattern wants "aws-waf-logs-"`,
		"something/else":            "",
		"AWSLogs/1/cloudtrail/x":    `trail: its pattern wants "CloudTrail/"`,
		"vpcflow/CloudTrailDigests": `trail: its pattern wants "CloudTrail/" vpc: its pattern wants "vpcflowlogs/"`,
	} {
		var got []string
		for _, n := range nearest(types, nil, key) {
			got = append(got, n.String())
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: got %q, want %q", key, got, want)
		}
	}
	if got := nearest(types, types[:1], "vpcflowlogs/"); len(got) != 0 {
		t.Errorf("the winner is called close: %v", got)
	}
}

func TestRowsAlign(t *testing.T) {
	rows := [][]string{{"read", "5"}, {"größer", "1234"}}
	for right, want := range map[bool]string{true: "read       5\ngrößer  1234\n", false: "read    5\ngrößer  1234\n"} {
		var out bytes.Buffer
		if err := writeRows(&out, rows, right, nil); err != nil || out.String() != want {
			t.Errorf("right %v: %v, got\n%s", right, err, out.String())
		}
	}
	var out bytes.Buffer
	if styleFor(&out).red("x") != "x" || style(true).red("x") == "x" {
		t.Error("colours are for terminals only")
	}
}
