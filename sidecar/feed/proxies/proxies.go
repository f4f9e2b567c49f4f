// Package proxies keeps the list of networks whose word about the client is
// believed: one's own load balancers, and the edges of content delivery
// networks, as these publish them.
//
//	own networks, AWS, Cloudflare ──▶ proxies_file of the filter
//
// # Promises
//
//   - A publisher that fails costs freshness only: its last good list stays.
//   - Own networks are in the list from the start, whoever else fails.
//   - The list is put in place as a whole, and only when it is another.
package proxies

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fluent-siem/fluent-siem/internal/code"
	"github.com/fluent-siem/fluent-siem/internal/settings"
	"github.com/fluent-siem/fluent-siem/sidecar/config"
	"github.com/fluent-siem/fluent-siem/sidecar/feed"
)

// Config is the section proxies.
type Config struct {
	// File is the list: the proxies_file of the filter. Default: proxies.txt in
	// state_dir.
	File string `conf:"file"`

	// Networks are your own proxies, such as 10.0.0.0/8.
	Networks []string `conf:"networks"`

	// Providers are those whose edges are trusted too: cloudfront,
	// globalaccelerator, cloudflare.
	Providers []string `conf:"providers"`

	// Interval is the time between two looks at what providers publish.
	Interval time.Duration `conf:"interval"`

	// Jitter is the part of the interval by which it may be longer.
	Jitter float64 `conf:"jitter"`

	// AWSURL is where AWS publishes its networks.
	AWSURL string `conf:"aws_url"`

	// CloudflareURLs are where Cloudflare does.
	CloudflareURLs []string `conf:"cloudflare_urls"`
}

// Defaults returns what is used where the section says nothing. The networks
// are the original's.
func Defaults() Config {
	return Config{
		Networks: []string{"127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"}, Interval: 12 * time.Hour, Jitter: 0.1,
		AWSURL:         "https://ip-ranges.amazonaws.com/ip-ranges.json",
		CloudflareURLs: []string{"https://www.cloudflare.com/ips-v4", "https://www.cloudflare.com/ips-v6"},
	}
}

// services are the providers within AWS, by their name in its list.
var services = map[string]string{"cloudfront": "CLOUDFRONT", "globalaccelerator": "GLOBALACCELERATOR"}

const cloudflare = "cloudflare"

// Load reads the section; stateDir is where the list goes if it does not say.
func Load(s *config.Section, stateDir string) (Config, error) {
	cfg := Defaults()
	err := s.Load(&cfg)
	if cfg.File == "" {
		cfg.File = filepath.Join(stateDir, "proxies.txt")
	}
	return cfg, err
}

// Validate reports every problem at once.
func (c Config) Validate() error {
	var bad settings.Problems
	for _, n := range c.Networks {
		if _, err := network(n); err != nil {
			bad.Add("networks", "%v; write it like 10.0.0.0/8", err)
		}
	}
	for _, p := range c.Providers {
		if services[p] == "" && p != cloudflare {
			bad.Add("providers", "%q; use cloudfront, globalaccelerator or cloudflare", p)
		}
	}
	feed.CheckTimes(&bad, c.Interval, c.Jitter, "an hour")
	return bad.Err()
}

func network(text string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return p, fmt.Errorf("%.60q is neither a network nor an address", text)
	}
	return p.Masked(), nil
}

// list is what one publisher has: where, our copy of it, and how it is read.
type list struct {
	name string
	url  string
	copy feed.Copy
	read func(text []byte) ([]netip.Prefix, error)
}

// lists are those that the providers need.
func (c Config) lists(stateDir string) (all []list) {
	at := func(name string) feed.Copy {
		return feed.Copy{Path: filepath.Join(stateDir, "feeds", "proxies-"+name)}
	}
	var wanted []string
	for _, p := range c.Providers {
		if s := services[p]; s != "" {
			wanted = append(wanted, s)
		}
	}
	if wanted != nil {
		all = append(all, list{"aws", c.AWSURL, at("aws"), func(text []byte) ([]netip.Prefix, error) { return readAWS(text, wanted) }})
	}
	if slices.Contains(c.Providers, cloudflare) {
		for i, url := range c.CloudflareURLs {
			name := fmt.Sprintf("cloudflare-%d", i+1)
			all = append(all, list{name, url, at(name), readLines})
		}
	}
	return all
}

