package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/fluent-siem/fluent-siem/internal/lease"
	"github.com/fluent-siem/fluent-siem/internal/ledger"
	"github.com/fluent-siem/fluent-siem/plugins/s3sqs"
	"github.com/fluent-siem/fluent-siem/sidecar/hostconfig"
)

type ledgerCommand struct {
	List      ledgerListCommand      `cmd:"" default:"withargs" help:"List what became of each object, or sums of it."`
	Reconcile ledgerReconcileCommand `cmd:"" help:"Find objects of a bucket that the ledger does not have, and announce them again."`
}

func (ledgerCommand) Help() string {
	return `The ledger has a record of each object that was announced: how many records were read, what became
of them, and how the object ended. It may be asked while the agent runs.

States: open (under way; after a crash: it was, and its notification comes again), done, skipped (not
read, as its class says), unreadable (not to its end), given_back (its notification went back to the
queue), unbalanced (a bug: please report it).`
}

// ledgerPlace says where the ledger is.
type ledgerPlace struct {
	Config   string `short:"c" placeholder:"FILE" help:"Fluent Bit's configuration: its input s3_sqs says where the ledger is."`
	StateDir string `placeholder:"DIR" help:"state_dir of the input s3_sqs. Default: what --config says, else /var/lib/fluent-siem."`
}

// dir returns the state_dir.
func (c ledgerPlace) dir() (string, error) {
	if c.StateDir != "" {
		return c.StateDir, nil
	}
	dir := s3sqs.Defaults().StateDir
	if c.Config != "" {
		file, err := hostconfig.Read(c.Config, os.LookupEnv)
		if err != nil {
			return "", usageError{err}
		}
		for _, in := range file.Inputs {
			if in.Name() == "s3_sqs" {
				dir = cmp.Or(in.Get("state_dir"), dir)
			}
		}
	}
	return dir, nil
}

// records calls f for each record that is wanted.
func (c ledgerPlace) records(ctx context.Context, want ledger.Filter, f func(ledger.Record) error) error {
	dir, err := c.dir()
	if err != nil {
		return err
	}
	sources, done, err := ledger.Sources(ctx, dir, want)
	if errors.Is(err, ledger.ErrNone) {
		return usageError{fmt.Errorf("%w; name another by --state-dir or --config", err)}
	}
	if err != nil {
		return err
	}
	defer done()
	for r, err := range ledger.Merge(want, sources...) {
		if err != nil {
			return fmt.Errorf("the ledger in %s cannot be read further: %w", dir, err)
		}
		if err := f(r); err != nil {
			return err
		}
	}
	return nil
}

// timeRange is --since and --until.
type timeRange struct {
	Since string `placeholder:"TIME" help:"From then on: a length of time like 24h or 7d, a date, or a time like 2024-06-15T00:00:00Z."`
	Until string `placeholder:"TIME" help:"Before then, written in the same way."`
}

func (c timeRange) times(now time.Time) (since, until time.Time, err error) {
	if since, err = parseSince(c.Since, now); err != nil {
		return since, until, usageError{fmt.Errorf("--since: %w", err)}
	}
	if until, err = parseSince(c.Until, now); err != nil {
		return since, until, usageError{fmt.Errorf("--until: %w", err)}
	}
	return since, until, nil
}

type ledgerListCommand struct {
	ledgerPlace
	timeRange
	Bucket string         `placeholder:"NAME" help:"Only objects of this bucket."`
	Prefix string         `placeholder:"PREFIX" help:"Only objects whose key begins so."`
	Type   string         `placeholder:"TYPE" help:"Only objects of this log type."`
	State  []ledger.State `placeholder:"STATE" help:"Only objects in these states, separated by commas."`
	Sum    []string       `placeholder:"BY" enum:"type,day,state,class,bucket" help:"Print sums by type, day, state, class or bucket, or several, separated by commas."`
	Limit  int            `default:"1000" placeholder:"N" help:"Print at most as many objects in the table; 0: all. JSON has all."`
	JSON   bool           `name:"json" help:"Print a JSON object a line."`
}

func (ledgerListCommand) Help() string {
	return `Prints the objects in the order of their keys. Times mean what became of an object, not its records.
A day is that (UTC) on which an object was first announced.

Examples:

  $ fluent-siem ledger --since 7d --sum day,type || echo nothing was loaded on this host
  $ fluent-siem ledger --state unreadable,given_back --json || echo nothing was loaded on this host`
}

