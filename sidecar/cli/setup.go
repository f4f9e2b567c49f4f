package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fluent-siem/fluent-siem/filters/logtype"
	"github.com/fluent-siem/fluent-siem/sidecar/cluster"
)

// setupCommand groups what is done to a cluster.
type setupCommand struct {
	Plan   setupPlanCommand   `cmd:"" help:"Show what setup would change in the cluster, and change nothing."`
	Apply  setupApplyCommand  `cmd:"" help:"Make what the pipeline needs in the cluster."`
	Export setupExportCommand `cmd:"" help:"Write what setup would make into files."`
	Remove setupRemoveCommand `cmd:"" help:"Delete what setup has made, and nothing else."`
}

// setupFlags are common to all.
type setupFlags struct {
	clusterFlags
	Settings string `placeholder:"FILE" help:"What to set up: life cycles, roles, snapshots … (conf/setup.yaml shows all). Default: templates and roles only."`
}

type setupPlanCommand struct {
	setupFlags
	Force bool `help:"Plan to replace what somebody else made or changed, too."`
	Full  bool `help:"Show every line of every difference."`
}

func (setupPlanCommand) Help() string {
	return `Compares the cluster with what there should be: index templates for every log type, aliases for those
that roll over, life cycles, roles, snapshots, settings, a channel for notifications. What somebody else
made or changed is kept unless --force is given; what the cluster lacks, such as a plugin, is skipped.

Works with OpenSearch 2 and 3, with OpenSearch Service and Serverless (templates only).`
}

// Run compares.
func (c setupPlanCommand) Run(ctx context.Context, t Terminal) error {
	job, err := c.open(ctx, t)
	if err != nil {
		return err
	}
	defer job.close()
	steps, err := job.Plan(ctx, job.wanted, c.Force)
	if err != nil {
		return err
	}
	if err := writeSteps(t.Out, steps, c.Full); err != nil {
		return err
	}
	_, err = fmt.Fprintf(t.Out, "%s. Nothing was changed\n", summary(steps))
	return err
}

type setupApplyCommand struct {
	setupFlags
	Force  bool   `help:"Replace what somebody else made or changed, too."`
	Backup string `placeholder:"DIR" help:"Where what is replaced or deleted is saved. Default: setup-backup-TIME in the current folder."`
}

func (setupApplyCommand) Help() string {
	return `Does what plan shows, step by step. A step that fails is told and the others are done all the same (exit
code 1). What is replaced is saved before. A second apply finds nothing to do.

Templates count for indexes that begin after; those that are there keep their fields until their log type's
next rotation.`
}

// Run makes what is missing.
func (c setupApplyCommand) Run(ctx context.Context, t Terminal) error {
	job, err := c.open(ctx, t)
	if err != nil {
		return err
	}
	defer job.close()
	steps, err := job.Plan(ctx, job.wanted, c.Force)
	if err != nil {
		return err
	}
	return job.do(ctx, t, steps, c.Backup)
}

type setupRemoveCommand struct {
	setupFlags
	Force  bool   `help:"Delete what somebody has changed since, too."`
	Backup string `placeholder:"DIR" help:"Where what is deleted is saved. Default: setup-backup-TIME in the current folder."`
}

func (setupRemoveCommand) Help() string {
	return `Deletes what apply has made. What somebody has changed since stays, unless --force is given. No index that
holds a document is deleted.`
}

// Run deletes.
func (c setupRemoveCommand) Run(ctx context.Context, t Terminal) error {
	job, err := c.open(ctx, t)
	if err != nil {
		return err
	}
	defer job.close()
	steps, err := job.Plan(ctx, nil, c.Force)
	if err != nil {
		return err
	}
	return job.do(ctx, t, steps, c.Backup)
}

type setupExportCommand struct {
	setupFlags
	Dir string `arg:"" help:"The folder; files that are there are replaced."`
}

func (setupExportCommand) Help() string {
	return `Writes each template, policy and role as the JSON that its API takes, DIR/<kind>/<name>.json, for those who
set up their cluster by other means. Without a connection the newest OpenSearch with all plugins is assumed.

Examples:

  $ fluent-siem setup export opensearch`
}

// Run writes files.
func (c setupExportCommand) Run(ctx context.Context, t Terminal) error {
	has := cluster.Features{Version: "3.0.0", Flat: true, ISM: true, Security: true, Channels: true, Alerting: true}
	if c.Config != "" || len(c.Endpoint) > 0 {
		job, err := c.open(ctx, t)
		if err != nil {
			return err
		}
		defer job.close()
		return export(t, c.Dir, job.wanted)
	}
	chosen, err := c.settings()
	if err != nil {
		return err
	}
	types, err := logtype.NewRegistry()
	if err != nil {
		return err
	}
	wanted, err := cluster.Resources(chosen, types.Set(), has)
	if err != nil {
		return err
	}
	return export(t, c.Dir, wanted)
}

