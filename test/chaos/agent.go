package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"go.uber.org/goleak"

	"github.com/fluent-siem/fluent-siem/sidecar/cli"
	"github.com/fluent-siem/fluent-siem/test/rig"
)

// asAgent, as the first argument, makes this program the agent.
const asAgent = "agent"

// leaked is the agent's exit status when it has ended and goroutines of it have not.
const leaked = 3

// host is this program as an agent: `fluent-siem pipeline`, and a look at what is
// left when that has returned.
func host() (rig.Host, error) {
	program, err := os.Executable()
	return rig.Program(program, asAgent), err
}

// agent runs a command of fluent-siem and returns its exit status.
func agent(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	status := cli.Run(ctx, args, cli.Terminal{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})
	stop()
	if err := goleak.Find(); err != nil { // it waits a moment for those that are about to end
		fmt.Fprintln(os.Stderr, "goroutines are left behind:", err)
		return leaked
	}
	return status
}

// leak reports whether an agent ended so.
func leak(err error) bool {
	var exit *exec.ExitError
	return errors.As(err, &exit) && exit.ExitCode() == leaked
}
