package cli

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/fluent-siem/fluent-siem/internal/ledger"
	"github.com/fluent-siem/fluent-siem/internal/settings"
	"github.com/fluent-siem/fluent-siem/plugins/s3sqs"
	"github.com/fluent-siem/fluent-siem/sidecar/announce"
	"github.com/fluent-siem/fluent-siem/sidecar/hostconfig"
)

// queuePlace says which queue objects are announced to, and with which settings.
type queuePlace struct {
	Queue    string  `placeholder:"URL" help:"The SQS queue to announce objects to. Default: the first of the input s3_sqs that --config has."`
	Region   string  `placeholder:"NAME" help:"AWS region. Default: as --config, the queue's URL or the environment says."`
	Endpoint string  `placeholder:"URL" help:"A service compatible with S3 and SQS, in place of AWS. Default: as --config says."`
	Rate     float64 `placeholder:"N" help:"Announce at most as many objects a second."`
	Ahead    int     `default:"1000" placeholder:"N" help:"Announce nothing while as many messages wait in the queue: the agents take from it what the cluster takes."`
	TablesOf string  `placeholder:"WHICH" enum:"event," default:"" help:"Have the agents enrich the events with the tables of each event's day (event) that their sidecar kept. Default: as the filter's setting tables_of says."`
	DryRun   bool    `name:"dry-run" help:"Only say what would be announced."`
	JSON     bool    `name:"json" help:"Print the result as JSON."`
}

// input returns the settings of the input that the queue belongs to.
func (c queuePlace) input(config string) (s3sqs.Config, error) {
	cfg := s3sqs.Defaults()
	if config != "" {
		file, err := hostconfig.Read(config, os.LookupEnv)
		if err != nil {
			return cfg, usageError{err}
		}
		found := false
		for _, in := range file.Inputs {
			if in.Name() != "s3_sqs" || found || c.Queue != "" && !strings.Contains(in.Get("queue_url"), c.Queue) && len(file.Inputs) > 1 {
				continue
			}
			found = true
			if err := settings.Load(&cfg, in.Get); err != nil {
				return cfg, usageError{fmt.Errorf("the input s3_sqs of %s:\n%w", config, err)}
			}
		}
		if !found {
			return cfg, usageError{fmt.Errorf("%s has no input s3_sqs for this queue", config)}
		}
	}
	if c.Queue != "" {
		cfg.QueueURL = []string{c.Queue}
	}
	cfg.Region, cfg.Endpoint = cmp.Or(c.Region, cfg.Region), cmp.Or(c.Endpoint, cfg.Endpoint)
	if len(cfg.QueueURL) == 0 && c.DryRun {
		cfg.QueueURL = []string{"https://sqs.us-east-1.amazonaws.com/000000000000/none"} // for validation; it is not asked
	}
	if len(cfg.QueueURL) == 0 {
		return cfg, usageError{errors.New("nothing says which queue to announce to: write --queue URL or --config FILE")}
	}
	if c.Ahead < 10 || c.Rate < 0 {
		return cfg, usageError{errors.New("--ahead must be at least 10, and --rate not negative")}
	}
	if err := cfg.Validate(); err != nil {
		return cfg, usageError{err}
	}
	return cfg, nil
}

// inventoryChoice is where objects are listed, when not in the bucket.
type inventoryChoice struct {
	Inventory string `placeholder:"PLACE" help:"Take the objects from an S3 Inventory (CSV or Parquet) instead of listing the bucket: its manifest.json, s3://bucket/key or a file, with the inventory's folders beside it."`
}

// source returns the inventory's objects.
func (c inventoryChoice) source(ctx context.Context, s *s3sqs.Services) (announce.Source, error) {
	if strings.HasPrefix(c.Inventory, "s3://") {
		bucket, key, err := announce.ParseURL(c.Inventory)
		if err != nil {
			return nil, usageError{err}
		}
		return announce.Inventory(ctx, announce.FromBucket(s.Bucket), bucket, key), nil
	}
	dir, file := filepath.Split(c.Inventory)
	if _, err := os.Stat(c.Inventory); err != nil {
		return nil, usageError{fmt.Errorf("the inventory's manifest: %w", err)}
	}
	return announce.Inventory(ctx, func(_ context.Context, _, key string) (io.ReadCloser, error) {
		if key == file {
			return os.Open(c.Inventory)
		}
		return openBeside(dir, key)
	}, "", file), nil
}

