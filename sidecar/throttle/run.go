package throttle

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fluent-siem/fluent-siem/internal/code"
	"github.com/fluent-siem/fluent-siem/internal/throttle"
	"github.com/fluent-siem/fluent-siem/outputs/opensearch"
)

// Env is what the duty gets from the program around it.
type Env struct {
	Log     *slog.Logger
	Health  func(component, problem string)
	Metrics prometheus.Registerer
	AWS     aws.Config
}

// Run is the duty of the sidecar: it watches, or takes the order of another
// host, until ctx is done. cluster is how to connect; not used with cfg.Take.
func Run(ctx context.Context, cfg Config, cluster opensearch.Config, env Env) error {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	share := prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "siem", Subsystem: "sidecar", Name: "throttle_share",
		Help: "The part of their usual rate that inputs are ordered to take: 1 all they can, 0 nothing."})
	if err := env.Metrics.Register(share); err != nil {
		return err
	}
	share.Set(1)
	w := &Watcher{Config: cfg, Cluster: strings.Join(cluster.Endpoint, ", "), Host: host, Log: env.Log}
	if place := cfg.Publish + cfg.Take; place != "" {
		if w.Board, err = OpenBoard(place, env.AWS); err != nil {
			return err
		}
	}
	if cfg.Take == "" {
		client, err := opensearch.NewClient(cluster, func(err error) { env.Log.Warn("throttle: "+err.Error(), code.OrderSource.Attr()) })
		if err != nil {
			return err
		}
		defer client.Close()
		w.Get = get(client)
	}
	if cfg.SNSTopic != "" {
		w.Tellers = append(w.Tellers, Topic{sns.NewFromConfig(env.AWS), cfg.SNSTopic})
	}
	if cfg.Webhook != "" {
		w.Tellers = append(w.Tellers, Webhook(cfg.Webhook))
	}
	w.Observe = func(o throttle.Order, problem error) {
		text := ""
		switch {
		case problem != nil:
			text = code.OrderSource.In(problem.Error())
		case o.Stop || o.Share > 0:
			text = code.Throttled.In("the inputs are " + o.String())
		}
		env.Health("throttle", text)
		switch {
		case o.Stop:
			share.Set(0)
		case o.Share > 0:
			share.Set(o.Share)
		default:
			share.Set(1)
		}
	}
	return w.Run(ctx)
}

// get asks through the output's client.
func get(client *opensearch.Client) Get {
	return func(ctx context.Context, path string, answer any) error {
		status, body, err := client.Do(ctx, http.MethodGet, path, nil)
		switch {
		case err != nil:
			return err
		case status == http.StatusForbidden || status == http.StatusUnauthorized:
			return fmt.Errorf("GET %s: status %d; allow cluster_monitor to this user or role: %.300s", path, status, body)
		case status != http.StatusOK:
			return fmt.Errorf("GET %s: status %d: %.300s", path, status, body)
		}
		return json.Unmarshal(body, answer)
	}
}
