// Command chaos loads numbered records through the pipeline while everything
// around it fails at random, and then counts: what is missing, what is there
// twice, and what cannot be explained.
//
//	go run ./test/chaos -faults 1000 -seed 7
//
// The agent is `fluent-siem pipeline`, which this program also is (agent.go); the
// cluster is three real nodes of OpenSearch behind proxies that fail, S3 and SQS
// are the emulator. Which faults happen, and in which order, follows from the seed,
// which is printed; one that cannot happen at its turn gives it to the next.
//
// # What is counted
//
//   - lost: a record that is neither in an index nor a dead letter.
//   - duplicated: a record that is in an index once more than it should be.
//   - unexplained: whatever else should not be. An agent that ends by itself, has
//     more memory resident than it may, does not end when it is asked to, or leaves
//     a goroutine behind when it does; a document or a dead letter of no record that
//     was put; a queue that does not become empty.
//
// The last line of standard output reads "lost 0, duplicated 0, unexplained 0" when
// all is well; the exit status is 1 otherwise.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"

	"github.com/fluent-siem/fluent-siem/test/services"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == asAgent {
		os.Exit(agent(os.Args[2:]))
	}
	var o options
	flag.IntVar(&o.faults, "faults", 100, "how many faults")
	flag.Uint64Var(&o.seed, "seed", 0, "of the order of the faults; 0: another each time")
	flag.IntVar(&o.nodes, "nodes", 3, "nodes of OpenSearch; with one, none is killed")
	flag.Int64Var(&o.memory, "memory", 256, "MB that an agent may have resident, with a memory_limit of 16 MB; the race detector takes more")
	flag.BoolVar(&o.keep, "keep", false, "keep the folder of the run")
	flag.Parse()
	if o.seed == 0 {
		o.seed = uint64(time.Now().UnixNano())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	fmt.Printf("seed %d, %d faults\n", o.seed, o.faults)
	v, err := run(ctx, o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(1)
	}
	fmt.Printf("lost %d, duplicated %d, unexplained %d\n", v.lost, v.duplicated, v.unexplained)
	if v != (verdict{}) {
		fmt.Fprintf(os.Stderr, "again: go run ./test/chaos -faults %d -seed %d -nodes %d -keep\n", o.faults, o.seed, o.nodes)
		os.Exit(1)
	}
}

// options are those of the command line.
type options struct {
	faults, nodes int
	seed          uint64
	memory        int64
	keep          bool
}

func run(ctx context.Context, o options) (v verdict, err error) {
	root, err := services.Root()
	if err != nil {
		return v, err
	}
	dir, err := os.MkdirTemp("", "siem-chaos-")
	if err != nil {
		return v, err
	}
	if o.keep {
		fmt.Println("folder", dir)
	} else {
		defer os.RemoveAll(dir)
	}
	w, err := newWorld(ctx, root, dir, o)
	if err != nil {
		return v, err
	}
	defer w.close()
	if err := w.storm(ctx, o.faults); err != nil {
		return v, err
	}
	return w.count(ctx)
}
