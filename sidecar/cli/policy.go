package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/fluent-siem/fluent-siem/sidecar/daemon"
	"github.com/fluent-siem/fluent-siem/sidecar/doctor"
	"github.com/fluent-siem/fluent-siem/sidecar/hostconfig"
)

// planFlags say which configurations are meant, and what they cannot say themselves.
type planFlags struct {
	Config  string   `short:"c" placeholder:"FILE" help:"The pipeline's configuration."`
	Sidecar string   `placeholder:"FILE" help:"The sidecar's configuration; alone or beside the pipeline's, when both are one identity."`
	Bucket  []string `placeholder:"NAME" help:"A bucket whose objects are announced; may be repeated. Default: any."`
	Key     []string `placeholder:"ARN" help:"A key of KMS that buckets, queues or topics are encrypted with; may be repeated."`
}

// plan reads the files.
func (f planFlags) plan() (*doctor.Plan, error) {
	if f.Config == "" && f.Sidecar == "" {
		return nil, usageError{errors.New("name a configuration: -c FILE of a pipeline, --sidecar FILE, or both")}
	}
	plan := &doctor.Plan{Buckets: f.Bucket, Keys: f.Key}
	if f.Config != "" {
		file, err := hostconfig.Read(f.Config, os.LookupEnv)
		if err != nil {
			return nil, usageError{err}
		}
		if err := plan.AddPipeline(file); err != nil {
			return nil, usageError{fmt.Errorf("%s:\n%w", f.Config, err)}
		}
	}
	if f.Sidecar != "" {
		cfg, err := daemon.Load(f.Sidecar)
		if err != nil {
			return nil, usageError{err}
		}
		plan.AddSidecar(cfg)
	}
	return plan, nil
}

type policyCommand struct {
	planFlags
	Role string `placeholder:"ARN" help:"Print the policy of a role that the configuration assumes, instead of that of the process itself."`
	Why  bool   `help:"Print a table of what is needed for which setting, and why, instead of JSON."`
}

func (policyCommand) Help() string {
	return `Prints the least that AWS must allow for a configuration to work, as an IAM policy. Nothing is asked of AWS.
Roles that the configuration assumes need policies of their own (--role), which are named on standard error.
What people do by hand (deadletter, backfill, reconcile) is not in it: their own rights count then.

Examples:

  $ printf '[INPUT]\n name s3_sqs\n queue_url https://sqs.eu-west-1.amazonaws.com/123456789012/siem\n' > siem.conf && fluent-siem policy -c siem.conf --bucket siem-logs
  $ fluent-siem policy -c siem.conf --why`
}

// Run prints a policy.
func (c policyCommand) Run(t Terminal) error {
	plan, err := c.plan()
	if err != nil {
		return err
	}
	roles := plan.Roles()
	if c.Role != "" && !slices.Contains(roles, c.Role) {
		return usageError{fmt.Errorf("the configuration assumes no role %s; it assumes: %s", c.Role, strings.Join(roles, ", "))}
	}
	policy, notes := plan.Policy(c.Role)
	if c.Why {
		return writeRows(t.Out, reasons(policy), false, nil)
	}
	for _, n := range notes {
		fmt.Fprintln(t.Err, "fluent-siem:", n)
	}
	if c.Role == "" {
		for _, r := range roles {
			fmt.Fprintf(t.Err, "fluent-siem: for the role, which must trust this identity: the same with --role %s\n", r)
		}
	}
	text, err := json.MarshalIndent(policy, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(t.Out, "%s\n", text)
	return err
}

// reasons are the rows of the needs that are in a policy.
func reasons(policy doctor.Document) [][]string {
	rows := [][]string{{"setting", "actions", "why"}}
	for _, n := range doctor.Needs {
		if slices.ContainsFunc(policy.Statement, func(s doctor.Statement) bool { return s.Sid == n.ID }) {
			rows = append(rows, []string{n.Setting, strings.Join(n.Actions, ", "), n.Why})
		}
	}
	return rows
}
