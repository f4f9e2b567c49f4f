package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/fluent-siem/fluent-siem/filters/ecs"
	"github.com/fluent-siem/fluent-siem/filters/enrich"
	"github.com/fluent-siem/fluent-siem/filters/logtype"
	"github.com/fluent-siem/fluent-siem/internal/event"
	"github.com/fluent-siem/fluent-siem/internal/lease"
	"github.com/fluent-siem/fluent-siem/plugins/s3sqs/split"
)

const (
	sampleEnding   = ".sample"
	expectedEnding = ".expected.ndjson"
	// shownRecords is how many records of a sample are compared for the reader.
	shownRecords = 10
	// shownWidth is how much of a value is shown.
	shownWidth = 60
)

// checkTime is when samples are loaded: always the same, so that documents are.
var checkTime = time.Date(2024, 6, 15, 0, 0, 0, 0, time.UTC)

type checkCommand struct {
	Update bool   `help:"Write what the samples become as what is expected."`
	Dir    string `arg:"" help:"Folder with log types (*.yaml) and their samples."`
}

func (checkCommand) Help() string {
	return `Validates the log types in a folder, all problems at once, and tries them on the samples beside them:
TYPE.sample, or TYPE.ANYTHING.sample, compressed or not, should become what the file of the same name with
.expected.ndjson says, one line per record. --update writes these files; read them before you keep them.
Samples are loaded at 2024-06-15T00:00:00Z from an object named like the file, without GeoIP.

Exit code 1 means that a type is invalid, a sample becomes something else, or its expectation is missing.

Examples:

  $ mkdir types && printf 'name: app\nformat: json\nkey: app/\nindex: {name: log-app}\necs: {source.ip: ip}\n' > types/app.yaml && echo '{"ip":"203.0.113.7"}' > types/app.sample && fluent-siem check --update types
  $ fluent-siem check types`
}

// Run checks one folder.
func (c checkCommand) Run(ctx context.Context, t Terminal) error {
	samples, err := filepath.Glob(filepath.Join(c.Dir, "*"+sampleEnding))
	if err == nil {
		var info os.FileInfo
		if info, err = os.Stat(c.Dir); err == nil && !info.IsDir() {
			err = fmt.Errorf("%s is no folder; name the one that holds the log types", c.Dir)
		}
	}
	if err != nil {
		return usageError{err}
	}
	set, err := loadTypes(c.Dir)
	if err != nil {
		return err
	}
	own, err := filepath.Glob(filepath.Join(c.Dir, "*.yaml"))
	if err != nil {
		return err
	}
	engine := &ecs.Engine{IDs: ecs.Natural, Agents: enrich.NewAgents(), Now: func() time.Time { return checkTime }}
	without(t, own, samples)
	bad := 0
	for _, sample := range samples {
		ok, err := c.sample(ctx, t, set, engine, sample)
		if err != nil {
			return err
		}
		if !ok {
			bad++
		}
	}
	fmt.Fprintf(t.Out, "%s valid, %s tried: %s\n", number(len(own), "log type"), number(len(samples), "sample"), result(bad, c.Update))
	if bad > 0 {
		return errQuiet
	}
	return nil
}

// without says which log types have no sample to be tried on.
func without(t Terminal, types, samples []string) {
	tried := map[string]bool{}
	for _, s := range samples {
		name, _, _ := strings.Cut(filepath.Base(s), ".")
		tried[name] = true
	}
	for _, file := range types {
		if name := strings.TrimSuffix(filepath.Base(file), ".yaml"); !tried[name] {
			fmt.Fprintf(t.Err, "%s: there is no sample; put one beside it as %s%s\n", filepath.Base(file), name, sampleEnding)
		}
	}
}

func result(bad int, updated bool) string {
	switch {
	case bad > 0:
		return fmt.Sprintf("%d not as expected", bad)
	case updated:
		return "what they became is expected from now on"
	}
	return "all as expected"
}

