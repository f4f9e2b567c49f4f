// Package assets keeps tables of assets fresh that lie elsewhere: an export of an
// inventory in S3, a list behind a URL.
//
//	S3, a URL, a file ──▶ trial ──▶ assets_dir of the filter
//
// # Promises
//
//   - A file is put in place when the filter could use it: rows with every
//     description that names them, a description with its rows. The last good one
//     stays, whatever comes, with .previous beside it.
//   - Files that it does not name are left alone.
//   - Passwords and tokens are in no log and no error.
package assets

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fluent-siem/fluent-siem/filters/enrich"
	"github.com/fluent-siem/fluent-siem/internal/settings"
	"github.com/fluent-siem/fluent-siem/sidecar/config"
	"github.com/fluent-siem/fluent-siem/sidecar/feed"
)

// Config is the section assets.
type Config struct {
	// Dir is where the files are put: the assets_dir of the filter. Default: assets in
	// state_dir.
	Dir string `conf:"dir"`

	// Interval is the time between two looks; what has not changed is not sent again.
	Interval time.Duration `conf:"interval"`

	// Jitter is the part of the interval by which it may be longer.
	Jitter float64 `conf:"jitter"`

	// Files are what is kept fresh.
	Files []FileConfig
}

// FileConfig is one of the list files.
type FileConfig struct {
	// Name is what the file is called in dir: accounts.csv, services.json, or
	// accounts.yaml for a description.
	Name string `conf:"name"`

	// URL is where it is: https://…, s3://bucket/key or a file.
	URL string `conf:"url"`

	// User and password are for basic authentication.
	User string `conf:"user"`

	// Password goes with user.
	Password string `conf:"password"`

	// Token is sent as "Authorization: Bearer …".
	Token string `conf:"token"`
}

// Defaults returns what is used where the section says nothing.
func Defaults() Config { return Config{Interval: time.Hour, Jitter: 0.1} }

// Load reads the section; stateDir is where the files go if it does not say.
func Load(s *config.Section, stateDir string) (Config, error) {
	cfg := Defaults()
	var bad settings.Problems
	bad.Join(s.Load(&cfg, "files"))
	seen := map[string]bool{}
	for _, section := range s.List("files") {
		var file FileConfig
		bad.Join(section.Load(&file))
		if seen[file.Name] {
			bad.Add(section.Path+".name", "there are two files %q", file.Name)
		}
		seen[file.Name] = true
		cfg.Files = append(cfg.Files, file)
	}
	if cfg.Dir == "" {
		cfg.Dir = filepath.Join(stateDir, "assets")
	}
	return cfg, bad.Err()
}

// Validate reports every problem at once.
func (c Config) Validate() error {
	var bad settings.Problems
	feed.CheckTimes(&bad, c.Interval, c.Jitter, "a minute")
	return bad.Err()
}

// names are the names that a file may have.
var names = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}\.(csv|json|yaml)$`)

// Validate reports every problem at once.
func (f FileConfig) Validate() error {
	var bad settings.Problems
	if !names.MatchString(f.Name) {
		bad.Add("name", "%q; write a name that ends with .csv, .json or .yaml", f.Name)
	}
	if f.URL == "" {
		bad.Add("url", "it is missing")
	}
	return bad.Err()
}

// largest is the limit of a file in bytes: what the filter takes.
const largest = 64 << 20

// Run keeps the files of cfg fresh until ctx is done, and then returns nil.
func Run(ctx context.Context, cfg Config, env feed.Env, tasks *feed.Metrics) error {
	client := *env.Client
	client.Largest = largest
	g, ctx := errgroup.WithContext(ctx)
	for _, f := range cfg.Files {
		to := feed.Copy{Path: filepath.Join(cfg.Dir, f.Name), Previous: true}
		g.Go(func() error {
			return feed.Task{
				Name: "assets/" + f.Name, Every: cfg.Interval, Jitter: cfg.Jitter, Last: to.Meta().Checked,
				Do: func(ctx context.Context) (bool, error) { return cfg.refresh(ctx, &client, f, to) },
			}.Run(ctx, env, tasks)
		})
	}
	return g.Wait()
}

func (c Config) refresh(ctx context.Context, client *feed.Client, f FileConfig, to feed.Copy) (bool, error) {
	src := feed.Source{URL: f.URL, User: f.User, Password: f.Password}
	if f.Token != "" {
		src.Header, src.Secrets = map[string]string{"Authorization": "Bearer " + f.Token}, []string{f.Token}
	}
	return client.Refresh(ctx, src, to, func(path string, _ feed.Answer) (string, error) {
		return path, c.try(f.Name, path)
	})
}

// try says whether the filter could use a file, with what else is there.
func (c Config) try(name, fetched string) error {
	dir, err := os.MkdirTemp(c.Dir, ".trial-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	entries, err := os.ReadDir(c.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		if e.Name() != name && names.MatchString(e.Name()) {
			if err := os.Link(filepath.Join(c.Dir, e.Name()), filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	if err := os.Link(fetched, filepath.Join(dir, name)); err != nil {
		return err
	}
	return enrich.TryAssets(dir, name)
}