func export(t Terminal, dir string, wanted []cluster.Resource) error {
	if err := cluster.Export(dir, wanted); err != nil {
		return err
	}
	_, err := fmt.Fprintf(t.Out, "%s: %s\n", dir, number(len(wanted), "file"))
	return err
}

// setupJob is a cluster and what it should have.
type setupJob struct {
	*cluster.Cluster
	wanted []cluster.Resource
	close  func()
}

func (c setupFlags) settings() (cluster.Settings, error) {
	if c.Settings == "" {
		return cluster.DefaultSettings(), nil
	}
	text, err := os.ReadFile(c.Settings)
	if err != nil {
		return cluster.Settings{}, usageError{err}
	}
	s, err := cluster.ReadSettings(text)
	if err != nil {
		return s, usageError{fmt.Errorf("%s:\n%w", c.Settings, err)}
	}
	return s, nil
}

func (c setupFlags) open(ctx context.Context, t Terminal) (*setupJob, error) {
	chosen, err := c.settings()
	if err != nil {
		return nil, err
	}
	api, cfg, types, err := c.connect(t)
	if err != nil {
		return nil, err
	}
	job := &setupJob{close: api.Close}
	has, err := cluster.Probe(ctx, api, cfg.Serverless())
	if err == nil {
		job.wanted, err = cluster.Resources(chosen, types, has)
	}
	if err == nil {
		job.Cluster, err = cluster.Open(ctx, api, has, chosen.Name)
	}
	if err != nil {
		api.Close()
		return nil, err
	}
	return job, nil
}

// do does the steps and tells each.
func (j *setupJob) do(ctx context.Context, t Terminal, steps []cluster.Step, backup string) error {
	if backup == "" {
		backup = "setup-backup-" + time.Now().UTC().Format("20060102T150405Z")
	}
	failed := 0
	for _, s := range steps {
		if s.Action == cluster.Keep || s.Action == cluster.Skip {
			writeStep(t.Out, s)
		}
	}
	err := j.Apply(ctx, steps, backup, func(s cluster.Step, err error) {
		if err != nil {
			failed++
			fmt.Fprintf(t.Out, "  failed  %v\n", err)
			return
		}
		writeStep(t.Out, s)
	})
	if ctx.Err() != nil {
		return err
	}
	fmt.Fprintf(t.Out, "%s", summary(steps))
	if entries, err := filepath.Glob(filepath.Join(backup, "*", "*")); err == nil && len(entries) > 0 {
		fmt.Fprintf(t.Out, "; what was replaced or deleted is saved in %s", backup)
	}
	if failed > 0 {
		fmt.Fprintf(t.Out, ". %s failed: correct the cause and apply again\n", number(failed, "step"))
		return errQuiet
	}
	_, err = fmt.Fprintln(t.Out)
	return err
}

// mostDiff is how many lines of a difference are shown.
const mostDiff = 12

func writeSteps(w io.Writer, steps []cluster.Step, full bool) error {
	for _, s := range steps {
		if s.Action == cluster.Same {
			continue
		}
		writeStep(w, s)
		lines := s.Diff
		if len(lines) > mostDiff && !full {
			lines = lines[:mostDiff]
		}
		for _, line := range lines {
			fmt.Fprintf(w, "            %s\n", line)
		}
		if more := len(s.Diff) - len(lines); more > 0 {
			fmt.Fprintf(w, "            … %d lines more (--full)\n", more)
		}
	}
	return nil
}

func writeStep(w io.Writer, s cluster.Step) {
	why := ""
	if s.Why != "" {
		why = ": " + s.Why
	}
	fmt.Fprintf(w, "  %-7s %s%s\n", s.Action, s.ID(), why)
}

// summary counts the steps by what they do.
func summary(steps []cluster.Step) string {
	counts := map[cluster.Action]int{}
	for _, s := range steps {
		counts[s.Action]++
	}
	var parts []string
	for _, a := range []cluster.Action{cluster.Create, cluster.Update, cluster.Delete, cluster.Keep, cluster.Skip, cluster.Unread, cluster.Same} {
		if n := counts[a]; n > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", a, n))
		}
	}
	if len(parts) == 0 {
		return "nothing to do"
	}
	return strings.Join(parts, ", ")
}
