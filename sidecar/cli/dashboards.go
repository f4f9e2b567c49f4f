package cli

import (
	"encoding/json"
	"fmt"
	"regexp"

	"github.com/fluent-siem/fluent-siem/sidecar/dashboards"
)

type dashboardsCommand struct {
	SettingsFor string `placeholder:"VERSION" help:"Print also the original's advanced settings, for this version of OpenSearch Dashboards, such as 2.19.0. They replace a tenant's own."`
}

func (dashboardsCommand) Help() string {
	return `Prints the index patterns, searches, visualizations and dashboards as saved objects, one a line, with the
ids and titles of SIEM on Amazon OpenSearch Service. Import the file in OpenSearch Dashboards under Dashboards
Management, Saved objects. An object that was imported before is replaced, yours of other ids are left alone.

Examples:

  $ fluent-siem dashboards > dashboards.ndjson && wc -l dashboards.ndjson`
}

// versionOf is how OpenSearch Dashboards writes its version.
var versionOf = regexp.MustCompile(`^[1-9]\.\d+\.\d+$`)

// Run prints the saved objects.
func (c dashboardsCommand) Run(t Terminal) error {
	set, err := dashboards.Shipped()
	if err != nil {
		return err
	}
	if c.SettingsFor != "" {
		if !versionOf.MatchString(c.SettingsFor) {
			return usageError{fmt.Errorf("--settings-for %q is no version; write one like 2.19.0", c.SettingsFor)}
		}
		o, err := set.Advanced(c.SettingsFor)
		if err != nil {
			return err
		}
		if err := json.NewEncoder(t.Out).Encode(o); err != nil {
			return err
		}
	}
	return set.Write(t.Out)
}
