package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/fluent-siem/fluent-siem/sidecar/doctor"
)

type doctorCommand struct {
	planFlags
	Settings string `placeholder:"FILE" help:"What the cluster was set up with (fluent-siem setup --settings)."`
	JSON     bool   `name:"json" help:"Write the findings as a list in JSON."`
}

func (doctorCommand) Help() string {
	return `Tries everything that a configuration needs, from here and as this identity: each permission of
fluent-siem policy, the settings of queues (visibility, redrive, encryption, who may send), that buckets announce
their objects, the cluster's endpoints, certificates, login, right to write and index templates, and clocks. Run it
where the pipeline runs. It changes nothing.

bad: it does not work. doubt: it works, and will not always. untried: it could not be found out.
The exit code is 1 when something is bad.

With everything there is: fluent-siem doctor -c fluent-bit.yaml --sidecar sidecar.yaml --bucket NAME --key ARN`
}

// Run examines.
func (c doctorCommand) Run(ctx context.Context, t Terminal) error {
	plan, err := c.plan()
	if err != nil {
		return err
	}
	o := doctor.Options{}
	if o.Setup, err = (setupFlags{Settings: c.Settings}).settings(); err != nil {
		return err
	}
	if o.LogTypes, err = plan.LogTypes(); err != nil {
		return usageError{err}
	}
	var found []doctor.Finding
	p := startCount(t, "examining")
	doctor.Examine(ctx, plan, o, func(f doctor.Finding) {
		found = append(found, f)
		p.add(1)
	})
	p.end()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err := c.write(t, found); err != nil {
		return err
	}
	if slices.ContainsFunc(found, func(f doctor.Finding) bool { return f.Status == doctor.Bad }) {
		return errQuiet
	}
	return nil
}

func (c doctorCommand) write(t Terminal, found []doctor.Finding) error {
	if c.JSON {
		out := json.NewEncoder(t.Out)
		out.SetIndent("", "  ")
		out.SetEscapeHTML(false)
		return out.Encode(found)
	}
	rows := [][]string{{"", "check", "of", "found"}}
	counts := map[doctor.Status]int{}
	var todo []string
	for _, f := range found {
		rows = append(rows, []string{string(f.Status), f.Check, f.Of, f.Found})
		counts[f.Status]++
		if line := fmt.Sprintf("  %s of %s: %s", f.Check, f.Of, f.Todo); f.Todo != "" && !slices.Contains(todo, line) {
			todo = append(todo, line)
		}
	}
	red := styleFor(t.Out)
	if err := writeRows(t.Out, rows, false, func(row, column int, cell string) string {
		if column == 0 && strings.TrimSpace(cell) == string(doctor.Bad) {
			return red.red(cell)
		}
		return cell
	}); err != nil {
		return err
	}
	if len(todo) > 0 {
		fmt.Fprintf(t.Out, "\nTo do:\n%s\n", strings.Join(todo, "\n"))
	}
	_, err := fmt.Fprintf(t.Out, "\n%d bad, %d in doubt, %d untried, %d ok. Nothing was changed\n", counts[doctor.Bad], counts[doctor.Doubt], counts[doctor.Untried], counts[doctor.OK])
	return err
}