// readAWS reads ip-ranges.json.
func readAWS(text []byte, wanted []string) (networks []netip.Prefix, err error) {
	var ranges struct {
		Prefixes []struct {
			Prefix  string `json:"ip_prefix"`
			Service string `json:"service"`
		} `json:"prefixes"`
		V6 []struct {
			Prefix  string `json:"ipv6_prefix"`
			Service string `json:"service"`
		} `json:"ipv6_prefixes"`
	}
	if err := json.Unmarshal(text, &ranges); err != nil {
		return nil, err
	}
	add := func(prefix, service string) {
		if p, e := network(prefix); e != nil {
			err = errors.Join(err, e)
		} else if slices.Contains(wanted, service) {
			networks = append(networks, p)
		}
	}
	for _, p := range ranges.Prefixes {
		add(p.Prefix, p.Service)
	}
	for _, p := range ranges.V6 {
		add(p.Prefix, p.Service)
	}
	if len(networks) == 0 && err == nil {
		err = errors.New("it names none of the networks that are wanted")
	}
	return networks, err
}

// readLines reads one network a line; all must be.
func readLines(text []byte) (networks []netip.Prefix, err error) {
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		if line := strings.TrimSpace(lines.Text()); line != "" {
			p, err := network(line)
			if err != nil {
				return nil, err
			}
			networks = append(networks, p)
		}
	}
	if len(networks) == 0 {
		err = errors.New("it names no network")
	}
	return networks, errors.Join(err, lines.Err())
}

// Run keeps the list of cfg fresh until ctx is done, and then returns nil.
func Run(ctx context.Context, cfg Config, env feed.Env, tasks *feed.Metrics) error {
	lists := cfg.lists(env.StateDir)
	var mu sync.Mutex // one list is written at a time
	write := func() {
		mu.Lock()
		defer mu.Unlock()
		problem := ""
		if err := cfg.write(lists); err != nil {
			problem = code.Proxies.In("degraded: the list of proxies is not written, the one before stays: " + err.Error())
			env.Log.Error("list of proxies not written; the one before stays in use", "file", cfg.File, "error", err, code.Proxies.Attr())
		}
		env.Health("proxies", problem)
	}
	write()
	g, ctx := errgroup.WithContext(ctx)
	for _, l := range lists {
		g.Go(func() error {
			return feed.Task{
				Name: "proxies/" + l.name, Every: cfg.Interval, Jitter: cfg.Jitter, Last: l.copy.Meta().Checked, Changed: write,
				Do: func(ctx context.Context) (bool, error) { return l.refresh(ctx, env.Client) },
			}.Run(ctx, env, tasks)
		})
	}
	g.Go(func() error { <-ctx.Done(); return nil })
	return g.Wait()
}

func (l list) refresh(ctx context.Context, client *feed.Client) (bool, error) {
	return client.Refresh(ctx, feed.Source{URL: l.url}, l.copy, func(path string, _ feed.Answer) (string, error) {
		text, err := os.ReadFile(path)
		if err == nil {
			_, err = l.read(text)
		}
		return path, err
	})
}

// write puts the list in place, if it is another.
func (c Config) write(lists []list) error {
	var b bytes.Buffer
	b.WriteString("# Made by fluent-siem sidecar; a change here is lost.\n")
	for _, n := range c.Networks {
		p, err := network(n)
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%s own\n", p)
	}
	for _, l := range lists {
		text, err := os.ReadFile(l.copy.Path)
		if errors.Is(err, os.ErrNotExist) {
			continue // its task's health says so
		}
		if err != nil {
			return err
		}
		networks, err := l.read(text)
		if err != nil {
			return err
		}
		slices.SortFunc(networks, netip.Prefix.Compare)
		for _, p := range slices.Compact(networks) {
			fmt.Fprintf(&b, "%s %s\n", p, l.name)
		}
	}
	if old, err := os.ReadFile(c.File); err == nil && bytes.Equal(old, b.Bytes()) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(c.File), 0o700); err != nil {
		return err
	}
	temp := c.File + ".new"
	if err := os.WriteFile(temp, b.Bytes(), 0o600); err != nil {
		return err
	}
	return feed.Copy{Path: c.File}.Replace(temp)
}
