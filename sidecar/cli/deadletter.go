package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	codes "github.com/fluent-siem/fluent-siem/internal/code"
	"github.com/fluent-siem/fluent-siem/internal/deadletter"
	"github.com/fluent-siem/fluent-siem/internal/settings"
	"github.com/fluent-siem/fluent-siem/outputs/opensearch"
	"github.com/fluent-siem/fluent-siem/sidecar/hostconfig"
	"github.com/fluent-siem/fluent-siem/sidecar/replay"
)

type deadletterCommand struct {
	List   letterListCommand   `cmd:"" help:"Group the dead letters by cause."`
	Show   letterShowCommand   `cmd:"" help:"Print dead letters whole."`
	Replay letterReplayCommand `cmd:"" help:"Run dead letters, or a dead-letter queue, through the current configuration."`
	Prune  letterPruneCommand  `cmd:"" help:"Remove files whose letters are all closed."`
}

func (deadletterCommand) Help() string {
	return `A dead letter is a document that the cluster refused, a record that became no document, or an
object that could not be read. It waits with its reason in the place that dead_letters names.`
}

// letterPlace says where dead letters are.
type letterPlace struct {
	Config string `short:"c" placeholder:"FILE" help:"Fluent Bit's configuration: its output opensearch_bulk says where dead letters are."`
	Place  string `placeholder:"PLACE" help:"Where dead letters are: a folder, or s3://bucket/prefix/. Default: what --config says."`
}

// open returns the letters' box, and the configuration when one is named.
func (c letterPlace) open() (*deadletter.Box, *hostconfig.File, error) {
	var file *hostconfig.File
	var err error
	cfg := deadletter.Config{Place: c.Place}
	switch {
	case c.Config != "":
		if file, err = hostconfig.Read(c.Config, os.LookupEnv); err != nil {
			return nil, nil, usageError{err}
		}
		if c.Place == "" {
			if cfg, err = replay.BoxOf(file); err != nil {
				return nil, nil, usageError{err}
			}
		}
	case c.Place == "":
		return nil, nil, usageError{errors.New("nothing says where dead letters are: write --config FILE or --place PLACE")}
	}
	box, err := deadletter.Open(cfg)
	if err != nil {
		return nil, nil, usageError{err}
	}
	return box, file, nil
}

// letterChoice says which letters are meant.
type letterChoice struct {
	Signature []string `placeholder:"KEY" help:"Only letters with this signature, as list prints it. May be given several times."`
	Since     string   `placeholder:"TIME" help:"Only letters written since then: a length of time like 24h or 7d, or a time like 2024-06-15T00:00:00Z."`
}

// chooser returns what tells whether a letter is meant.
func (c letterChoice) chooser(now time.Time) (func(*deadletter.Entry) bool, error) {
	since, err := parseSince(c.Since, now)
	if err != nil {
		return nil, usageError{fmt.Errorf("--since: %w", err)}
	}
	return func(e *deadletter.Entry) bool {
		return !e.Letter.Time.Before(since) && (len(c.Signature) == 0 || slices.Contains(c.Signature, e.Signature().Key()))
	}, nil
}

// parseSince reads a length of time before now, a date or a time; "" is the beginning.
func parseSince(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	d, err := settings.ParseDuration(text)
	if err != nil {
		return time.Time{}, fmt.Errorf("%q is neither a length of time like 24h or 7d nor a time like 2024-06-15T00:00:00Z", text)
	}
	return now.Add(-d), nil
}

// damaged tells of what could not be read; letters beside it were.
func damaged(t Terminal, d deadletter.Damage) error {
	if d.Files == nil {
		return nil
	}
	text := fmt.Sprintf("%d bytes and %d lines are damaged and were left out; all whole letters were read. Files: %s", d.Bytes, d.Lines, strings.Join(d.Files, ", "))
	fmt.Fprintln(t.Err, codes.Damaged.In(text))
	return errQuiet
}

type letterListCommand struct {
	letterPlace
	letterChoice
	Closed bool `help:"Closed letters too: those that a replay has settled."`
	JSON   bool `name:"json" help:"Print one JSON object per group."`
}

func (letterListCommand) Help() string {
	return `Prints a group for each signature: class, reason without what differs from record to record, index
without its date, log type. With it the number of letters, the first and last time, one sample, and
what would make OpenSearch take them, where that can be said.

Examples:

  $ mkdir -p dead-letters && fluent-siem deadletter list --json --place dead-letters && echo nothing is there`
}

// letterGroup is what list prints.
type letterGroup struct {
	deadletter.Group
	Code   codes.Code `json:"code,omitempty"`
	Advice string     `json:"advice,omitempty"`
}

