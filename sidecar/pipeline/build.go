package pipeline

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fluent-siem/fluent-siem/internal/lease"
	"github.com/fluent-siem/fluent-siem/internal/settings"
	"github.com/fluent-siem/fluent-siem/sidecar/hostconfig"
)

// service is what we use of the service section.
type service struct {
	flush, grace, base, limit time.Duration
}

// hostKeys are settings that Fluent Bit reads itself, of every plugin; a key
// that ends with a dot or underscore stands for all that begin with it.
var hostKeys = []string{
	"name", "match", "match_regex", "alias", "tag", "host", "port", "ipv6", "listen", "log_level", "log_suppress_interval",
	"retry_limit", "workers", "routable", "mem_buf_limit", "threaded", "thread.", "storage.", "rate_", "net.", "tls", "tls.", "oauth2", "oauth2.", "oauth2_", "processors",
}

// covered tells whether key is in a list like hostKeys.
func covered(known []string, key string) bool {
	return slices.ContainsFunc(known, func(k string) bool {
		return key == k || (strings.HasSuffix(k, ".") || strings.HasSuffix(k, "_")) && strings.HasPrefix(key, k)
	})
}

// builder makes a Pipeline of a configuration and gathers what is wrong.
type builder struct {
	file     *hostconfig.File
	kit      Kit
	p        *Pipeline
	problems []hostconfig.Problem
	warnings []hostconfig.Problem
}

func (b *builder) failf(at hostconfig.Position, format string, args ...any) {
	b.problems = append(b.problems, hostconfig.Problem{At: at, Text: fmt.Sprintf(format, args...)})
}

func (b *builder) warnf(at hostconfig.Position, format string, args ...any) {
	b.warnings = append(b.warnings, hostconfig.Problem{At: at, Text: fmt.Sprintf(format, args...)})
}

func (b *builder) build() {
	b.warnings = append(b.warnings, b.file.Warnings...)
	b.service()
	if len(b.file.Inputs) == 0 {
		b.failf(b.file.Service.At, "there is no input; write one under pipeline.inputs, like - name: s3_sqs")
	}
	if len(b.file.Outputs) == 0 {
		b.failf(b.file.Service.At, "there is no output; write one under pipeline.outputs, like - name: opensearch_bulk")
	}
	for _, s := range b.file.Filters {
		pattern := b.pattern(s)
		if stage := make1(b, s, b.kit.Filters); stage != nil {
			b.p.filters = append(b.p.filters, &filter{s.Name(), *stage, pattern})
		}
	}
	for i, s := range b.file.Outputs {
		b.output(i, s)
	}
	for i, s := range b.file.Inputs {
		b.input(i, s)
	}
	b.acknowledge()
}

// serviceKeys are what Fluent Bit knows in its service section; a key that ends
// with a dot or underscore stands for all that begin with it.
var serviceKeys = []string{
	"flush", "grace", "log_level", "scheduler.base", "scheduler.cap", "daemon", "log_file", "parsers_file", "plugins_file", "streams_file",
	"http_server", "http_listen", "http_port", "hot_reload", "coro_stack_size", "config_watch", "health_check", "enable_chunk_trace",
	"multiline_buffer_limit", "hot_reload.", "hc_", "http_", "http.", "dns.", "storage.", "sp.", "json.", "windows.",
}

func (b *builder) service() {
	for _, p := range b.file.Service.Properties {
		if !covered(serviceKeys, p.Key) {
			b.warnf(p.At, "Fluent Bit has no service setting %s%s", p.Key, hostconfig.Suggest(p.Key, serviceKeys))
		}
	}
	s := &b.p.service
	s.flush = b.seconds("flush", time.Second, time.Millisecond, time.Hour)
	s.grace = b.seconds("grace", 5*time.Second, 0, 24*time.Hour)
	s.base = b.seconds("scheduler.base", 5*time.Second, 0, time.Hour)
	s.limit = b.seconds("scheduler.cap", 2000*time.Second, 0, 24*time.Hour)
}

// seconds reads a time of the service section.
func (b *builder) seconds(key string, def, least, most time.Duration) time.Duration {
	p, ok := b.file.Service.Lookup(key)
	if !ok || p.Value == "" {
		return def
	}
	n, err := strconv.ParseFloat(p.Value, 64)
	if d := time.Duration(n * float64(time.Second)); err == nil && !math.IsNaN(n) && n < 1e9 && d >= least && d <= most {
		return d
	}
	b.failf(p.At, "%s is %q; write a number of seconds between %v and %v", key, p.Value, least.Seconds(), most.Seconds())
	return def
}

