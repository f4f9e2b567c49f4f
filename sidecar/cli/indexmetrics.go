package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"

	codes "github.com/fluent-siem/fluent-siem/internal/code"
	"github.com/fluent-siem/fluent-siem/outputs/opensearch"
	"github.com/fluent-siem/fluent-siem/sidecar/indexmetrics"
)

type metricsCommand struct {
	clusterFlags
	To          string `placeholder:"PLACE" enum:"stdout,opensearch,s3" default:"stdout" help:"stdout; opensearch: an index of the same cluster; s3: an object in --bucket. Default: stdout."`
	Bucket      string `placeholder:"NAME" help:"The bucket for s3."`
	Account     string `placeholder:"ID" help:"The account in the object's key."`
	Region      string `placeholder:"REGION" help:"The region in the object's key, and of the bucket."`
	Prefix      string `placeholder:"PREFIX" help:"What stands before AWSLogs/ in the object's key."`
	IndexPrefix string `placeholder:"PREFIX" help:"What stands before the name of the index."`
}

func (metricsCommand) Help() string {
	return `Writes down once how large and how busy each index and shard of the cluster is, of all tiers: the lines that
the log type index-metrics and the dashboard "OpenSearch Metrics" know. The sidecar does this each hour.
What cannot be had is told (exit code 1), and the rest is written.`
}

// Run takes the lines of this moment.
func (c metricsCommand) Run(ctx context.Context, t Terminal) error {
	cfg, _, err := c.read()
	if err != nil {
		return usageError{fmt.Errorf("the connection to the cluster cannot be used, and nothing was done:\n%w", err)}
	}
	e := indexmetrics.Exporter{Config: indexmetrics.Defaults(), Serverless: cfg.Serverless()}
	e.Bucket, e.Account, e.Region, e.Prefix, e.IndexPrefix = c.Bucket, c.Account, c.Region, c.Prefix, c.IndexPrefix
	if c.To != "stdout" {
		e.To = c.To
	}
	if err := e.Validate(); err != nil {
		return usageError{err}
	}
	api, err := opensearch.NewClient(cfg, func(err error) { fmt.Fprintln(t.Err, "fluent-siem:", codes.File.In(err.Error())) })
	if err != nil {
		return usageError{err}
	}
	defer api.Close()
	e.API = api
	if c.To == "stdout" {
		lines, err := indexmetrics.Collect(ctx, api, e.Serverless, time.Now())
		out := json.NewEncoder(t.Out)
		for _, line := range lines {
			err = errors.Join(err, out.Encode(line))
		}
		return err
	}
	if c.To == "s3" {
		if e.AWS, err = awsconfig.LoadDefaultConfig(ctx, awsconfig.WithRegion(c.Region), awsconfig.WithAppID("fluent-siem")); err != nil {
			return err
		}
	}
	where, n, err := e.Once(ctx, time.Now())
	if n > 0 && where != "" {
		fmt.Fprintf(t.Out, "%s: %s\n", where, number(n, "line"))
	}
	return err
}
