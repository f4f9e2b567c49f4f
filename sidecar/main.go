// Command fluent-siem is the sidecar beside Fluent Bit and the operator's
// command line. `fluent-siem --help` says what it can do.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/fluent-siem/fluent-siem/sidecar/cli"
)

func main() {
	// The first SIGTERM or SIGINT asks politely, the second ends the process.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	reload := make(chan os.Signal, 1)
	signal.Notify(reload, syscall.SIGHUP)

	os.Exit(run(ctx, os.Args[1:], reload))
}

// run is main without the process around it.
func run(ctx context.Context, args []string, reload <-chan os.Signal) int {
	return cli.Run(ctx, args, cli.Terminal{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Reload: reload})
}
