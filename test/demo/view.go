package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/fluent-siem/fluent-siem/test/rig"
)

// viewed is how long the pages go on after the demo.
const viewed = "1h"

// dashboards are those of the demo's log types, and the height of each.
var dashboards = []struct {
	name, id string
	height   int
}{
	{"cloudtrail", "02ca2d20-8245-11ea-8450-d1d13849d130", 2300},
	{"vpcflowlogs", "9459bbf0-8071-11ea-945d-8d0868f4a377", 2200},
	{"elb", "48d6b4b0-308b-11eb-9df7-6b7b0da6e7ae", 2550},
}

// loaded is when the demo's events were.
const loaded = "?from=2024-05-31T12:00&to=2024-05-31T13:01"

// view leaves `fluent-siem view` running, takes pictures of three dashboards where
// there is a Chromium, and prints where everything is.
func view(ctx context.Context, out io.Writer, root string, cluster rig.Cluster) error {
	var answer any
	if err := cluster.Do(ctx, "POST", "/log-*/_refresh", nil, &answer); err != nil {
		return err
	}
	command := exec.Command("timeout", viewed, filepath.Join(root, "build/fluent-siem"), "view", "--endpoint", cluster.URL, "--listen", "127.0.0.1:0")
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // it outlives the demo
	log, err := os.Create(filepath.Join(root, "build/demo/view.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	command.Stderr = log
	said, err := command.StdoutPipe()
	if err != nil {
		return err
	}
	if err := command.Start(); err != nil {
		return fmt.Errorf("fluent-siem view: %w", err)
	}
	line, err := bufio.NewReader(said).ReadString('\n')
	if err != nil {
		return errors.Join(fmt.Errorf("fluent-siem view did not say where it is; build/demo/view.log says why: %w", err), command.Wait())
	}
	address := strings.TrimSpace(line)
	fmt.Fprintf(out, "\nThe same as dashboards, from fluent-siem view, for %s (kill %d ends it):\n\n  %s\n", viewed, command.Process.Pid, address)
	for _, p := range dashboards {
		fmt.Fprintf(out, "  %sd/%s%s\n", address, p.id, loaded)
	}
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		fmt.Fprintf(out, "\nThere is no chromium on this machine, so no pictures of them are in build/.\n")
		return nil
	}
	fmt.Fprintln(out)
	for _, p := range dashboards {
		if err := picture(ctx, chromium, address+"d/"+p.id+loaded, filepath.Join(root, "build", p.name+".png"), p.height); err != nil {
			return err
		}
		fmt.Fprintf(out, "  build/%s.png\n", p.name)
	}
	return nil
}

// picture takes a picture of a page, in a profile of its own.
func picture(ctx context.Context, chromium, address, file string, height int) error {
	profile, err := os.MkdirTemp("", "demo-chromium")
	if err != nil {
		return err
	}
	defer os.RemoveAll(profile)
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	said, err := exec.CommandContext(ctx, chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--user-data-dir="+profile,
		fmt.Sprintf("--window-size=1500,%d", height), "--virtual-time-budget=20000", "--screenshot="+file, address).CombinedOutput()
	if err != nil {
		return fmt.Errorf("no picture of %s: %w: %.500s", address, err, said)
	}
	return nil
}
