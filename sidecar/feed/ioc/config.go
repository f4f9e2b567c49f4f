package ioc

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/fluent-siem/fluent-siem/internal/settings"
	"github.com/fluent-siem/fluent-siem/sidecar/config"
	"github.com/fluent-siem/fluent-siem/sidecar/feed"
	"github.com/fluent-siem/fluent-siem/sidecar/feed/parse"
)

// Config is the section indicators.
type Config struct {
	// File is the table: the indicators_file of the filter. Default:
	// indicators.ioc in state_dir.
	File string `conf:"file"`

	// Interval is the time between two refreshes of a feed that names none.
	Interval time.Duration `conf:"interval"`

	// Jitter is the part of the interval by which it may be longer, so that a
	// fleet does not ask at once.
	Jitter float64 `conf:"jitter"`

	// Keep is how long the copy of a feed counts that could not be refreshed;
	// after that its indicators are left out of the table.
	Keep time.Duration `conf:"keep"`

	// Publish is where a finished table is put too, for a fleet: s3://bucket/key.
	Publish string `conf:"publish"`

	// Take is where finished tables are taken from instead of making them of
	// feeds: s3://bucket/key, a URL or a file.
	Take string `conf:"take"`

	// Feeds are where indicators come from.
	Feeds []FeedConfig
}

// FeedConfig is one of the list feeds.
type FeedConfig struct {
	// Name is what the feed is called. tor, feodo, urlhaus, threatfox and otx need
	// no more than their name (and otx a key).
	Name string `conf:"name"`

	// Format is one of the formats of `fluent-siem ioc build`, or otx-api,
	// misp-feed or taxii, or extension. For a folder, empty means: by each file.
	Format string `conf:"format"`

	// URL is where it is: https://…, s3://bucket/key or a file. One that ends with
	// / is a folder, in S3 or on a disk, of which every file counts: those in a
	// folder within have its name as their provider. For otx-api and taxii it is
	// the base of the API and the URL of the collection.
	URL string `conf:"url"`

	// Provider is what rows say that name none.
	Provider string `conf:"provider"`

	// Interval is the time between two refreshes.
	Interval time.Duration `conf:"interval"`

	// Keep is how long the copy counts that could not be refreshed.
	Keep time.Duration `conf:"keep"`

	// MaxAge leaves out indicators that were seen or changed last longer ago. 0:
	// none is left out for its age.
	MaxAge time.Duration `conf:"max_age"`

	// User is for basic authentication.
	User string `conf:"user"`

	// Password goes with user.
	Password string `conf:"password"`

	// Key is the publisher's API key.
	Key string `conf:"key"`

	// KeyFile is a file that holds the key; it is read for each use.
	KeyFile string `conf:"key_file"`

	// KeyHeader is the header in which the key is sent.
	KeyHeader string `conf:"key_header"`

	// Command is the absolute path of an extension that knows the feed (format
	// extension); see extensions.md.
	Command string `conf:"command"`

	// SHA256 is the checksum of that file, as sha256sum prints it.
	SHA256 string `conf:"sha256"`

	// Args are its arguments.
	Args []string `conf:"args"`

	// Environment are names of environment variables that it gets from us; it gets
	// no others.
	Environment []string `conf:"environment"`

	// Timeout is how long one refresh of an extension may take; empty: 10m.
	Timeout time.Duration `conf:"timeout"`
}

// known are feeds that need no more than their name.
var known = map[string]FeedConfig{
	"tor":       {Format: "tor", URL: "https://check.torproject.org/exit-addresses", Interval: time.Hour, Keep: 48 * time.Hour},
	"feodo":     {Format: "feodo-json", URL: "https://feodotracker.abuse.ch/downloads/ipblocklist.json", Interval: time.Hour},
	"urlhaus":   {Format: "urlhaus-csv", URL: "https://urlhaus.abuse.ch/downloads/csv_recent/", Interval: time.Hour},
	"threatfox": {Format: "threatfox-json", URL: "https://threatfox.abuse.ch/export/json/recent/", Interval: time.Hour},
	"otx":       {Format: "otx-api", URL: "https://otx.alienvault.com", KeyHeader: "X-OTX-API-KEY"},
}