// Run prints the groups, the largest first.
func (c letterListCommand) Run(ctx context.Context, t Terminal) error {
	chosen, err := c.chooser(time.Now())
	if err != nil {
		return err
	}
	box, _, err := c.open()
	if err != nil {
		return err
	}
	defer box.Close()
	show := startCount(t, "reading dead letters")
	defer show.end()
	groups, damage, err := box.Groups(ctx, func(e *deadletter.Entry) bool {
		show.add(1)
		return (c.Closed || !e.Closed()) && chosen(e)
	})
	show.end()
	if err != nil {
		return fmt.Errorf("the dead letters cannot be read: %w", err)
	}
	var list []letterGroup
	for _, g := range groups {
		list = append(list, letterGroup{g, codes.Letter(g.Class), opensearch.MappingAdvice(g.Class, g.SampleReason, g.SampleIndex)})
	}
	if c.JSON {
		enc := json.NewEncoder(t.Out)
		enc.SetEscapeHTML(false)
		for _, g := range list {
			if err := enc.Encode(g); err != nil {
				return err
			}
		}
		return damaged(t, damage)
	}
	if err := c.print(t.Out, list); err != nil {
		return err
	}
	return damaged(t, damage)
}

func (c letterListCommand) print(w io.Writer, list []letterGroup) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(w, "no open dead letters")
		return err
	}
	s := styleFor(w)
	total := 0
	for _, g := range list {
		total += g.Count
		fmt.Fprintf(w, "%s  %d × %s  %s %s\n", s.bold(g.Key), g.Count, g.Code.In(g.Class), cmp.Or(g.Index, "-"), cmp.Or(g.LogType, "-"))
		fmt.Fprintf(w, "  %s\n  %s … %s, such as %s\n", g.Reason, g.First.Format(time.RFC3339), g.Last.Format(time.RFC3339), g.Sample[:12])
		if g.Closed > 0 {
			fmt.Fprintf(w, "  closed: %d\n", g.Closed)
		}
		if g.Advice != "" {
			fmt.Fprintf(w, "  to do: %s\n", g.Advice)
		}
	}
	_, err := fmt.Fprintf(w, "%d letters, %d signatures\n", total, len(list))
	return err
}

type letterShowCommand struct {
	letterPlace
	letterChoice
	Limit int      `default:"10" placeholder:"N" help:"At most as many."`
	ID    []string `arg:"" optional:"" placeholder:"ID" help:"Letters, by the beginning of their id."`
}

func (letterShowCommand) Help() string {
	return `Prints each letter as one JSON object: its id, its file, the letter, and what its last replay said.

Examples:

  $ mkdir -p dead-letters && fluent-siem deadletter show --place dead-letters --since 7d && echo nothing is there`
}

var errShown = errors.New("as many as were asked for are shown")

