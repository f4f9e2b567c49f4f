package extend

import (
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/fluent-siem/fluent-siem/internal/settings"
	"github.com/fluent-siem/fluent-siem/sidecar/config"
)

// Config says which process an extension is.
type Config struct {
	// Name is what the extension is called in logs, metrics and documents.
	Name string `conf:"name"`

	// Command is the absolute path of its file: a program, or a script that
	// begins with #! and its interpreter. Neither the file nor its folder may be
	// writable for others.
	Command string `conf:"command"`

	// SHA256 is the checksum of that file, as sha256sum prints it. With any other
	// content it is not started.
	SHA256 string `conf:"sha256"`

	// Args are its arguments, separated by commas or as a list.
	Args []string `conf:"args"`

	// Environment are names of environment variables that it gets from us. It
	// gets no others, but PATH, LANG and what go-plugin needs.
	Environment []string `conf:"environment"`

	// StartTimeout is how long it may take to be ready.
	StartTimeout time.Duration `conf:"start_timeout"`

	// Timeout is how long one call may take, with waiting for a process that is
	// just starting. An extension that takes longer is killed and started again.
	// Inside Fluent Bit the engine waits meanwhile: keep it short.
	Timeout time.Duration `conf:"timeout"`
}

// OnFailure says what becomes of a document whose extension failed.
type OnFailure string

const (
	// Pass lets the document go on as it was, with the tag extension_failed.
	Pass OnFailure = "pass"
	// DeadLetter makes its record a dead letter.
	DeadLetter OnFailure = "dead_letter"
)

// TransformerConfig is one of the list extensions.
type TransformerConfig struct {
	Config

	// LogTypes are those whose documents it changes. A type has one extension.
	LogTypes []string `conf:"log_types"`

	// OnFailure says what becomes of a document when the extension is down, takes
	// too long, or fails: pass (it goes on as it was, with the tag
	// extension_failed and the reason in siem.extension) or dead_letter (its record
	// becomes a dead letter; `fluent-siem deadletter replay` loads it later).
	OnFailure OnFailure `conf:"on_failure"`

	// Batch is how many documents one call has at most. It has less when they are
	// large, or when the buffer has no more.
	Batch int `conf:"batch"`

	// Processes is how many processes of it run. One is enough for what uses all
	// cores itself; Python does not.
	Processes int `conf:"processes"`
}

// Defaults returns what is used where the file says nothing.
func Defaults() TransformerConfig {
	return TransformerConfig{
		Config:    Config{StartTimeout: 20 * time.Second, Timeout: 5 * time.Second},
		OnFailure: Pass, Batch: 500, Processes: 1,
	}
}

var (
	nameRE     = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)
	variableRE = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,99}$`)
)

// check adds what is wrong to bad.
func (c Config) check(bad *settings.Problems) {
	if !nameRE.MatchString(c.Name) {
		bad.Add("name", "%q; use small letters, digits and hyphens", c.Name)
	}
	if !filepath.IsAbs(c.Command) {
		bad.Add("command", "%q is no absolute path", c.Command)
	}
	if sum, err := hex.DecodeString(c.SHA256); err != nil || len(sum) != 32 {
		bad.Add("sha256", "%q is none: write what `sha256sum %s` prints, 64 digits", c.SHA256, c.Command)
	}
	for _, name := range c.Environment {
		if !variableRE.MatchString(name) {
			bad.Add("environment", "%q is no name of a variable; values are not written here", name)
		}
	}
	if c.StartTimeout < time.Second || c.StartTimeout > 5*time.Minute {
		bad.Add("start_timeout", "%v; use 1s to 5m", c.StartTimeout)
	}
	if c.Timeout < 10*time.Millisecond || c.Timeout > 10*time.Minute {
		bad.Add("timeout", "%v; use 10ms to 10m", c.Timeout)
	}
}

// Validate reports every problem at once.
func (c Config) Validate() error {
	var bad settings.Problems
	c.check(&bad)
	return bad.Err()
}

// Validate reports every problem at once.
func (c TransformerConfig) Validate() error {
	var bad settings.Problems
	c.check(&bad)
	if len(c.LogTypes) == 0 {
		bad.Add("log_types", "it is missing: whose documents does the extension change?")
	}
	if c.OnFailure != Pass && c.OnFailure != DeadLetter {
		bad.Add("on_failure", "%q; use %s or %s", c.OnFailure, Pass, DeadLetter)
	}
	if c.Batch < 1 || c.Batch > 10_000 {
		bad.Add("batch", "%d; use 1 to 10000", c.Batch)
	}
	if c.Processes < 1 || c.Processes > 64 {
		bad.Add("processes", "%d; use 1 to 64", c.Processes)
	}
	return bad.Err()
}

// mostExtensions is how many a file may name.
const mostExtensions = 100

// Load reads a file of transformers:
//
//	extensions:
//	  - name: owners
//	    command: /opt/fluent-siem/extensions/owners
//	    sha256: 2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b
//	    log_types: [cloudtrail]
func Load(r io.Reader) ([]TransformerConfig, error) {
	s, err := config.Read(r, os.LookupEnv)
	if err != nil {
		return nil, err
	}
	var bad settings.Problems
	bad.Join(s.Load(&struct{}{}, "extensions"))
	list := s.List("extensions")
	if len(list) > mostExtensions {
		return nil, fmt.Errorf("it names %d extensions, more than %d", len(list), mostExtensions)
	}
	var all []TransformerConfig
	names, types := map[string]bool{}, map[string]string{}
	for _, section := range list {
		cfg := Defaults()
		bad.Join(section.Load(&cfg))
		if names[cfg.Name] {
			bad.Add(section.Path+".name", "there are two extensions %q", cfg.Name)
		}
		names[cfg.Name] = true
		for _, t := range cfg.LogTypes {
			if other, taken := types[t]; taken {
				bad.Add(section.Path+".log_types", "%s has the extension %s already", t, other)
			}
			types[t] = cfg.Name
		}
		all = append(all, cfg)
	}
	return all, bad.Err()
}