// make1 makes the stage of a section, or notes why there is none.
func make1[S any](b *builder, s hostconfig.Section, plugins map[string]Plugin[S]) *S {
	name, at := s.Name(), s.At
	if p, ok := s.Lookup("name"); ok {
		at = p.At
	}
	plugin, ok := plugins[name]
	if !ok {
		known := slices.Sorted(maps.Keys(plugins))
		b.failf(at, "there is no %s %s here, only %s%s; others need Fluent Bit itself", s.Kind, name, strings.Join(known, ", "), hostconfig.Suggest(name, known))
		return nil
	}
	unknown := false
	for _, p := range s.Properties {
		if !slices.Contains(plugin.Keys, p.Key) && !covered(hostKeys, p.Key) {
			unknown = true
			b.failf(p.At, "%s has no setting %s%s", name, p.Key, hostconfig.Suggest(p.Key, append(slices.Clone(plugin.Keys), hostKeys...)))
		}
	}
	var stage S
	err := guard(s.Kind+" "+name, func() (err error) {
		stage, err = plugin.Make(s.Get, Host{Grace: b.p.service.grace})
		return err
	})
	if err == nil && !unknown {
		return &stage
	}
	var bad *settings.Error
	switch {
	case err == nil:
		return &stage // closed by New
	case errors.As(err, &bad):
		for _, problem := range bad.Problems {
			where := at
			if p, ok := s.Lookup(problem.Key); ok {
				where = p.At
			}
			b.failf(where, "%s: %s", name, problem)
		}
	default:
		b.failf(at, "%s cannot start: %v", name, err)
	}
	return nil
}

// pattern reads match and match_regex.
func (b *builder) pattern(s hostconfig.Section) pattern {
	if p, ok := s.Lookup("match_regex"); ok && p.Value != "" {
		re, err := regexp.Compile(p.Value)
		if err != nil {
			b.failf(p.At, "match_regex is not a regular expression that is known here: %v", err)
		}
		return pattern{regex: re}
	}
	if p, ok := s.Lookup("match"); ok && p.Value != "" {
		return pattern{wildcard: p.Value}
	}
	if s.Kind == "output" && len(b.file.Inputs) == 1 && len(b.file.Outputs) == 1 {
		return pattern{wildcard: "*"} // as Fluent Bit does
	}
	b.failf(s.At, "this %s has no match, so nothing would reach it; write match: '*' or the tags it is for, like match: siem*", s.Kind)
	return pattern{}
}

func (b *builder) output(i int, s hostconfig.Section) {
	d := &delivery{
		name: alias(s, i), pattern: b.pattern(s), workers: 1, limit: 1,
		wait: b.p.options.wait, log: b.p.log.With("output", alias(s, i)), metrics: b.p.options.metrics,
	}
	if d.wait == nil {
		d.wait = backOff(b.p.service.base, b.p.service.limit)
	}
	if p, ok := s.Lookup("workers"); ok && p.Value != "" {
		n, err := strconv.Atoi(p.Value)
		if err != nil || n < 0 || n > 1024 {
			b.failf(p.At, "workers is %q; write a number between 1 and 1024", p.Value)
		}
		d.workers = max(n, 1)
	}
	if p, ok := s.Lookup("retry_limit"); ok && p.Value != "" {
		n, err := strconv.Atoi(p.Value)
		switch strings.ToLower(p.Value) {
		case "no_limits", "false", "off":
			d.limit = noLimit
		case "no_retries":
			d.limit = 0
		default:
			if err != nil || n < 1 {
				b.failf(p.At, "retry_limit is %q; write a number of retries, no_limits or no_retries", p.Value)
			}
			d.limit = n
		}
	}
	if stage := make1(b, s, b.kit.Outputs); stage != nil {
		d.stage = *stage
		b.p.outputs = append(b.p.outputs, d)
	}
}

func (b *builder) input(i int, s hostconfig.Section) {
	memory := DefaultMemory
	if p, ok := s.Lookup("mem_buf_limit"); ok && p.Value != "" {
		n, err := settings.ParseBytes(p.Value)
		if err != nil {
			b.failf(p.At, "mem_buf_limit: %q %v", p.Value, err)
		} else if n > 0 {
			memory = n
		}
	}
	stage := make1(b, s, b.kit.Inputs)
	if stage == nil {
		return
	}
	tag := s.Get("tag")
	if tag == "" {
		tag = fmt.Sprintf("%s.%d", s.Name(), i)
	}
	b.p.routes = append(b.p.routes, &route{
		name: alias(s, i), tag: tag, input: *stage, memory: lease.NewCredit(int64(memory)), held: b.holds(s),
		log: b.p.log.With("input", alias(s, i)), filters: b.p.filters, outputs: b.p.outputs,
	})
}

// alias is how log lines call a stage.
func alias(s hostconfig.Section, i int) string {
	if a := s.Get("alias"); a != "" {
		return a
	}
	return fmt.Sprintf("%s.%d", s.Name(), i)
}

// holds tells whether an input keeps its hold on what its events came from
// until an output says that they are stored.
func (b *builder) holds(s hostconfig.Section) bool {
	return b.kit.Inputs[s.Name()].Acknowledges && !strings.EqualFold(s.Get("acknowledge"), "queued")
}

// acknowledge warns of inputs that wait for verdicts that nobody gives.
func (b *builder) acknowledge() {
	for _, s := range b.file.Outputs {
		if b.kit.Outputs[s.Name()].Acknowledges {
			return
		}
	}
	for _, s := range b.file.Inputs {
		if b.holds(s) {
			at := s.At
			if p, ok := s.Lookup("acknowledge"); ok {
				at = p.At
			}
			b.warnf(at, "%s waits until every record is indexed (acknowledge: indexed), but no output here says so: no notification will ever be deleted, and each object is loaded again and again; write acknowledge: queued, or add an opensearch_bulk output", s.Name())
		}
	}
}