// Run prints letters, open and closed.
func (c letterShowCommand) Run(ctx context.Context, t Terminal) error {
	chosen, err := c.chooser(time.Now())
	if err != nil {
		return err
	}
	box, _, err := c.open()
	if err != nil {
		return err
	}
	defer box.Close()
	enc := json.NewEncoder(t.Out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	n := 0
	damage, err := box.Each(ctx, func(e *deadletter.Entry) error {
		if !chosen(e) || len(c.ID) > 0 && !slices.ContainsFunc(c.ID, func(id string) bool { return strings.HasPrefix(e.ID, id) }) {
			return nil
		}
		if err := enc.Encode(e); err != nil {
			return err
		}
		if n++; n >= c.Limit {
			return errShown
		}
		return nil
	})
	if err != nil && !errors.Is(err, errShown) {
		return fmt.Errorf("the dead letters cannot be read: %w", err)
	}
	if n == 0 && len(c.ID) > 0 {
		return fmt.Errorf("there is no letter whose id begins with %s", strings.Join(c.ID, " or "))
	}
	return damaged(t, damage)
}

type letterPruneCommand struct {
	letterPlace
	Older string `default:"7d" placeholder:"AGE" help:"Only letters that were closed longer ago."`
}

func (letterPruneCommand) Help() string {
	return `Removes files whose letters are all closed, to free the place. Open letters, damaged files and files
that are being written stay.

Examples:

  $ mkdir -p dead-letters && fluent-siem deadletter prune --place dead-letters --older 30d`
}

// Run removes files.
func (c letterPruneCommand) Run(ctx context.Context, t Terminal) error {
	age, err := settings.ParseDuration(c.Older)
	if err != nil {
		return usageError{fmt.Errorf("--older: %q %w", c.Older, err)}
	}
	box, _, err := c.open()
	if err != nil {
		return err
	}
	defer box.Close()
	p, err := box.Prune(ctx, time.Now().Add(-age))
	if err != nil {
		return fmt.Errorf("pruning ended early; what it removed was closed: %w", err)
	}
	_, err = fmt.Fprintf(t.Out, "removed %d files with %d letters; %d files stay\n", p.Files, p.Letters, p.Kept)
	return err
}

type letterReplayCommand struct {
	letterPlace
	letterChoice
	DryRun    bool    `name:"dry-run" help:"Convert only: nothing is sent, nothing is marked."`
	Rate      float64 `placeholder:"N" help:"At most as many letters a second."`
	TablesOf  string  `placeholder:"WHICH" enum:"newest,event," default:"" help:"Enrich with the newest tables, or with those of each event's day that the sidecar kept (event), whatever the setting tables_of says."`
	Queue     string  `placeholder:"URL" help:"Replay the messages of this SQS queue in place of dead letters: a redrive policy's, or AWS Lambda's."`
	JSON      bool    `name:"json" help:"Print the books as JSON."`
	LogLevel  string  `placeholder:"LEVEL" enum:"debug,info,warn,error" default:"warn" help:"debug, info, warn or error."`
	LogFormat string  `placeholder:"FORMAT" enum:"text,json" default:"text" help:"text or json."`
}

func (letterReplayCommand) Help() string {
	return `Runs dead letters through the filter ecs and the outputs opensearch_bulk of a configuration as it is
now. Objects that could not be read are fetched again. What succeeds is closed; what is refused stays,
with its new reason. Documents get the ids that they would have had, so a replay may be repeated.
Exit code 1 means that letters stay open.

With --queue, messages of the dead-letter queue of SIEM on Amazon OpenSearch Service, of its split
queue's, or of any queue of notifications are loaded; each is deleted when all its records are judged.

Examples:

  $ printf 'pipeline:\n  inputs:\n    - name: s3_sqs\n      queue_url: https://sqs.eu-west-1.amazonaws.com/123456789012/siem\n  filters:\n    - name: ecs\n      match: "*"\n  outputs:\n    - name: opensearch_bulk\n      match: "*"\n      endpoint: https://search.example.internal:9200\n      dead_letters: dead-letters\n' > siem.yaml; mkdir -p dead-letters; fluent-siem deadletter replay -c siem.yaml --since 24h --dry-run`
}

// Run replays and prints the books.
func (c letterReplayCommand) Run(ctx context.Context, t Terminal) error {
	if c.Config == "" {
		return usageError{errors.New("missing flag: --config=FILE; a replay needs filters and outputs")}
	}
	chosen, err := c.chooser(time.Now())
	if err != nil {
		return err
	}
	box, file, err := c.open()
	if err != nil {
		return err
	}
	defer box.Close()
	if c.TablesOf != "" {
		file = replay.WithTables(file, c.TablesOf)
	}
	log := slog.New(c.handler(t.Err))
	if c.Queue != "" {
		return c.queue(ctx, t, file, log)
	}
	show := startCount(t, "replaying dead letters")
	defer show.end()
	books, err := replay.Run(ctx, file, box, replay.Options{
		Choose: chosen, Rate: c.Rate, DryRun: c.DryRun, Log: log,
		Progress: func(b replay.Books) { show.add(int64(b.Letters) - show.read) },
	})
	show.end()
	var bad *hostconfig.Error
	if errors.As(err, &bad) {
		return usageError{fmt.Errorf("the configuration cannot be used, and nothing was replayed:\n%w", err)}
	}
	if e := c.print(t, books); err == nil {
		err = e
	}
	if err != nil {
		return fmt.Errorf("the replay ended early; the letters that it closed are closed, the others stay: %w", err)
	}
	if books.Staying() > 0 {
		return errQuiet
	}
	return nil
}

func (c letterReplayCommand) queue(ctx context.Context, t Terminal, file *hostconfig.File, log *slog.Logger) error {
	if c.DryRun || c.Rate > 0 || len(c.Signature) > 0 || c.Since != "" {
		return usageError{errors.New("--queue reads all messages of a queue; leave out --dry-run, --rate, --signature and --since")}
	}
	books, err := replay.Queue(ctx, file, c.Queue, log)
	if c.JSON {
		if e := json.NewEncoder(t.Out).Encode(books); err == nil {
			err = e
		}
	} else if _, e := fmt.Fprintf(t.Out, "messages settled: %d, left in the queue: %d\n", books.Settled, books.Left); err == nil {
		err = e
	}
	return err
}

func (c letterReplayCommand) print(t Terminal, b replay.Books) error {
	if c.JSON {
		return json.NewEncoder(t.Out).Encode(b)
	}
	rows := [][]string{{"letters", fmt.Sprint(b.Letters)}, {"records", fmt.Sprint(b.Records)}}
	verb, stay := "closed: ", "stays: "
	if c.DryRun {
		verb, stay = "would be sent or closed: ", "would stay: "
	}
	for _, m := range []struct {
		verb string
		by   map[string]uint64
	}{{verb, b.Closed}, {stay, b.Stay}} {
		var names []string
		for name := range m.by {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			rows = append(rows, []string{m.verb + name, fmt.Sprint(m.by[name])})
		}
	}
	if b.New > 0 {
		rows = append(rows, []string{"new letters of replayed objects", fmt.Sprint(b.New)})
	}
	return writeRows(t.Out, rows, true, nil)
}

func (c letterReplayCommand) handler(out io.Writer) slog.Handler {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.LogLevel)) // the grammar allows no other
	options := &slog.HandlerOptions{Level: level}
	if c.LogFormat == "json" {
		return slog.NewJSONHandler(out, options)
	}
	return slog.NewTextHandler(out, options)
}