// openBeside opens a file of an inventory that was copied into a folder: under
// its whole key or the end of it.
func openBeside(dir, key string) (io.ReadCloser, error) {
	for rest := key; ; {
		if filepath.IsLocal(rest) {
			if f, err := os.Open(filepath.Join(dir, rest)); err == nil {
				return f, nil
			}
		}
		_, after, ok := strings.Cut(rest, "/")
		if !ok {
			return nil, fmt.Errorf("neither it nor the end of its path is in %s", cmp.Or(dir, "."))
		}
		rest = after
	}
}

type backfillCommand struct {
	ledgerPlace
	queuePlace
	timeRange
	inventoryChoice
	Restart bool   `help:"Begin anew, although an earlier run of the same backfill was interrupted."`
	Source  string `arg:"" placeholder:"s3://BUCKET/PREFIX" help:"What to load; - is a list on standard input: s3://bucket/key a line, or the JSON of the ledger."`
}

func (backfillCommand) Help() string {
	return `Announces objects that are in a bucket already to the queue that the agents read, as S3 announces new
ones. The agents load them as they load everything: with leases, at the pace of the cluster, in the
ledger. While --ahead messages wait in the queue nothing more is announced, so fresh objects wait behind
so many at most; a queue of its own (queue_url takes several) keeps both apart.

How far it is stands in state_dir: the same command goes on where it was interrupted. What is announced
twice is stored once. --since and --until compare with the time at which an object was written.

Examples:

  $ printf 's3://logs/AWSLogs/1/CloudTrail/a.json.gz\n' | fluent-siem backfill - --dry-run`
}

// Run announces what is in a bucket or a list.
func (c backfillCommand) Run(ctx context.Context, t Terminal) error {
	since, until, err := c.times(time.Now())
	if err != nil {
		return err
	}
	cfg, err := c.input(c.Config)
	if err != nil {
		return err
	}
	services, err := s3sqs.Connect(ctx, cfg)
	if err != nil {
		return err
	}
	var state *announce.State
	if !c.DryRun {
		if state, err = c.state(cfg); err != nil {
			return err
		}
		if state.Resumed() {
			fmt.Fprintf(t.Err, "going on behind %s: %d objects are announced already\n", state.After, state.Announced.Objects)
		}
	}
	objects, count, err := c.objects(ctx, t, services, state)
	if err != nil {
		return err
	}
	in := func(s announce.Source) announce.Source { return announce.Within(s, since, until) }
	if count != nil {
		count = in(count)
	}
	listed := c.Source == "-" || c.Inventory != ""
	return announcing{t, c.queuePlace, cfg, services, state, listed, "announcing"}.run(ctx, in(objects), count)
}

// state opens how far an earlier run came.
func (c backfillCommand) state(cfg s3sqs.Config) (*announce.State, error) {
	dir := cmp.Or(c.StateDir, cfg.StateDir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, usageError{fmt.Errorf("no place to note how far it is: %w; name a folder by --state-dir", err)}
	}
	state, err := announce.OpenState(dir, strings.Join([]string{c.Source, c.Inventory, c.Since, c.Until, cfg.QueueURL[0]}, " "), c.Restart)
	if err != nil {
		return nil, usageError{err}
	}
	return state, nil
}

// objects returns what is to be announced, and the same once more to be counted
// if it can be read twice.
func (c backfillCommand) objects(ctx context.Context, t Terminal, s *s3sqs.Services, state *announce.State) (objects, count announce.Source, err error) {
	after := ""
	if state != nil {
		after = state.After
	}
	if c.Source == "-" {
		lines := announce.Lines(bufio.NewReaderSize(t.In, 64<<10))
		if state == nil || state.Announced.Objects == 0 {
			return lines, nil, nil
		}
		return skip(lines, state), nil, nil
	}
	bucket, prefix, err := announce.ParseURL(c.Source)
	if err != nil {
		return nil, nil, usageError{err}
	}
	if c.Inventory == "" {
		return announce.List(ctx, s.Bucket(bucket), bucket, prefix, after), announce.List(ctx, s.Bucket(bucket), bucket, prefix, after), nil
	}
	inventory, err := c.source(ctx, s)
	if err != nil {
		return nil, nil, err
	}
	all := announce.Only(inventory, func(o announce.Object) bool { return o.Bucket == bucket && strings.HasPrefix(o.Key, prefix) })
	if after == "" {
		return all, all, nil
	}
	return skip(all, state), all, nil
}

