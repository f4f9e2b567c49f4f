package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/fluent-siem/fluent-siem/internal/code"
	"github.com/fluent-siem/fluent-siem/internal/settings"
	"github.com/fluent-siem/fluent-siem/outputs/opensearch"
	"github.com/fluent-siem/fluent-siem/sidecar/config"
	"github.com/fluent-siem/fluent-siem/sidecar/emf"
	"github.com/fluent-siem/fluent-siem/sidecar/feed"
	"github.com/fluent-siem/fluent-siem/sidecar/feed/assets"
	"github.com/fluent-siem/fluent-siem/sidecar/feed/geoip"
	"github.com/fluent-siem/fluent-siem/sidecar/feed/history"
	"github.com/fluent-siem/fluent-siem/sidecar/feed/ioc"
	"github.com/fluent-siem/fluent-siem/sidecar/feed/proxies"
	"github.com/fluent-siem/fluent-siem/sidecar/indexmetrics"
	"github.com/fluent-siem/fluent-siem/sidecar/status"
	"github.com/fluent-siem/fluent-siem/sidecar/throttle"
)

// Config is the top of the file.
type Config struct {
	// StateDir is where the plugins have their sockets and where tables and
	// copies of feeds are kept: the state_dir of the plugins.
	StateDir string `conf:"state_dir"`

	// Listen is the address of /healthz, of /metrics and of the status page at /.
	// They show names, numbers and reasons of refusals, but ask nobody who they
	// are: keep them on this host, or in a network that you trust.
	Listen string `conf:"listen"`

	// LogLevel is debug, info, warn or error.
	LogLevel string `conf:"log_level"`

	// Region is where buckets of S3 are. Empty: as the environment says.
	Region string `conf:"region"`

	// Endpoint is the URL of a service compatible with S3, in place of AWS.
	Endpoint string `conf:"endpoint"`

	level   slog.Level
	duties  []duty
	cluster opensearch.Config // the section opensearch
}

// duty is something that the sidecar does until its context is done.
type duty struct {
	name string
	cfg  any // its section
	run  func(ctx context.Context, env feed.Env, tasks *feed.Metrics) error
}

// base is what duties share.
type base struct {
	stateDir string
	cluster  opensearch.Config // the section opensearch
}

// opener makes a duty of its section.
type opener func(s *config.Section, b base) (duty, error)

// sections are the duties by the key of their section; a duty that the file
// does not name is not done.
var sections = map[string]opener{
	"geoip":      feeding("geoip", geoip.Load, geoip.Run),
	"indicators": feeding("indicators", ioc.Load, ioc.Run),
	"proxies":    feeding("proxies", proxies.Load, proxies.Run),
	"history":    feeding("history", history.Load, history.Run),
	"assets":     feeding("assets", assets.Load, assets.Run),
	"throttle": func(s *config.Section, b base) (duty, error) {
		cfg := throttle.Defaults()
		cfg.StateDir = b.stateDir
		err := s.Load(&cfg)
		if err == nil && cfg.Take == "" && len(b.cluster.Endpoint) == 0 {
			err = fmt.Errorf("throttle needs the section opensearch with the endpoint of the cluster, or take")
		}
		return duty{"throttle", cfg, func(ctx context.Context, env feed.Env, _ *feed.Metrics) error {
			return throttle.Run(ctx, cfg, b.cluster, throttle.Env{Log: env.Log, Health: env.Health, Metrics: env.Metrics, AWS: env.AWS})
		}}, err
	},
	"cloudwatch_metrics": func(s *config.Section, _ base) (duty, error) {
		cfg := emf.Defaults()
		err := s.Load(&cfg)
		return duty{"cloudwatch_metrics", cfg, func(ctx context.Context, env feed.Env, _ *feed.Metrics) error {
			return emf.Run(ctx, cfg, emf.Env{Health: env.Health, Metrics: env.Gather, Stdout: os.Stdout})
		}}, err
	},
	"status_index": func(s *config.Section, b base) (duty, error) {
		cfg := status.IndexDefaults()
		err := s.Load(&cfg)
		if err == nil && len(b.cluster.Endpoint) == 0 {
			err = fmt.Errorf("status_index needs the section opensearch with the endpoint of the cluster")
		}
		return duty{"status_index", cfg, func(ctx context.Context, env feed.Env, _ *feed.Metrics) error {
			api, err := opensearch.NewClient(b.cluster, func(err error) { env.Log.Warn("status index: "+err.Error(), code.StatusIndex.Attr()) })
			if err != nil {
				return err
			}
			defer api.Close()
			return status.RunIndex(ctx, cfg, status.IndexEnv{Log: env.Log, Health: env.Health, Do: api.Do,
				Source: status.Source{Metrics: env.Gather, StateDir: func() string { return b.stateDir }}})
		}}, err
	},
	"index_metrics": func(s *config.Section, b base) (duty, error) {
		cfg := indexmetrics.Defaults()
		err := s.Load(&cfg)
		if err == nil && len(b.cluster.Endpoint) == 0 {
			err = fmt.Errorf("index_metrics needs the section opensearch with the endpoint of the cluster")
		}
		return duty{"index_metrics", cfg, func(ctx context.Context, env feed.Env, _ *feed.Metrics) error {
			return indexmetrics.Run(ctx, cfg, b.cluster, indexmetrics.Env{Log: env.Log, Health: env.Health, Metrics: env.Metrics, AWS: env.AWS})
		}}, err
	},
}

