// Command chaos loads numbered records through the pipeline while everything
// around it fails at random, and then counts: what is missing, what is there
// twice, and what cannot be explained.
//
//	go run ./test/chaos -faults 1000 -seed 7
//
// The agent is `fluent-siem pipeline`; the cluster is three real nodes of
// OpenSearch behind proxies that fail, S3 and SQS are the emulator. The order of
// faults follows from the seed, which is printed. The last line of standard
// output reads "lost 0, duplicated 0, unexplained 0" when all is well; the exit
// status is 1 otherwise.
package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"time"

	"github.com/fluent-siem/fluent-siem/test/services"
)

func main() {
	faults := flag.Int("faults", 100, "how many faults")
	seed := flag.Uint64("seed", 0, "of the order of the faults; 0: another each time")
	nodes := flag.Int("nodes", 3, "nodes of OpenSearch; with one, none is killed")
	keep := flag.Bool("keep", false, "keep the folder of the run")
	flag.Parse()
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	fmt.Printf("seed %d, %d faults\n", *seed, *faults)
	v, err := run(ctx, *faults, *nodes, *seed, *keep)
	if err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(1)
	}
	fmt.Printf("lost %d, duplicated %d, unexplained %d\n", v.lost, v.duplicated, v.unexplained)
	if v != (verdict{}) {
		fmt.Fprintf(os.Stderr, "again: go run ./test/chaos -faults %d -seed %d -nodes %d -keep\n", *faults, *seed, *nodes)
		os.Exit(1)
	}
}

func run(ctx context.Context, faults, nodes int, seed uint64, keep bool) (v verdict, err error) {
	root, err := services.Root()
	if err != nil {
		return v, err
	}
	dir, err := os.MkdirTemp("", "siem-chaos-")
	if err != nil {
		return v, err
	}
	if keep {
		fmt.Println("folder", dir)
	} else {
		defer os.RemoveAll(dir)
	}
	w, err := newWorld(ctx, root, dir, nodes, rand.New(rand.NewPCG(seed, 0)))
	if err != nil {
		return v, err
	}
	defer w.close()
	if err := w.storm(ctx, faults); err != nil {
		return v, err
	}
	return w.count(ctx)
}