// Run prints records or sums.
func (c ledgerListCommand) Run(ctx context.Context, t Terminal) error {
	since, until, err := c.times(time.Now())
	if err != nil {
		return err
	}
	want := ledger.Filter{Bucket: c.Bucket, Prefix: c.Prefix, LogType: c.Type, States: c.State, Since: since, Until: until}
	show := startCount(t, "reading the ledger")
	defer show.end()
	if len(c.Sum) > 0 {
		sums := map[string]*ledgerSum{}
		err := c.records(ctx, want, func(r ledger.Record) error {
			show.add(1)
			key := c.sumKey(r)
			name := strings.Join(key, "\x00")
			if sums[name] == nil {
				sums[name] = &ledgerSum{key: key}
			}
			sums[name].add(r)
			return nil
		})
		show.end()
		if err != nil {
			return err
		}
		return c.printSums(t.Out, sums)
	}
	if c.JSON {
		encoder := json.NewEncoder(t.Out)
		encoder.SetEscapeHTML(false)
		return c.records(ctx, want, func(r ledger.Record) error { return encoder.Encode(r) })
	}
	rows := [][]string{append([]string{"STATE", "TYPE"}, append(slices.Clone(sumColumns), "LAST", "OBJECT")...)}
	left := 0
	err = c.records(ctx, want, func(r ledger.Record) error {
		show.add(1)
		if c.Limit > 0 && len(rows) > c.Limit {
			left++
			return nil
		}
		state := r.State.String()
		if r.Class != "" {
			state += " (" + r.Class + ")"
		}
		object := "s3://" + r.Bucket + "/" + r.Key.Key
		if r.First > 0 {
			object += fmt.Sprintf(" from record %d", r.First)
		}
		sum := ledgerSum{}
		sum.add(r)
		rows = append(rows, append([]string{state, cmp.Or(r.LogType, "-")}, append(sum.cells()[1:], r.Last.Format(time.DateTime), object)...))
		return nil
	})
	show.end()
	if err != nil {
		return err
	}
	if len(rows) == 1 {
		_, err := fmt.Fprintln(t.Out, "no objects")
		return err
	}
	if err := writeLedger(t.Out, rows, 2, len(sumColumns)); err != nil {
		return err
	}
	if left > 0 {
		fmt.Fprintf(t.Err, "%d more objects; --limit 0 prints them all, --bucket, --prefix, --type, --state, --since and --until choose\n", left)
	}
	return nil
}

// sumKey is what a record is summed by.
func (c ledgerListCommand) sumKey(r ledger.Record) (key []string) {
	for _, by := range c.Sum {
		key = append(key, map[string]string{"type": r.LogType, "day": r.Began.UTC().Format(time.DateOnly), "state": r.State.String(), "class": r.Class, "bucket": r.Bucket}[by])
	}
	return key
}

// ledgerSum adds up records.
type ledgerSum struct {
	key             []string
	objects         uint64
	totals          lease.Totals
	size            int64
	announced, back uint64
}

func (s *ledgerSum) add(r ledger.Record) {
	s.objects++
	s.announced += r.Announced
	s.back += r.Returned
	s.size += max(r.Size, 0)
	s.totals.Read += r.Totals.Read
	s.totals.Bytes += r.Totals.Bytes
	for i, n := range r.Totals.By {
		s.totals.By[i] += n
	}
}

// sumColumns are the numbers of an object; a sum has the number of objects before them.
var sumColumns = []string{"READ", "STORED", "DUPLICATE", "EXCLUDED", "DEAD-LETTERED", "UNREADABLE", "BYTES"}

func (s *ledgerSum) cells() []string {
	cells := []string{fmt.Sprint(s.objects), fmt.Sprint(s.totals.Read)}
	for _, o := range lease.Outcomes() {
		cells = append(cells, fmt.Sprint(s.totals.Of(o)))
	}
	return append(cells, fmt.Sprint(s.totals.Bytes))
}

// json is a sum as an object; its fields are those of a record.
func (s *ledgerSum) json(by []string) map[string]any {
	m := map[string]any{"objects": s.objects, "announced": s.announced, "read": s.totals.Read, "bytes": s.totals.Bytes, "size": s.size, "returned": s.back}
	for _, o := range lease.Outcomes() {
		m[strings.ReplaceAll(o.String(), "-", "_")] = s.totals.Of(o)
	}
	for i, name := range by {
		if name == "type" {
			name = "log_type"
		}
		m[name] = s.key[i]
	}
	return m
}

func (c ledgerListCommand) printSums(w io.Writer, sums map[string]*ledgerSum) error {
	var rows [][]string
	header := []string{}
	for _, by := range c.Sum {
		header = append(header, strings.ToUpper(by))
	}
	rows = append(rows, append(append(header, "OBJECTS"), sumColumns...))
	all := &ledgerSum{}
	encoder := json.NewEncoder(w)
	for _, name := range slices.Sorted(maps.Keys(sums)) {
		s := sums[name]
		if c.JSON {
			if err := encoder.Encode(s.json(c.Sum)); err != nil {
				return err
			}
		}
		var cells []string
		for _, k := range s.key {
			cells = append(cells, cmp.Or(k, "-"))
		}
		rows = append(rows, append(cells, s.cells()...))
		all.objects += s.objects
		all.totals.Read += s.totals.Read
		all.totals.Bytes += s.totals.Bytes
		for i, n := range s.totals.By {
			all.totals.By[i] += n
		}
	}
	if c.JSON {
		return nil
	}
	if len(rows) > 2 {
		cells := make([]string, len(c.Sum))
		cells[0] = "all"
		rows = append(rows, append(cells, all.cells()...))
	}
	return writeLedger(w, rows, len(c.Sum), 1+len(sumColumns))
}

// writeLedger prints rows whose columns from..from+n are numbers, aligned to the right.
func writeLedger(w io.Writer, rows [][]string, from, n int) error {
	widths := map[int]int{}
	for _, row := range rows {
		for i := from; i < from+n; i++ {
			widths[i] = max(widths[i], len(row[i]))
		}
	}
	for _, row := range rows {
		for i := from; i < from+n; i++ {
			row[i] = strings.Repeat(" ", widths[i]-len(row[i])) + row[i]
		}
	}
	s := styleFor(w)
	return writeRows(w, rows, false, func(row, _ int, cell string) string {
		if row == 0 {
			return s.bold(cell)
		}
		return cell
	})
}