// skip leaves out what an earlier run has announced of a list that is the same.
func skip(list announce.Source, state *announce.State) announce.Source {
	done, last := state.Lines, state.After
	return func(yield func(announce.Object, error) bool) {
		n := int64(0)
		for o, err := range list {
			if n++; err == nil && n <= done {
				if n == done && o.URL() != last {
					yield(o, fmt.Errorf("the list is another than before: its object %d is %s, and was %s; begin anew with --restart", n, o.URL(), last))
					return
				}
				continue
			}
			if !yield(o, err) {
				return
			}
		}
	}
}

// announcing is what backfill and reconcile have in common.
type announcing struct {
	t        Terminal
	place    queuePlace
	cfg      s3sqs.Config
	services *s3sqs.Services
	state    *announce.State // nil: none is kept
	listed   bool            // the objects come in an order of their own, not that of keys
	what     string
}

// run announces the objects, shows how far it is of those in count (nil: their
// number is not known), and prints the result.
func (a announcing) run(ctx context.Context, objects, count announce.Source) error {
	show := newProgress(a.t, a.what, 1, false)
	defer show.end()
	counting, stop := context.WithCancel(ctx)
	defer stop()
	var total atomic.Int64
	if count != nil && show.bar != nil {
		go func() { // a picture only: an error shows where it matters
			for _, err := range count {
				if err != nil || counting.Err() != nil {
					return
				}
				total.Add(1)
			}
		}()
	}
	queue := a.cfg.QueueURL[0]
	announcer := &announce.Announcer{Client: a.services.Queue(queue), Queue: queue, Pace: announce.Pace{Rate: a.place.Rate, Ahead: a.place.Ahead}, TablesOf: a.place.TablesOf}
	tell := func(p announce.Progress) error {
		if show.bar != nil {
			show.bar.ChangeMax64(max(total.Load(), p.Objects, 1))
			if p.Waiting {
				show.bar.Describe("waiting for the agents")
			} else {
				show.bar.Describe(a.what)
			}
		}
		show.add(p.Objects - show.read)
		return nil
	}
	var p announce.Progress
	var err error
	if a.place.DryRun {
		p, err = list(ctx, objects, a.t, a.place.JSON, tell)
	} else {
		p, err = announcer.Run(ctx, objects, a.noting(tell))
	}
	show.end()
	return a.result(p, err)
}

// noting tells, and notes how far it is.
func (a announcing) noting(tell func(announce.Progress) error) func(announce.Progress) error {
	if a.state == nil {
		return tell
	}
	before, lines := a.state.Announced, a.state.Lines
	return func(p announce.Progress) error {
		if p.Objects > 0 {
			a.state.After = p.Last.Key
			if a.state.Lines = lines + p.Objects; a.listed {
				a.state.After = p.Last.URL()
			}
			a.state.Announced.Objects, a.state.Announced.Bytes = before.Objects+p.Objects, before.Bytes+p.Bytes
		}
		return errors.Join(tell(p), a.state.Save(false))
	}
}

// result prints what was announced.
func (a announcing) result(p announce.Progress, err error) error {
	if a.state != nil && a.state.Announced.Objects > 0 {
		p.Objects, p.Bytes = a.state.Announced.Objects, a.state.Announced.Bytes
	}
	if err != nil && p.Objects == 0 {
		return err
	}
	var said error
	switch {
	case a.place.DryRun: // the objects are the result
		fmt.Fprintf(a.t.Err, "would announce %d objects with %d bytes\n", p.Objects, p.Bytes)
	case a.place.JSON:
		said = json.NewEncoder(a.t.Out).Encode(p)
	default:
		_, said = fmt.Fprintf(a.t.Out, "announced %d objects with %d bytes\n", p.Objects, p.Bytes)
	}
	if err == nil {
		err = said
	}
	switch {
	case err != nil && a.state != nil:
		return errors.Join(fmt.Errorf("it was interrupted: %w; the same command goes on where it was", err), a.state.Save(true))
	case err != nil:
		return fmt.Errorf("it was interrupted: %w; what was announced before is announced", err)
	case a.state != nil:
		return a.state.Done()
	}
	return nil
}

