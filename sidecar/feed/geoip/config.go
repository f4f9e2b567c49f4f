package geoip

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/fluent-siem/fluent-siem/internal/settings"
	"github.com/fluent-siem/fluent-siem/sidecar/config"
	"github.com/fluent-siem/fluent-siem/sidecar/feed"
)

// Config is the section geoip.
type Config struct {
	// Dir is where the databases are put, each as NAME.mmdb: the geoip_dir of the
	// filter. The one before stays as NAME.mmdb.previous; renamed to NAME.mmdb it is used
	// until the publisher has a newer one. Default: geoip in state_dir.
	Dir string `conf:"dir"`

	// Interval is the time between two downloads; what has not changed is not
	// sent again. MaxMind publishes twice a week.
	Interval time.Duration `conf:"interval"`

	// Jitter is the part of the interval by which it may be longer, so that a
	// fleet does not ask at once.
	Jitter float64 `conf:"jitter"`

	// Editions are databases of MaxMind, such as GeoLite2-City, GeoLite2-ASN,
	// GeoIP2-ISP or GeoIP2-Enterprise.
	Editions []string `conf:"editions"`

	// Account is the number of the account at MaxMind. Without it the older form
	// of download is used, which has the key in the URL.
	Account string `conf:"account"`

	// LicenceKey is the key of MaxMind. Write ${NAME} to take it from the
	// environment.
	LicenceKey string `conf:"licence_key"`

	// LicenceKeyFile is a file that holds the key; it is read for each download.
	LicenceKeyFile string `conf:"licence_key_file"`

	// Endpoint is where MaxMind's downloads are.
	Endpoint string `conf:"endpoint"`

	// Publish is a folder in S3 where each database is put too, as NAME.mmdb with its
	// checksum in NAME.mmdb.sha256, for a fleet: s3://bucket/GeoLite2/. Other hosts
	// name them as sources.
	Publish string `conf:"publish"`

	// Sources are databases from elsewhere.
	Sources []SourceConfig
}

// SourceConfig is one of the list sources.
type SourceConfig struct {
	// Name is what the database is called in dir, without .mmdb, such as
	// GeoLite2-City or dbip-city-lite.
	Name string `conf:"name"`

	// URL is where it is: https://…, s3://bucket/key or a file; mmdb, also packed
	// as gzip or tar.gz.
	URL string `conf:"url"`

	// SHA256URL is where its checksum is, as text in hexadecimal; of the packed
	// file, if it is packed.
	SHA256URL string `conf:"sha256_url"`

	// User and password are for basic authentication.
	User string `conf:"user"`

	// Password goes with user.
	Password string `conf:"password"`

	// Token is sent as "Authorization: Bearer …".
	Token string `conf:"token"`
}

// Defaults returns what is used where the section says nothing.
func Defaults() Config {
	return Config{Interval: 12 * time.Hour, Jitter: 0.1, Endpoint: "https://download.maxmind.com"}
}

// Load reads the section; stateDir is where the databases go if it does not say.
func Load(s *config.Section, stateDir string) (Config, error) {
	cfg := Defaults()
	var bad settings.Problems
	bad.Join(s.Load(&cfg, "sources"))
	for _, section := range s.List("sources") {
		var source SourceConfig
		bad.Join(section.Load(&source))
		cfg.Sources = append(cfg.Sources, source)
	}
	if cfg.Dir == "" {
		cfg.Dir = filepath.Join(stateDir, "geoip")
	}
	return cfg, bad.Err()
}

// names are the names that a database may have: they become names of files.
var names = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

// Validate reports every problem at once.
func (c Config) Validate() error {
	var bad settings.Problems
	for _, e := range c.Editions {
		if !names.MatchString(e) {
			bad.Add("editions", "%q is no edition; write one like GeoLite2-City", e)
		}
	}
	if len(c.Editions) > 0 && (c.LicenceKey == "") == (c.LicenceKeyFile == "") {
		bad.Add("licence_key", "editions need a key: set either licence_key or licence_key_file")
	}
	feed.CheckTimes(&bad, c.Interval, c.Jitter, "an hour")
	if p := c.Publish; p != "" && (!strings.HasPrefix(p, "s3://") || !strings.HasSuffix(p, "/")) {
		bad.Add("publish", "%q; write s3://bucket/prefix/", p)
	}
	if u, err := url.Parse(c.Endpoint); err != nil || u.Host == "" {
		bad.Add("endpoint", "it has no host; write a URL like https://download.maxmind.com")
	}
	return bad.Err()
}

// Validate reports every problem at once.
func (c SourceConfig) Validate() error {
	var bad settings.Problems
	if !names.MatchString(c.Name) {
		bad.Add("name", "%q; write the name of the database, like GeoLite2-City", c.Name)
	}
	if c.URL == "" {
		bad.Add("url", "it is missing")
	}
	return bad.Err()
}

// source is where a database is fetched, now.
type source struct {
	name     string
	data     feed.Source
	checksum *feed.Source // nil: there is none
}

// sources are all databases; the key is read from its file for each use.
func (c Config) sources() (list []source) {
	for _, e := range c.Editions {
		list = append(list, source{name: e})
	}
	for _, s := range c.Sources {
		own := source{name: s.Name, data: s.at(s.URL)}
		if s.SHA256URL != "" {
			sum := s.at(s.SHA256URL)
			own.checksum = &sum
		}
		list = append(list, own)
	}
	return list
}

func (c SourceConfig) at(where string) feed.Source {
	s := feed.Source{URL: where, User: c.User, Password: c.Password}
	if c.Token != "" {
		s.Header, s.Secrets = map[string]string{"Authorization": "Bearer " + c.Token}, []string{c.Token}
	}
	return s
}

// located returns the source with its URL: editions get theirs from the key.
func (c Config) located(s source) (source, error) {
	if s.data.URL != "" {
		return s, nil
	}
	key := c.LicenceKey
	if c.LicenceKeyFile != "" {
		text, err := os.ReadFile(c.LicenceKeyFile)
		if err != nil {
			return s, fmt.Errorf("licence_key_file: %w", err)
		}
		key = strings.TrimSpace(string(text))
	}
	if key == "" {
		return s, errors.New("the licence key is empty")
	}
	at := func(suffix string) feed.Source {
		base := strings.TrimSuffix(c.Endpoint, "/")
		if c.Account != "" {
			return feed.Source{URL: fmt.Sprintf("%s/geoip/databases/%s/download?suffix=%s", base, s.name, suffix), User: c.Account, Password: key, Secrets: []string{key}}
		}
		query := url.Values{"edition_id": {s.name}, "license_key": {key}, "suffix": {suffix}}
		return feed.Source{URL: base + "/app/geoip_download?" + query.Encode(), Secrets: []string{key}}
	}
	sum := at("tar.gz.sha256")
	s.data, s.checksum = at("tar.gz"), &sum
	return s, nil
}
