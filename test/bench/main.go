// Command bench measures how fast the pipeline is, and prints a table and
// build/bench.json.
//
// Stage "convert" is one core from a gzip object to the body of a bulk request,
// with GeoIP on: decompress, split, parse, map, enrich, write; of every log type,
// on generated objects of CloudTrail, VPC flow logs and ALB, and on the samples of
// test/golden, repeated, for all others. Stage "pipeline"
// is the three plugins inside the test host, from objects in a bucket into a
// sink that answers each bulk request at once; its rates are per second of CPU
// that the host's process used, all threads together. Stage "1-record objects"
// is objects a second of the clock, in the host, with 150 ms for each GET and
// each message deleted when its record is stored.
//
//	go run ./test/bench [-seconds 3] [-only convert] [-type alb] [-save] [-cpuprofile FILE]
//
// With -save, the rates of stage convert go to test/bench/results.json, from where
// the table of log types in the manual has them.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"time"

	"github.com/fluent-siem/fluent-siem/filters/logtype"
	"github.com/fluent-siem/fluent-siem/test/corpus"
)

// result is a row of the table, and of build/bench.json.
type result struct {
	Type      string  `json:"type"`
	Stage     string  `json:"stage"`
	Cores     int     `json:"cores"`
	Events    float64 `json:"events_per_s"`
	MB        float64 `json:"mb_per_s"` // of uncompressed input, 10⁶ bytes
	Allocs    float64 `json:"allocs_per_event"`
	PeakRSS   float64 `json:"peak_rss_mb"`
	GzipExtra float64 `json:"gzip_us_per_event,omitempty"` // gzip of the body, on top
	Target    float64 `json:"target_events_per_s"`
}

// data says what is measured.
type data struct {
	corpus.Type
	n      int     // records of an object
	target float64 // events a second and core that stage convert has to reach
}

var types = []data{{corpus.CloudTrail, 15000, 60000}, {corpus.VPCFlow, 100000, 200000}, {corpus.ALB, 30000, 80000}}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run() error {
	seconds := flag.Float64("seconds", 3, "CPU seconds that each row is measured for")
	only := flag.String("only", "", "one stage only: convert, pipeline or small")
	name := flag.String("type", "", "one log type only")
	save := flag.Bool("save", false, "write the rates of stage convert to test/bench/results.json")
	profile := flag.String("cpuprofile", "", "write a CPU profile of stage convert")
	root := flag.String("root", ".", "the repository")
	flag.Parse()
	limit := time.Duration(*seconds * float64(time.Second))
	inputs, err := inputs(*root, *name)
	if err != nil {
		return err
	}
	if *name != "" {
		types = slices.DeleteFunc(types, func(d data) bool { return d.Name != *name })
	}
	var rows []result
	var errs []error
	if *only == "" || *only == "convert" {
		if *profile != "" {
			f, err := os.Create(*profile)
			if err != nil {
				return err
			}
			defer f.Close()
			if err := pprof.StartCPUProfile(f); err != nil {
				return err
			}
			defer pprof.StopCPUProfile()
		}
		for _, make := range inputs {
			in, err := make()
			if err != nil {
				return err
			}
			row, err := convert(*root, in, limit)
			if err != nil {
				return fmt.Errorf("convert %s: %w", in.t.Name, err)
			}
			show(&rows, row)
		}
		if *save {
			errs = append(errs, saveRates(*root, rows))
		}
	}
	if *only == "" || *only == "pipeline" {
		for _, d := range types {
			for _, emit := range []string{"record", "document"} {
				row, err := inHost(*root, d, emit, limit)
				if err != nil {
					errs = append(errs, fmt.Errorf("pipeline %s: %w", d.Name, err))
					continue
				}
				show(&rows, row)
			}
		}
	}
	if *only == "" || *only == "small" {
		row, err := small(*root, limit)
		if err != nil {
			errs = append(errs, fmt.Errorf("small objects: %w", err))
		} else {
			show(&rows, row)
		}
	}
	text, err := json.MarshalIndent(rows, "", "  ")
	if err != nil {
		return err
	}
	return errors.Join(append(errs, os.WriteFile(filepath.Join(*root, "build", "bench.json"), append(text, '\n'), 0o644))...)
}

// inputs are the objects to convert, each made when it is wanted: of one log type,
// or of all.
func inputs(root, name string) (all []func() (input, error), err error) {
	registry, err := logtype.NewRegistry()
	if err != nil {
		return nil, err
	}
	set := registry.Set()
	var rest []string
	for _, t := range set.Types() {
		if !slices.ContainsFunc(types, func(d data) bool { return d.Name == t.Name }) {
			rest = append(rest, t.Name)
		}
	}
	slices.Sort(rest)
	for _, d := range types {
		if name == "" || name == d.Name {
			all = append(all, func() (input, error) {
				plain := d.Traffic(d.n, 1)
				return input{t: set.Type(d.Name), key: d.Object(1, 1).Key, packed: corpus.Gzip(plain), size: len(plain), n: d.n}, nil
			})
		}
	}
	for _, other := range rest {
		if name == "" || name == other {
			all = append(all, func() (input, error) { return fromSamples(root, set.Type(other), leastRecords, leastBytes) })
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("there is no log type %s", name)
	}
	return all, nil
}

// show prints a row as soon as it is known.
func show(rows *[]result, r result) {
	if len(*rows) == 0 {
		fmt.Printf("%-26s %-18s %5s %12s %8s %12s %9s %14s %10s\n", "type", "stage", "cores", "events/s", "MB/s", "allocs/event", "peak MB", "+ gzip µs/event", "of target")
	}
	*rows = append(*rows, r)
	gzip := ""
	if r.GzipExtra > 0 {
		gzip = fmt.Sprintf("%.2f", r.GzipExtra)
	}
	fmt.Printf("%-26s %-18s %5d %12.0f %8.1f %12.2f %9.0f %14s %9.0f%%\n", r.Type, r.Stage, r.Cores, r.Events, r.MB, r.Allocs, r.PeakRSS, gzip, 100*r.Events/r.Target)
}