// list prints what would be announced.
func list(ctx context.Context, objects announce.Source, t Terminal, asJSON bool, tell func(announce.Progress) error) (p announce.Progress, err error) {
	out := bufio.NewWriter(t.Out)
	defer out.Flush()
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	for o, err := range objects {
		if err == nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			return p, err
		}
		p.Objects++
		p.Bytes += max(o.Size, 0)
		p.Last = o
		if asJSON {
			err = encoder.Encode(map[string]any{"bucket": o.Bucket, "key": o.Key, "etag": o.ETag, "size": o.Size, "modified": o.Modified})
		} else {
			_, err = fmt.Fprintln(out, o.URL())
		}
		if err == nil {
			err = tell(p)
		}
		if err != nil {
			return p, err
		}
	}
	return p, nil
}

type ledgerReconcileCommand struct {
	ledgerPlace
	queuePlace
	timeRange
	inventoryChoice
	Bucket string         `required:"" placeholder:"NAME" help:"The bucket to compare with."`
	Prefix string         `placeholder:"PREFIX" help:"Only objects whose key begins so."`
	Again  []ledger.State `placeholder:"STATE" help:"Announce objects in these states again, too, separated by commas: unreadable, skipped, …"`
	With   []string       `type:"existingfile" placeholder:"FILE" help:"The ledger of another host too, as fluent-siem ledger --json prints it; may be given several times."`
}

func (ledgerReconcileCommand) Help() string {
	return `Lists a bucket, or reads an S3 Inventory, and announces the objects that the ledger has no record of.
Objects under way are not missing. A key that was written anew is found by its ETag. Each host has its own
ledger: when several read one queue, collect the others' and name them by --with. What is announced
although it was loaded is stored once: it costs time only.

Examples:

  $ fluent-siem ledger reconcile --bucket logs --prefix AWSLogs/ --since 7d --dry-run || echo nothing was loaded on this host`
}

// Run announces what is missing.
func (c ledgerReconcileCommand) Run(ctx context.Context, t Terminal) error {
	since, until, err := c.times(time.Now())
	if err != nil {
		return err
	}
	cfg, err := c.input(c.Config)
	if err != nil {
		return err
	}
	services, err := s3sqs.Connect(ctx, cfg)
	if err != nil {
		return err
	}
	known, err := c.known(ctx, t)
	if err != nil {
		return err
	}
	objects := announce.List(ctx, services.Bucket(c.Bucket), c.Bucket, c.Prefix, "")
	if c.Inventory != "" {
		if objects, err = c.source(ctx, services); err != nil {
			return err
		}
	}
	seen := int64(0)
	missing := announce.Only(announce.Within(objects, since, until), func(o announce.Object) bool {
		if o.Bucket != c.Bucket || !strings.HasPrefix(o.Key, c.Prefix) {
			return false
		}
		seen++
		return !known.Has(o)
	})
	err = announcing{t, c.queuePlace, cfg, services, nil, true, "comparing"}.run(ctx, missing, nil)
	if !c.JSON {
		fmt.Fprintf(t.Err, "%d objects are in the bucket, in this range\n", seen)
	}
	return err
}

// known reads the ledgers.
func (c ledgerReconcileCommand) known(ctx context.Context, t Terminal) (announce.Known, error) {
	known, now := announce.Known{}, time.Now()
	show := startCount(t, "reading the ledger")
	defer show.end()
	take := func(r ledger.Record) error {
		show.add(1)
		known.Add(r, c.Again, now)
		return nil
	}
	if err := c.records(ctx, ledger.Filter{Bucket: c.Bucket, Prefix: c.Prefix}, take); err != nil && (len(c.With) == 0 || !errors.Is(err, ledger.ErrNone)) {
		return nil, err
	}
	for _, path := range c.With {
		f, err := os.Open(path)
		if err != nil {
			return nil, usageError{err}
		}
		decoder := json.NewDecoder(bufio.NewReaderSize(f, 64<<10))
		for err == nil {
			var r ledger.Record
			if err = decoder.Decode(&r); err == nil {
				err = take(r)
			}
		}
		f.Close()
		if !errors.Is(err, io.EOF) {
			return nil, usageError{fmt.Errorf("%s is not what fluent-siem ledger --json prints: %w", path, err)}
		}
	}
	return known, nil
}
