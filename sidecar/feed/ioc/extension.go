package ioc

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fluent-siem/fluent-siem/extension"
	"github.com/fluent-siem/fluent-siem/internal/extend"
	"github.com/fluent-siem/fluent-siem/internal/indicator"
	"github.com/fluent-siem/fluent-siem/sidecar/feed"
	"github.com/fluent-siem/fluent-siem/sidecar/feed/parse"
)

// extensionFormat is the format of a feed that a process of the operator's knows.
const extensionFormat = "extension"

// extensionTimeout is how long one refresh may take, when the file does not say.
const extensionTimeout = 10 * time.Minute

// process is which process knows the feed.
func (f FeedConfig) process() extend.Config {
	c := extend.Defaults().Config
	c.Name, c.Command, c.SHA256, c.Args, c.Environment, c.Timeout = f.Name, f.Command, f.SHA256, f.Args, f.Environment, f.Timeout
	if c.Timeout == 0 {
		c.Timeout = extensionTimeout
	}
	return c
}

// extensionFeed is a feed of an extension. Its rows are lines of JSON in a file;
// beside it is what is known of them.
type extensionFeed struct {
	cfg  FeedConfig
	log  *slog.Logger
	copy feed.Copy // rows
	mark feed.Copy // a mark
}

func newExtensionFeed(cfg FeedConfig, place string, log *slog.Logger) *extensionFeed {
	return &extensionFeed{cfg, log, feed.Copy{Path: place + ".extension"}, feed.Copy{Path: place + ".extension.json"}}
}

// known is what is known of the copy; the zero mark when there is none.
func (e *extensionFeed) known() (m mark) {
	if _, err := os.Stat(e.copy.Path); err != nil {
		return m
	}
	text, err := os.ReadFile(e.mark.Path)
	if err != nil || json.Unmarshal(text, &m) != nil {
		return mark{}
	}
	return m
}

func (e *extensionFeed) checked() time.Time { return e.known().Checked }

func (e *extensionFeed) refresh(ctx context.Context, _ *feed.Client) (changed bool, err error) {
	known := e.known()
	source := strings.Join(append([]string{e.cfg.Command}, e.cfg.Args...), " ")
	if known.Source != source {
		known = mark{Source: source}
	}
	if err := os.MkdirAll(filepath.Dir(e.copy.Path), 0o700); err != nil {
		return false, err
	}
	f, err := os.CreateTemp(filepath.Dir(e.copy.Path), ".extension-*")
	if err != nil {
		return false, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	w := bufio.NewWriterSize(f, 1<<20)
	out := json.NewEncoder(w)
	next, changed, err := extend.Fetch(ctx, e.cfg.process(), e.log, known.Since, func(i *extension.Indicator) error {
		return out.Encode(e.row(i))
	})
	if err != nil {
		return false, fmt.Errorf("extension %s: %w", e.cfg.Name, err)
	}
	if changed {
		if err := errors.Join(w.Flush(), f.Close()); err != nil {
			return false, err
		}
		if err := e.copy.Replace(f.Name()); err != nil {
			return false, err
		}
	} else if known.Checked.IsZero() {
		return false, fmt.Errorf("extension %s: it says that nothing changed, but nothing is known yet", e.cfg.Name)
	}
	known.Since, known.Checked = next, time.Now().UTC().Truncate(time.Second)
	return changed, e.keep(known)
}

// row is an indicator as a table has it.
func (e *extensionFeed) row(i *extension.Indicator) *indicator.Row {
	provider := i.GetProvider()
	if provider == "" {
		provider = e.cfg.Provider
	}
	if provider == "" {
		provider = e.cfg.Name
	}
	return &indicator.Row{
		Provider: provider, Type: i.GetType(), Value: i.GetValue(), Name: i.GetName(), Reference: i.GetReference(),
		FirstSeen: i.GetFirstSeen(), LastSeen: i.GetLastSeen(), Modified: i.GetModified(),
		Description: i.GetDescription(), ValidUntil: i.GetValidUntil(),
	}
}

// keep writes what is known of the copy.
func (e *extensionFeed) keep(m mark) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	temp := e.mark.Path + ".new"
	if err := os.WriteFile(temp, text, 0o600); err != nil {
		return err
	}
	return e.mark.Replace(temp)
}

func (e *extensionFeed) rows(s parse.Sink) error {
	return read(e.copy.Path, e.copy.Path, "ndjson", parse.Origin{}, s)
}
