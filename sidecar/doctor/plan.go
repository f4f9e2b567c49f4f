package doctor

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/fluent-siem/fluent-siem/filters/ecs"
	"github.com/fluent-siem/fluent-siem/filters/logtype"
	"github.com/fluent-siem/fluent-siem/internal/settings"
	"github.com/fluent-siem/fluent-siem/outputs/opensearch"
	"github.com/fluent-siem/fluent-siem/plugins/s3sqs"
	"github.com/fluent-siem/fluent-siem/sidecar/daemon"
	"github.com/fluent-siem/fluent-siem/sidecar/feed/geoip"
	"github.com/fluent-siem/fluent-siem/sidecar/feed/ioc"
	"github.com/fluent-siem/fluent-siem/sidecar/hostconfig"
	"github.com/fluent-siem/fluent-siem/sidecar/indexmetrics"
	"github.com/fluent-siem/fluent-siem/sidecar/throttle"
)

// Plan is what configurations ask for, and what they cannot say themselves.
type Plan struct {
	Inputs  []s3sqs.Config
	Filters []ecs.Config
	Outputs []opensearch.Config

	Sidecar    *daemon.Config // nil: none
	Watched    []opensearch.Config
	GeoIP      []geoip.Config
	Indicators []ioc.Config
	Throttle   []throttle.Config
	Metrics    []indexmetrics.Config

	Buckets []string // whose objects are announced
	Keys    []string // ARNs of the KMS keys of buckets, queues and topics
}

// AddPipeline takes our plugins' settings out of a pipeline's configuration;
// others are left alone. The error has every problem.
func (p *Plan) AddPipeline(file *hostconfig.File) error {
	var bad settings.Problems
	for _, s := range file.Inputs {
		if s.Name() == "s3_sqs" {
			cfg := take(&bad, s, s3sqs.Defaults())
			if len(cfg.QueueURL) == 0 {
				missing(&bad, s, "queue_url")
			}
			p.Inputs = append(p.Inputs, cfg)
		}
	}
	for _, s := range file.Filters {
		if n := s.Name(); n == "ecs" || n == "siem_ecs" {
			p.Filters = append(p.Filters, take(&bad, s, ecs.Defaults()))
		}
	}
	for _, s := range file.Outputs {
		if s.Name() == "opensearch_bulk" {
			cfg := take(&bad, s, opensearch.Defaults())
			if len(cfg.Endpoint) == 0 {
				missing(&bad, s, "endpoint")
			}
			p.Outputs = append(p.Outputs, cfg)
		}
	}
	return bad.Err()
}

// take reads a section. Files that are not on this machine are no problem: the
// policy may be made elsewhere.
func take[C any](bad *settings.Problems, s hostconfig.Section, cfg C) C {
	if err := settings.Load(&cfg, s.Get); err != nil {
		bad.Add(located(s), "%v", err)
	}
	return cfg
}

func located(s hostconfig.Section) string {
	return fmt.Sprintf("%s (line %d)", cmp.Or(s.Get("alias"), s.Name()), s.At.Line)
}

// missing tells of a setting without which nothing can be said.
func missing(bad *settings.Problems, s hostconfig.Section, key string) {
	bad.Add(located(s), "%s is empty; write it, or set the variable that it is taken from", key)
}

// AddSidecar adds the duties of a sidecar.
func (p *Plan) AddSidecar(cfg *daemon.Config) {
	p.Sidecar = cfg
	for _, section := range cfg.Duties() {
		switch c := section.(type) {
		case geoip.Config:
			p.GeoIP = append(p.GeoIP, c)
		case ioc.Config:
			p.Indicators = append(p.Indicators, c)
		case throttle.Config:
			p.Throttle = append(p.Throttle, c)
		case indexmetrics.Config:
			p.Metrics = append(p.Metrics, c)
		case opensearch.Config:
			p.Watched = append(p.Watched, c)
		}
	}
}

// connections are all clusters that are asked or written to.
func (p *Plan) connections() []opensearch.Config {
	return append(slices.Clone(p.Outputs), p.Watched...)
}

// feeds are the places that the sidecar reads, other than its orders.
func (p *Plan) feeds() (urls []string) {
	for _, c := range p.GeoIP {
		for _, s := range c.Sources {
			urls = append(urls, s.URL, s.SHA256URL)
		}
	}
	for _, c := range p.Indicators {
		urls = append(urls, c.Take)
		for _, f := range c.Feeds {
			urls = append(urls, f.URL)
		}
	}
	return urls
}

// orders are the places where a fleet's orders are read from.
func (p *Plan) orders() (places []string) {
	for _, c := range p.Throttle {
		places = append(places, c.Take)
	}
	return places
}

// published are the places that the sidecar writes: those that begin with s3://
// or ssm:. One that ends with / is a folder.
func (p *Plan) published() (places []string) {
	for _, c := range p.Indicators {
		places = append(places, c.Publish)
	}
	for _, c := range p.Throttle {
		places = append(places, c.Publish)
	}
	for _, c := range p.Metrics {
		if c.To == "s3" {
			places = append(places, "s3://"+c.Bucket+"/"+strings.TrimPrefix(c.Prefix+"AWSLogs/", "/"))
		}
	}
	return places
}

// LogTypes are the shipped log types and those of the folders that the
// configuration names.
func (p *Plan) LogTypes() (*logtype.Set, error) {
	registry, err := logtype.NewRegistry()
	if err != nil {
		return nil, err
	}
	var dirs []string
	for _, in := range p.Inputs {
		dirs = append(dirs, in.LogtypesDir)
	}
	for _, f := range p.Filters {
		dirs = append(dirs, f.LogtypesDir)
	}
	slices.Sort(dirs)
	for _, dir := range slices.Compact(dirs) {
		if dir == "" {
			continue
		}
		if err := registry.Load(dir); err != nil {
			return nil, err
		}
	}
	return registry.Set(), nil
}
