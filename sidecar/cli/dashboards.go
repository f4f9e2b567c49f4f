package cli

import "github.com/fluent-siem/fluent-siem/sidecar/dashboards"

type dashboardsCommand struct{}

func (dashboardsCommand) Help() string {
	return `Prints the index patterns, searches, visualizations and dashboards as saved objects, one a line, with the
ids and titles of SIEM on Amazon OpenSearch Service. Import the file in OpenSearch Dashboards under Dashboards
Management, Saved objects. An object that was imported before is replaced, yours of other ids are left alone.

Examples:

  $ fluent-siem dashboards > dashboards.ndjson && wc -l dashboards.ndjson`
}

// Run prints the saved objects.
func (dashboardsCommand) Run(t Terminal) error {
	set, err := dashboards.Shipped()
	if err != nil {
		return err
	}
	return set.Write(t.Out)
}