// Formats of publishers that are asked what changed.
const (
	otxAPI   = "otx-api"
	mispFeed = "misp-feed"
	taxii    = "taxii"
)

// Defaults returns what is used where the section says nothing.
func Defaults() Config {
	return Config{Interval: 12 * time.Hour, Jitter: 0.1, Keep: 8 * 24 * time.Hour}
}

// Load reads the section; stateDir is where the table goes if it does not say.
func Load(s *config.Section, stateDir string) (Config, error) {
	cfg := Defaults()
	var bad settings.Problems
	bad.Join(s.Load(&cfg, "feeds"))
	seen := map[string]bool{}
	for _, section := range s.List("feeds") {
		var named struct {
			Name string `conf:"name"`
		}
		_ = section.Load(&named) // for the name; everything else is unknown to it
		f := known[named.Name]
		f.Interval, f.Keep = max(f.Interval, 0), max(f.Keep, 0)
		if f.Interval == 0 {
			f.Interval = cfg.Interval
		}
		if f.Keep == 0 {
			f.Keep = cfg.Keep
		}
		bad.Join(section.Load(&f))
		if seen[f.Name] {
			bad.Add(section.Path+".name", "there are two feeds %q", f.Name)
		}
		seen[f.Name] = true
		cfg.Feeds = append(cfg.Feeds, f)
	}
	if len(cfg.Feeds) > 0 && cfg.Take != "" {
		bad.Add(s.Path+".take", "a table is either taken or made of feeds: use one of the two")
	}
	if cfg.File == "" {
		cfg.File = filepath.Join(stateDir, "indicators.ioc")
	}
	return cfg, bad.Err()
}

// Validate reports every problem at once.
func (c Config) Validate() error {
	var bad settings.Problems
	feed.CheckTimes(&bad, c.Interval, c.Jitter, "an hour")
	if c.Publish != "" && !strings.HasPrefix(c.Publish, "s3://") {
		bad.Add("publish", "%q; write s3://bucket/key", c.Publish)
	}
	return bad.Err()
}

var names = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

// Validate reports every problem at once.
func (f FeedConfig) Validate() error {
	var bad settings.Problems
	if !names.MatchString(f.Name) {
		bad.Add("name", "%q; write letters, digits, - and _", f.Name)
	}
	if f.URL == "" && f.Format != extensionFormat {
		bad.Add("url", "it is missing")
	}
	if f.Format == extensionFormat {
		bad.Join(f.process().Validate())
	}
	_, ok := parse.Formats[f.Format]
	if !ok && f.Format != otxAPI && f.Format != mispFeed && f.Format != taxii && f.Format != extensionFormat && !(f.Format == "" && f.folder()) {
		bad.Add("format", "%q; use one of %s, %s, %s, %s, %s", f.Format, strings.Join(parse.Names(), ", "), otxAPI, mispFeed, taxii, extensionFormat)
	}
	if f.Interval < time.Minute {
		bad.Add("interval", "%v is too short", f.Interval)
	}
	if f.Format == otxAPI && f.Key == "" && f.KeyFile == "" {
		bad.Add("key", "OTX needs one: set key or key_file")
	}
	if f.Key != "" && f.KeyFile != "" {
		bad.Add("key_file", "set either key or key_file")
	}
	if (f.Key != "" || f.KeyFile != "") && f.KeyHeader == "" {
		bad.Add("key_header", "it is missing: in which header does the publisher want the key?")
	}
	return bad.Err()
}

// folder says whether the feed is every file of a folder.
func (f FeedConfig) folder() bool {
	return strings.HasSuffix(f.URL, "/") && !strings.HasPrefix(f.URL, "http://") && !strings.HasPrefix(f.URL, "https://")
}

// secret is the key of now.
func (f FeedConfig) secret() (string, error) {
	if f.KeyFile == "" {
		return f.Key, nil
	}
	text, err := os.ReadFile(f.KeyFile)
	if err != nil {
		return "", fmt.Errorf("key_file: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}