// feeding opens a duty that keeps files of state_dir, with a configuration of
// type C.
func feeding[C any](name string, load func(*config.Section, string) (C, error), run func(context.Context, C, feed.Env, *feed.Metrics) error) opener {
	return func(s *config.Section, b base) (duty, error) {
		cfg, err := load(s, b.stateDir)
		return duty{name, cfg, func(ctx context.Context, env feed.Env, tasks *feed.Metrics) error { return run(ctx, cfg, env, tasks) }}, err
	}
}

// Defaults returns what is used where the file says nothing.
func Defaults() Config {
	return Config{StateDir: "/var/lib/fluent-siem", Listen: "127.0.0.1:9598", LogLevel: "info"}
}

// Validate reports every problem at once.
func (c Config) Validate() error {
	var bad settings.Problems
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		bad.Add("listen", "%q is no address; write one like 127.0.0.1:9598", c.Listen)
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(strings.ToUpper(c.LogLevel))); err != nil {
		bad.Add("log_level", "%q; use debug, info, warn or error", c.LogLevel)
	}
	return bad.Err()
}

// Load reads the file at path. The error has every problem of it.
func Load(path string) (*Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	s, err := config.Read(f, os.LookupEnv)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	cfg := Defaults()
	var bad settings.Problems
	known := []string{"opensearch"}
	for key := range sections {
		known = append(known, key)
	}
	bad.Join(s.Load(&cfg, known...))
	b := base{cfg.StateDir, opensearch.Defaults()}
	if section := s.Section("opensearch"); section != nil {
		bad.Join(section.Load(&b.cluster))
	}
	cfg.cluster = b.cluster
	for key, open := range sections {
		if section := s.Section(key); section != nil {
			duty, err := open(section, b)
			bad.Join(err)
			cfg.duties = append(cfg.duties, duty)
		}
	}
	if err := bad.Err(); err != nil {
		return nil, fmt.Errorf("%s:\n%w", path, err)
	}
	_ = cfg.level.UnmarshalText([]byte(strings.ToUpper(cfg.LogLevel))) // Validate has read it
	return &cfg, nil
}

// aws is how AWS is reached.
func (c *Config) aws(ctx context.Context) (aws.Config, error) {
	cfg, err := awsconfig.LoadDefaultConfig(ctx, awsconfig.WithRegion(c.Region), awsconfig.WithAppID("fluent-siem"))
	if err != nil {
		return cfg, fmt.Errorf("the environment for AWS cannot be read: %w", err)
	}
	if cfg.Region == "" {
		cfg.Region = "us-east-1" // S3 says where a bucket is; compatible services take any
	}
	if c.Endpoint != "" {
		cfg.BaseEndpoint = &c.Endpoint
	}
	return cfg, nil
}

// client is what feeds are fetched with.
func (c *Config) client(cfg aws.Config, version string) *feed.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = time.Minute
	return &feed.Client{
		HTTP:      &http.Client{Transport: transport},
		UserAgent: "fluent-siem/" + version,
		S3: s3.NewFromConfig(cfg, func(o *s3.Options) {
			o.UsePathStyle = o.BaseEndpoint != nil
			o.DisableLogOutputChecksumValidationSkipped = true
		}),
	}
}
