package indexmetrics

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fluent-siem/fluent-siem/internal/code"
	"github.com/fluent-siem/fluent-siem/internal/settings"
	"github.com/fluent-siem/fluent-siem/outputs/opensearch"
)

// Config is what an operator writes in the section index_metrics.
type Config struct {
	// To is where the lines go: opensearch, into metrics-opensearch-index-* of
	// the same cluster, or s3, into Bucket, from where a pipeline loads them as
	// log type index-metrics.
	To string `conf:"to"`

	// Bucket is the bucket for s3.
	Bucket string `conf:"bucket"`

	// Account is the account in the object's key, for s3.
	Account string `conf:"account"`

	// Region is the region in the object's key, for s3.
	Region string `conf:"region"`

	// Prefix stands before AWSLogs/ in the object's key.
	Prefix string `conf:"prefix"`

	// IndexPrefix stands before the name of the index, for opensearch.
	IndexPrefix string `conf:"index_prefix"`

	// Interval is how often the cluster is asked.
	Interval time.Duration `conf:"interval"`

	// Series is how many indexes have Prometheus series of their own: the
	// largest. The others are one series, index="other".
	Series int `conf:"series"`
}

// Defaults returns a Config that can be used as it is.
func Defaults() Config { return Config{To: "opensearch", Interval: time.Hour, Series: 100} }

// Validate reports every problem at once.
func (c Config) Validate() error {
	var bad settings.Problems
	switch c.To {
	case "opensearch":
	case "s3":
		for key, value := range map[string]string{"bucket": c.Bucket, "account": c.Account, "region": c.Region} {
			if value == "" {
				bad.Add(key, "is missing; to: s3 needs it")
			}
		}
	default:
		bad.Add("to", "%q; write opensearch or s3", c.To)
	}
	if c.Interval < time.Minute {
		bad.Add("interval", "%v is too often for what it costs; try 1h", c.Interval)
	}
	if c.Series < 0 || c.Series > 10000 {
		bad.Add("series", "%d is not between 0 and 10000", c.Series)
	}
	return bad.Err()
}

// Env is what the duty gets from the program around it.
type Env struct {
	Log     *slog.Logger
	Health  func(component, problem string) // problem "" when all is well
	Metrics prometheus.Registerer           // nil: no series
	AWS     aws.Config                      // for s3
}

// Run is the duty of the sidecar: it writes the lines at once and then every
// Interval, until ctx is done, and then returns nil. What fails is logged and
// tried again the next time.
func Run(ctx context.Context, cfg Config, cluster opensearch.Config, env Env) error {
	api, err := opensearch.NewClient(cluster, func(err error) { env.Log.Warn("index metrics: "+err.Error(), code.IndexMetrics.Attr()) })
	if err != nil {
		return err
	}
	defer api.Close()
	e := Exporter{Config: cfg, API: api, Serverless: cluster.Serverless(), AWS: env.AWS}
	if env.Metrics != nil {
		e.gauges = newGauges()
		if err := env.Metrics.Register(e.gauges); err != nil {
			return err
		}
	}
	tick := time.NewTicker(cfg.Interval)
	defer tick.Stop()
	for {
		where, n, err := e.Once(ctx, time.Now())
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			env.Log.Error("index metrics: not all of them are written; they are taken again the next time", "lines", n, "error", err, code.IndexMetrics.Attr())
			env.Health("index_metrics", code.IndexMetrics.In(err.Error()))
		default:
			env.Log.Info("index metrics are written", "lines", n, "to", where)
			env.Health("index_metrics", "")
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Exporter writes the lines of a cluster.
type Exporter struct {
	Config
	API        API
	Serverless bool
	AWS        aws.Config
	gauges     *gauges
}

// Once writes the lines of this moment, and says where and how many. With an
// error, what could be had is written.
func (e *Exporter) Once(ctx context.Context, now time.Time) (where string, n int, err error) {
	lines, collected := Collect(ctx, e.API, e.Serverless, now)
	if len(lines) == 0 {
		return "", 0, collected
	}
	if e.gauges != nil {
		e.gauges.set(lines, e.Series)
	}
	write := e.intoIndex
	if e.To == "s3" {
		write = e.intoBucket
	}
	where, err = write(ctx, lines, now.UTC())
	return where, len(lines), errors.Join(collected, err)
}

// intoBucket writes an object under the original's key.
func (e *Exporter) intoBucket(ctx context.Context, lines []Line, now time.Time) (string, error) {
	var body bytes.Buffer
	zip := gzip.NewWriter(&body)
	out := json.NewEncoder(zip)
	for _, line := range lines {
		if err := out.Encode(line); err != nil {
			return "", err
		}
	}
	if err := zip.Close(); err != nil {
		return "", err
	}
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails (crypto/rand)
	key := fmt.Sprintf("%sAWSLogs/%s/OpenSearch/metrics/%s/%s/aos_index_metrics_%s.json.gz",
		e.Prefix, e.Account, e.Region, now.Format("2006/01/02"), hex.EncodeToString(id[:]))
	client := s3.NewFromConfig(e.AWS, func(o *s3.Options) { o.UsePathStyle = e.AWS.BaseEndpoint != nil })
	_, err := client.PutObject(ctx, &s3.PutObjectInput{Bucket: &e.Bucket, Key: &key, Body: bytes.NewReader(body.Bytes())})
	if err != nil {
		return "", fmt.Errorf("s3://%s/%s was not written: %w; the role needs s3:PutObject there", e.Bucket, key, err)
	}
	return "s3://" + e.Bucket + "/" + key, nil
}

// intoIndex writes documents as the loader would make them of the lines.
func (e *Exporter) intoIndex(ctx context.Context, lines []Line, now time.Time) (string, error) {
	index := e.IndexPrefix + "metrics-opensearch-index" + now.Format("-2006-01")
	if e.Serverless {
		index = e.IndexPrefix + "metrics-opensearch-index-001"
	}
	for _, line := range lines {
		line["@log_type"] = "index-metrics"
		line["event"].(object)["module"] = "index-metrics"
	}
	if err := opensearch.Create(ctx, e.API.Do, index, lines); err != nil {
		return "", err
	}
	return index, nil
}
