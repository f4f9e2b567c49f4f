package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/fluent-siem/fluent-siem/filters/ecs"
	"github.com/fluent-siem/fluent-siem/filters/enrich"
	"github.com/fluent-siem/fluent-siem/filters/exclude"
	"github.com/fluent-siem/fluent-siem/filters/exclude/ruleset"
	"github.com/fluent-siem/fluent-siem/filters/logtype"
	"github.com/fluent-siem/fluent-siem/internal/event"
	"github.com/fluent-siem/fluent-siem/internal/lease"
	"github.com/fluent-siem/fluent-siem/plugins/s3sqs/split"
)

// shownFailures is how many failed records are explained one by one.
const shownFailures = 10

type convertCommand struct {
	Key        string `required:"" placeholder:"KEY" help:"The object's key in S3: it decides the log type."`
	Bucket     string `placeholder:"BUCKET" help:"The bucket's name, for document ids and types that ask for it."`
	GeoIP      string `name:"geoip" placeholder:"DIR" help:"Folder with GeoLite2-City.mmdb and GeoLite2-ASN.mmdb."`
	Assets     string `placeholder:"DIR" help:"Folder with tables of assets, as the setting assets_dir of the filter."`
	Now        string `placeholder:"RFC3339" help:"Pretend that it is this time, such as 2024-06-15T00:00:00Z."`
	DocumentID string `name:"document-id" enum:"natural,content" default:"natural" help:"natural: the record's own id, else a hash of where it stands. content: the ids that SIEM on Amazon OpenSearch Service gave."`
	LogTypes   string `name:"logtypes" placeholder:"DIR" help:"Folder with log types of your own."`
	Exclude    string `name:"exclude-file" placeholder:"FILE" help:"Rules for records that are not wanted, as the setting exclude_file of the filter."`
	Conditions string `name:"exclude-conditions" placeholder:"PATH" help:"Conditions for records that are not wanted, as the setting exclude_conditions of the filter."`
	File       string `arg:"" help:"The object's content, compressed or not; - is standard input."`
}

func (convertCommand) Help() string {
	return `Prints one line per document, {"_index":…,"_id":…,"_source":…}, to standard output, and counts to
standard error. Exit code 1 means that at least one record failed, or that the file could not be read
to its end; the documents before are printed all the same.

Examples:

  $ echo '{"Records":[{"eventTime":"2024-06-15T12:00:00Z","eventName":"ConsoleLogin","sourceIPAddress":"203.0.113.7"}]}' | fluent-siem convert --key AWSLogs/123456789012/CloudTrail/us-east-1/2024/06/15/a.json -
  $ printf 'srcaddr dstaddr dstport end action\n10.0.0.5 203.0.113.7 443 1718452860 ACCEPT\n' | fluent-siem convert --key AWSLogs/123456789012/vpcflowlogs/us-east-1/2024/06/15/a.log --document-id content -`
}

// counts is what convert says at the end.
type counts struct{ read, converted, excluded, failed uint64 }

// Run converts one file.
func (c convertCommand) Run(ctx context.Context, t Terminal) error {
	now := time.Now()
	if c.Now != "" {
		var err error
		if now, err = time.Parse(time.RFC3339, c.Now); err != nil {
			return usageError{fmt.Errorf("--now %q is not a time; write it like 2024-06-15T00:00:00Z", c.Now)}
		}
	}
	kind, err := c.logType()
	if err != nil {
		return usageError{err}
	}
	engine := &ecs.Engine{IDs: ecs.IDs(c.DocumentID), Agents: enrich.NewAgents(), Now: func() time.Time { return now }}
	if c.GeoIP != "" {
		if engine.Geo, err = c.openGeo(t); err != nil {
			return usageError{err}
		}
		defer engine.Geo.Close()
	}
	if c.Assets != "" {
		assets, err := enrich.LoadAssets(c.Assets)
		if err != nil { // here is where tables are tried: none may be wrong
			return usageError{fmt.Errorf("--assets: %w", err)}
		}
		engine.Assets = func() *enrich.Assets { return assets }
	}
	rules, err := ruleset.Read(ruleset.Config{Patterns: c.Exclude, Conditions: c.Conditions})
	if err != nil { // here is where rules are tried: none may be wrong
		return usageError{fmt.Errorf("exclusion rules:\n%w", err)}
	}
	if rules.Len() > 0 {
		engine.Rules = func() *exclude.Rules { return rules }
	}
	in, size, err := c.open(t)
	if err != nil {
		return usageError{err}
	}
	defer in.Close()
	show := startProgress(t, "converting", size)
	defer show.end()

	out := bufio.NewWriterSize(t.Out, 256<<10)
	run := &printer{out: out, errors: t.Err, progress: show, conversion: conversion{
		ctx: ctx, converter: engine.NewConverter(), kind: kind,
		source: lease.Source{Bucket: c.Bucket, Key: c.Key, LogType: kind.Name, Size: size, EventTime: now},
	}}
	run.conversion.done = run.done
	_, err = split.Records(show.reader(in), kind.Framing(), split.Limits{}, run.record)
	show.end()
	if e := out.Flush(); err == nil {
		err = e
	}
	run.counts.print(t)
	if err != nil {
		return fmt.Errorf("%s was not read to its end: %w; the documents before are complete", c.File, err)
	}
	if run.counts.failed > 0 {
		return errQuiet
	}
	return nil
}

