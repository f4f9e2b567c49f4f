// Command bench measures how fast the pipeline is, on data that it makes
// itself, and prints a table and build/bench.json.
//
// Stage "convert" is one core from a gzip object to the body of a bulk request,
// with GeoIP on: decompress, split, parse, map, enrich, write. Stage "pipeline"
// is the three plugins inside the test host, from objects in a bucket into a
// sink that answers each bulk request at once; its rates are per second of CPU
// that the host's process used, all threads together.
//
//	go run ./test/bench [-seconds 3] [-only convert] [-type alb] [-cpuprofile FILE]
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
	only := flag.String("only", "", "one stage only: convert or pipeline")
	name := flag.String("type", "", "one log type only")
	profile := flag.String("cpuprofile", "", "write a CPU profile of stage convert")
	root := flag.String("root", ".", "the repository")
	flag.Parse()
	limit := time.Duration(*seconds * float64(time.Second))
	if *name != "" {
		types = slices.DeleteFunc(types, func(d data) bool { return d.Name != *name })
	}
	var rows []result
	var errs []error
	if *only != "pipeline" {
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
		for _, d := range types {
			row, err := convert(*root, d, limit)
			if err != nil {
				return fmt.Errorf("convert %s: %w", d.Name, err)
			}
			show(&rows, row)
		}
	}
	if *only != "convert" {
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
	text, err := json.MarshalIndent(rows, "", "  ")
	if err != nil {
		return err
	}
	return errors.Join(append(errs, os.WriteFile(filepath.Join(*root, "build", "bench.json"), append(text, '\n'), 0o644))...)
}

// show prints a row as soon as it is known.
func show(rows *[]result, r result) {
	if len(*rows) == 0 {
		fmt.Printf("%-12s %-18s %5s %12s %8s %12s %9s %14s %10s\n", "type", "stage", "cores", "events/s", "MB/s", "allocs/event", "peak MB", "+ gzip µs/event", "of target")
	}
	*rows = append(*rows, r)
	gzip := ""
	if r.GzipExtra > 0 {
		gzip = fmt.Sprintf("%.2f", r.GzipExtra)
	}
	fmt.Printf("%-12s %-18s %5d %12.0f %8.1f %12.2f %9.0f %14s %9.0f%%\n", r.Type, r.Stage, r.Cores, r.Events, r.MB, r.Allocs, r.PeakRSS, gzip, 100*r.Events/r.Target)
}
