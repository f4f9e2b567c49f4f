package cli

import (
	"context"
	"fmt"
	"net"

	"github.com/fluent-siem/fluent-siem/outputs/opensearch"
	"github.com/fluent-siem/fluent-siem/sidecar/dashboards"
	"github.com/fluent-siem/fluent-siem/sidecar/view"
)

type viewCommand struct {
	clusterFlags
	Listen      string `placeholder:"ADDRESS" help:"The address of the pages. Default: 127.0.0.1:5602."`
	IndexPrefix string `placeholder:"PREFIX" help:"What stands before the names of the indexes."`
}

func (viewCommand) Help() string {
	return `Serves the dashboards as web pages, with filters, a time range, and the documents behind each panel, for those
who have no OpenSearch Dashboards at hand. It runs until it is stopped, and prints its address.

It only reads, and the login to the cluster stays in this process: give it a user that may search log-* and
metrics-*, nothing else. The pages have no login of their own: whoever reaches the address sees what that user may
read. So it listens on the loopback; for others put a proxy with a login and TLS before it.`
}

// Run serves until ctx is done.
func (c viewCommand) Run(ctx context.Context, t Terminal) error {
	cfg := view.Defaults()
	cfg.IndexPrefix = c.IndexPrefix
	if c.Listen != "" {
		cfg.Listen = c.Listen
	}
	connection, _, err := c.read()
	if err != nil {
		return usageError{fmt.Errorf("the connection to the cluster cannot be used, and nothing was done:\n%w", err)}
	}
	api, err := opensearch.NewClient(connection, func(err error) { fmt.Fprintln(t.Err, "fluent-siem:", err) })
	if err != nil {
		return usageError{err}
	}
	defer api.Close()
	set, err := dashboards.Shipped()
	if err != nil {
		return err
	}
	server, err := view.New(cfg, api, set)
	if err != nil {
		return usageError{err}
	}
	l, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return fmt.Errorf("%w; choose another address with --listen", err)
	}
	fmt.Fprintf(t.Out, "http://%s/\n", l.Addr())
	return server.Run(ctx, l)
}