// logType finds the type that claims the key.
func (c convertCommand) logType() (*logtype.Type, error) {
	set, err := loadTypes(c.LogTypes)
	if err != nil {
		return nil, err
	}
	kind, why := set.Match(c.Bucket, c.Key)
	if kind == nil {
		return nil, fmt.Errorf("no log type for this key: %s; `fluent-siem explain %s` says which are close", why, c.Key)
	}
	return kind, nil
}

// openGeo opens the tables; unlike the pipeline, it refuses to go on without.
func (c convertCommand) openGeo(t Terminal) (*enrich.Geo, error) {
	for _, pattern := range []string{"GeoLite2-City*.mmdb", "GeoLite2-ASN*.mmdb"} {
		if names, _ := filepath.Glob(filepath.Join(c.GeoIP, pattern)); len(names) == 0 {
			return nil, fmt.Errorf("--geoip: there is no %s in %s", pattern, c.GeoIP)
		}
	}
	return enrich.OpenGeo(c.GeoIP, slog.New(slog.NewTextHandler(t.Err, &slog.HandlerOptions{Level: slog.LevelWarn}))), nil
}

// open returns the content, and its size or -1.
func (c convertCommand) open(t Terminal) (io.ReadCloser, int64, error) {
	if c.File == "-" {
		return io.NopCloser(t.In), -1, nil
	}
	f, err := os.Open(c.File)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		err = fmt.Errorf("%s is a folder; name a file", c.File)
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, info.Size(), nil
}

// conversion converts the records of one object.
type conversion struct {
	ctx       context.Context
	converter *ecs.Converter
	kind      *logtype.Type
	source    lease.Source
	object    *ecs.Object
	head      *split.Head // of object
	read      uint64

	// done is told what became of each record; err is nil when the converter has
	// the document.
	done func(number uint64, err error) error
}

// record converts one record.
func (r *conversion) record(rec split.Record) error {
	r.read++
	if r.read%1024 == 0 {
		if err := r.ctx.Err(); err != nil {
			return err
		}
	}
	if rec.Bad != nil {
		return r.done(rec.Number, rec.Bad)
	}
	if r.object == nil || rec.Head != r.head {
		if err := r.begin(rec.Head); err != nil {
			return err
		}
	}
	return r.done(rec.Number, r.converter.Convert(r.object, rec.Number, rec.Envelope, rec.Raw))
}

// begin prepares for the records under one header.
func (r *conversion) begin(head *split.Head) (err error) {
	source := r.source
	source.Header = head.Header
	if head.Kind == split.Parquet {
		source.Format = "json"
	}
	r.head = head
	r.object, err = r.converter.Object(r.kind, source)
	return err
}

// appendDocument appends the document in hand, {"_index":…,"_id":…,"_source":…}.
func (r *conversion) appendDocument(b []byte) []byte {
	target := r.converter.Target()
	b = append(b, `{"_index":`...)
	b = event.AppendJSONString(b, target.Index)
	if target.ID != nil {
		b = append(b, `,"_id":`...)
		b = event.AppendJSONString(b, target.ID)
	}
	b = append(b, `,"_source":`...)
	b = r.converter.AppendJSON(b)
	return append(b, '}')
}

// printer prints documents, and explains the first records that failed.
type printer struct {
	conversion
	out      *bufio.Writer
	errors   io.Writer
	progress *progress
	counts   counts
	line     []byte
}

func (r *printer) done(number uint64, err error) error {
	r.counts.read = r.read
	var excluded *ecs.Excluded
	switch {
	case err == nil:
		r.counts.converted++
		r.line = append(r.appendDocument(r.line[:0]), '\n')
		_, err := r.out.Write(r.line)
		return err
	case errors.As(err, &excluded):
		r.counts.excluded++
	default:
		r.fail(number, err)
	}
	return nil
}

// fail counts a record that became no document, and explains the first ones.
func (r *printer) fail(number uint64, why error) {
	r.counts.failed++
	switch {
	case r.counts.failed <= shownFailures:
		r.progress.clear()
		fmt.Fprintf(r.errors, "record %d: %v\n", number, why)
	case r.counts.failed == shownFailures+1:
		fmt.Fprintln(r.errors, "more records failed; they are counted only")
	}
}

func (c counts) print(t Terminal) {
	s := styleFor(t.Err)
	_ = writeRows(t.Err, [][]string{ // standard error is the last resort
		{"read", fmt.Sprint(c.read)},
		{"converted", fmt.Sprint(c.converted)},
		{"excluded", fmt.Sprint(c.excluded)},
		{"failed", fmt.Sprint(c.failed)},
	}, true, func(row, column int, cell string) string {
		if row == 3 && c.failed > 0 {
			return s.red(cell)
		}
		return cell
	})
}

// loadTypes reads the shipped log types and those of dir.
func loadTypes(dir string) (*logtype.Set, error) {
	registry, err := logtype.NewRegistry()
	if err == nil {
		err = registry.AddCheck(ecs.Check)
	}
	if err == nil && dir != "" {
		err = registry.Load(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("log types cannot be loaded:\n%w", err)
	}
	return registry.Set(), nil
}

// quote is a text as JSON, for people.
func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		return s
	}
	return string(b)
}
