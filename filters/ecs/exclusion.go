package ecs

import (
	"cmp"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fluent-siem/fluent-siem/filters/exclude"
	"github.com/fluent-siem/fluent-siem/filters/exclude/ruleset"
	"github.com/fluent-siem/fluent-siem/internal/process"
	"github.com/fluent-siem/fluent-siem/internal/settings"
)

const (
	// samplesPerHour is how many documents a rule shows in an hour, of those
	// that it counts or would exclude.
	samplesPerHour = 3
	// sampleSize is how much of a document is shown.
	sampleSize = 4 << 10
	// sampledRules is for how many rules that is remembered.
	sampledRules = 1000
)

// checkExclusion is the part of Validate for exclusion rules.
func (c Config) checkExclusion(bad *settings.Problems) {
	for _, object := range c.ExcludeS3 {
		if _, _, err := ruleset.ParseURL(object); err != nil {
			bad.Add("exclude_s3", "%v", err)
		}
	}
	if p := c.ExcludeParameters; p != "" && !strings.HasPrefix(p, "/") {
		bad.Add("exclude_parameters", "%q is no path; write one like /siem/exclude-logs", p)
	}
	if c.ExcludeRefresh < time.Second {
		bad.Add("exclude_refresh", "%v is too often for a service that others use too; 5m is a good value", c.ExcludeRefresh)
	}
	if arn := c.AssumeRoleARN; arn != "" && !strings.HasPrefix(arn, "arn:") {
		bad.Add("assume_role_arn", "%q is no ARN; write one like arn:aws:iam::123456789012:role/siem", arn)
	}
	for key, value := range map[string]string{"endpoint": c.Endpoint, "aws_s3_endpoint": c.S3Endpoint, "aws_ssm_endpoint": c.SSMEndpoint, "aws_sts_endpoint": c.STSEndpoint} {
		if u, err := url.Parse(value); value != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
			bad.Add(key, "%q has no scheme or host; write a URL like https://ssm.eu-west-1.amazonaws.com", value)
		}
	}
}

// openRules follows the places of exclusion rules that are named; nil when none is.
func openRules(c Config, p *process.Process, log *slog.Logger) (*ruleset.Store, error) {
	if c.ExcludeFile == "" && c.ExcludeConditions == "" && len(c.ExcludeS3) == 0 && c.ExcludeParameters == "" {
		return nil, nil
	}
	return ruleset.Open(ruleset.Config{
		Patterns: c.ExcludeFile, Conditions: c.ExcludeConditions, S3: c.ExcludeS3, Parameters: c.ExcludeParameters,
		Interval: c.ExcludeRefresh,
		AWS: ruleset.AWS{
			Region: c.Region, AssumeRoleARN: c.AssumeRoleARN, ExternalID: c.ExternalID,
			S3Endpoint: cmp.Or(c.S3Endpoint, c.Endpoint), SSMEndpoint: cmp.Or(c.SSMEndpoint, c.Endpoint), STSEndpoint: cmp.Or(c.STSEndpoint, c.Endpoint),
		},
	}, p, log)
}

// excludeRecord asks the rules about the record as it came: in the document its
// fields may have other names, or none.
func (c *Converter) excludeRecord() error {
	c.matched, c.action = "", exclude.Keep
	rules := c.rules.For(c.p.t.Name)
	if !rules.HasPatterns() {
		return nil
	}
	v := c.rec
	if c.layout != nil {
		var err error
		if v, err = c.rowParser.ParseBytes(c.columnsJSON()); err != nil {
			return nil // the document decides
		}
	}
	if c.matched, c.action = rules.MatchRecord(v); c.action == exclude.Exclude && !c.engine.Trial {
		return &Excluded{Rule: c.matched}
	}
	return nil
}

// columnsJSON is the row of columns as a JSON object, valid until the next document is
// written.
func (c *Converter) columnsJSON() []byte {
	w := &c.w
	w.Reset(c.json[:0], false)
	m := w.Object()
	for i, b := range c.cols[:len(c.layout.keys)] {
		if b != nil {
			w.Key(c.layout.keys[i])
			w.String(b)
		}
	}
	w.EndObject(m)
	c.json = w.Buf
	return c.json
}

// exclude asks the rules about the finished document.
func (c *Converter) exclude() error {
	rules := c.rules.For(c.p.t.Name)
	if rules == nil {
		return nil
	}
	c.json = c.AppendJSON(c.json[:0])
	if c.action == exclude.Exclude { // in a trial the record matched
		return nil
	}
	if c.matched, c.action = rules.Match(c.json); c.action == exclude.Exclude && !c.engine.Trial {
		return &Excluded{Rule: c.matched}
	}
	return nil
}

// Matched is the rule that counts the document, or that would exclude it if
// this were no trial; [exclude.Keep] when there is none.
func (c *Converter) Matched() (rule string, action exclude.Action) { return c.matched, c.action }

// match is what is counted: a rule of a log type, and what it did.
type match struct{ logType, rule, action string }

// newMatches is the metric of the rules.
func newMatches(p *process.Process) *prometheus.CounterVec {
	return process.Register(p, prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "siem_exclude_matches_total",
		Help: "Records that a rule matched: exclude (dropped), count (kept, as the rule says), trial (kept, exclude_trial is on).",
	}, []string{"log_type", "rule", "action"}))
}

// kept counts and shows a document that is kept although a rule matches it.
func (w *worker) kept(logType string) {
	rule, action := w.c.Matched()
	if action == exclude.Keep {
		return
	}
	m := match{logType, rule, "count"}
	if action == exclude.Exclude {
		m.action = "trial"
	}
	w.matches[m]++
	if w.f.samples.take(logType+" "+rule, time.Now()) {
		would := "an exclusion rule counts a record"
		if action == exclude.Exclude {
			would = "an exclusion rule would drop a record"
		}
		w.f.log.Info(would, "log_type", logType, "rule", rule, "document", cutSample(w.c.json))
	}
}

// flushMatches counts what the batch matched.
func (w *worker) flushMatches() {
	for m, n := range w.matches {
		w.f.matches.WithLabelValues(m.logType, m.rule, m.action).Add(float64(n))
	}
	clear(w.matches)
}

// cutSample is the beginning of a document, whole characters.
func cutSample(document []byte) string {
	if len(document) <= sampleSize {
		return string(document)
	}
	end := sampleSize
	for end > 0 && !utf8.RuneStart(document[end]) {
		end--
	}
	return string(document[:end]) + "…"
}

// samples says which documents are shown: of each rule the first in an hour.
type samples struct {
	mu    sync.Mutex
	since time.Time
	shown map[string]int
}

func (s *samples) take(rule string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shown == nil || now.Sub(s.since) >= time.Hour {
		s.since, s.shown = now, map[string]int{}
	}
	n, known := s.shown[rule]
	if n >= samplesPerHour || !known && len(s.shown) >= sampledRules {
		return false
	}
	s.shown[rule] = n + 1
	return true
}