func number(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// sample tries one sample and prints what is wrong with it.
func (c checkCommand) sample(ctx context.Context, t Terminal, set *logtype.Set, engine *ecs.Engine, path string) (ok bool, err error) {
	file := filepath.Base(path)
	name, _, _ := strings.Cut(file, ".")
	kind := set.Type(name)
	if kind == nil {
		fmt.Fprintf(t.Out, "%s: there is no log type %q; name the sample after its type\n", file, name)
		return false, nil
	}
	got, err := try(ctx, engine, kind, path)
	if err != nil {
		fmt.Fprintf(t.Out, "%s: not read to its end: %v\n", file, err)
		return false, ctx.Err()
	}
	expected := strings.TrimSuffix(path, sampleEnding) + expectedEnding
	if c.Update {
		if err := os.WriteFile(expected, bytes.Join(append(got, nil), []byte("\n")), 0o600); err != nil {
			return false, err
		}
		if n := failures(got); n > 0 {
			fmt.Fprintf(t.Out, "%s: %s became no document; see %s\n", file, number(n, "record"), filepath.Base(expected))
		}
		return true, nil
	}
	text, err := os.ReadFile(expected)
	if errors.Is(err, os.ErrNotExist) {
		fmt.Fprintf(t.Out, "%s: nothing says what it should become; `fluent-siem check --update %s` writes %s\n", file, c.Dir, filepath.Base(expected))
		return false, nil
	}
	if err != nil {
		return false, err
	}
	want, err := readExpected(text)
	if err != nil {
		fmt.Fprintf(t.Out, "%s: %v\n", filepath.Base(expected), err)
		return false, nil
	}
	return c.compare(t, file, want, got)
}

// try converts a sample: a line of JSON for each record.
func try(ctx context.Context, engine *ecs.Engine, kind *logtype.Type, path string) (lines [][]byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	run := &conversion{ctx: ctx, converter: engine.NewConverter(), kind: kind,
		source: lease.Source{Key: filepath.Base(path), LogType: kind.Name, Size: -1, EventTime: checkTime}}
	run.done = func(number uint64, err error) error {
		line := fmt.Appendf(nil, `{"record":%d,`, number)
		var excluded *ecs.Excluded
		switch {
		case err == nil:
			doc := run.appendDocument(nil)
			lines = append(lines, append(line, doc[1:]...))
			return nil
		case errors.As(err, &excluded):
			line = event.AppendJSONString(append(line, `"excluded":`...), []byte(excluded.Rule))
		default:
			line = event.AppendJSONString(append(line, `"failed":`...), []byte(err.Error()))
		}
		lines = append(lines, append(line, '}'))
		return nil
	}
	_, err = split.Records(f, kind.Framing(), split.Limits{}, run.record)
	return lines, err
}

// failures counts the records that became no document.
func failures(lines [][]byte) (n int) {
	for _, l := range lines {
		if failure(l) != "" {
			n++
		}
	}
	return n
}

// firstFailure is why the first record that became no document did not.
func firstFailure(lines [][]byte) error {
	for _, l := range lines {
		if why := failure(l); why != "" {
			return errors.New(why)
		}
	}
	return nil
}

func failure(line []byte) string {
	var r struct{ Failed string }
	_ = json.Unmarshal(line, &r) // we wrote it
	return r.Failed
}

func readExpected(text []byte) (lines [][]byte, err error) {
	s := bufio.NewScanner(bytes.NewReader(text))
	s.Buffer(nil, 64<<20)
	for n := 1; s.Scan(); n++ {
		line := bytes.TrimSpace(s.Bytes())
		if len(line) == 0 {
			continue
		}
		if !json.Valid(line) {
			return nil, fmt.Errorf("line %d is not JSON; correct it, or let --update write the file", n)
		}
		lines = append(lines, bytes.Clone(line))
	}
	return lines, s.Err()
}

// compare prints how the records differ, a table for each.
func (c checkCommand) compare(t Terminal, file string, want, got [][]byte) (same bool, err error) {
	s := styleFor(t.Out)
	differ := 0
	for i := range max(len(want), len(got)) {
		a, b := flatten(at(want, i)), flatten(at(got, i))
		if reflect.DeepEqual(a, b) {
			continue
		}
		if differ++; differ > shownRecords {
			continue
		}
		record := b["record"]
		if record == "" {
			record = a["record"]
		}
		switch {
		case len(b) == 0:
			fmt.Fprintf(t.Out, "%s: record %s is expected, but not there\n", file, record)
		case len(a) == 0:
			fmt.Fprintf(t.Out, "%s: record %s is not expected\n", file, record)
		default:
			fmt.Fprintf(t.Out, "%s: record %s\n", file, record)
			if err := writeRows(t.Out, difference(a, b), false, func(row, column int, cell string) string {
				if row == 0 {
					return s.bold(cell)
				}
				return cell
			}); err != nil {
				return false, err
			}
		}
	}
	if differ > shownRecords {
		fmt.Fprintf(t.Out, "%s: %d more records differ\n", file, differ-shownRecords)
	}
	return differ == 0, nil
}

func at(lines [][]byte, i int) []byte {
	if i < len(lines) {
		return lines[i]
	}
	return nil
}

// flatten makes path → value as JSON of a document; "record" is its number.
func flatten(line []byte) map[string]string {
	flat := map[string]string{}
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return flat
	}
	var walk func(path string, v any)
	walk = func(path string, v any) {
		object, ok := v.(map[string]any)
		if !ok || len(object) == 0 && path != "" {
			text, err := json.Marshal(v)
			if err != nil {
				text = fmt.Append(nil, v)
			}
			flat[path] = string(text)
			return
		}
		for k, item := range object {
			walk(strings.TrimPrefix(path+"."+k, "."), item)
		}
	}
	walk("", v)
	return flat
}

// difference is the rows of what differs, sorted by field.
func difference(want, got map[string]string) [][]string {
	var fields []string
	for k := range want {
		fields = append(fields, k)
	}
	for k := range got {
		if _, ok := want[k]; !ok {
			fields = append(fields, k)
		}
	}
	slices.Sort(fields)
	rows := [][]string{{"  field", "expected", "became"}}
	for _, k := range fields {
		if a, b := want[k], got[k]; a != b {
			rows = append(rows, []string{"  " + strings.TrimPrefix(k, "_source."), shown(a), shown(b)})
		}
	}
	return rows
}

// shown is a value as it fits a column; - is nothing.
func shown(value string) string {
	if value == "" {
		return "-"
	}
	if r := []rune(value); len(r) > shownWidth {
		return string(r[:shownWidth-1]) + "…"
	}
	return value
}
