package pipeline

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/fluent-siem/fluent-siem/internal/event"
	"github.com/fluent-siem/fluent-siem/internal/settings"
)

// StdoutConfig is what an operator writes in the section of a stdout output.
type StdoutConfig struct {
	// Format is text (one line with tag, time, metadata and record) or
	// json_lines (one JSON object a line).
	Format string `conf:"format"`

	// DateKey is the key of the event's time in json_lines; false leaves it out.
	DateKey string `conf:"json_date_key"`

	// DateFormat is double (seconds with a fraction), epoch, epoch_ms or iso8601.
	DateFormat string `conf:"json_date_format"`
}

// StdoutDefaults returns Fluent Bit's defaults.
func StdoutDefaults() StdoutConfig {
	return StdoutConfig{Format: "text", DateKey: "date", DateFormat: "double"}
}

// Validate reports every problem at once.
func (c StdoutConfig) Validate() error {
	var bad settings.Problems
	switch c.Format {
	case "text", "msgpack", "json_lines", "json_stream":
	default:
		bad.Add("format", "%q is not known here; write text or json_lines", c.Format)
	}
	switch c.DateFormat {
	case "double", "epoch", "epoch_ms", "iso8601":
	default:
		bad.Add("json_date_format", "%q is not known here; write double, epoch, epoch_ms or iso8601", c.DateFormat)
	}
	return bad.Err()
}

// stdout writes events as lines.
type stdout struct {
	cfg StdoutConfig
	mu  sync.Mutex // a chunk is written in one piece
	out io.Writer
	buf []byte
}

func newStdout(out io.Writer, get func(string) string) (Output, error) {
	cfg := StdoutDefaults()
	if err := settings.Load(&cfg, get); err != nil {
		return nil, err
	}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if strings.EqualFold(cfg.DateKey, "false") {
		cfg.DateKey = ""
	}
	return &stdout{cfg: cfg, out: out}, nil
}

func (s *stdout) Write(_ context.Context, tag string, chunk []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buf = s.buf[:0]
	number := 0
	err := each(chunk, func(e event.Event) (err error) {
		switch s.cfg.Format {
		case "json_lines", "json_stream":
			s.buf, err = appendDated(s.buf, s.cfg.DateKey, s.cfg.DateFormat, e)
			s.buf = append(s.buf, '\n')
		default:
			s.buf, err = appendText(s.buf, number, tag, e)
			number++
		}
		return err
	})
	if err != nil {
		return err
	}
	_, err = s.out.Write(s.buf)
	return err
}

func (s *stdout) Close() error { return nil }

// FileConfig is what an operator writes in the section of a file output.
type FileConfig struct {
	// Path is the folder; empty means the current one.
	Path string `conf:"path"`

	// File is the file's name; empty means the tag.
	File string `conf:"file"`

	// Format is out_file (tag, time, record) or plain (the record as JSON).
	Format string `conf:"format"`

	// Mkdir makes the folder where it is missing.
	Mkdir bool `conf:"mkdir"`
}

// FileDefaults returns Fluent Bit's defaults.
func FileDefaults() FileConfig { return FileConfig{Format: "out_file"} }

// Validate reports every problem at once.
func (c FileConfig) Validate() error {
	var bad settings.Problems
	if c.Format != "out_file" && c.Format != "plain" {
		bad.Add("format", "%q is not known here; write out_file or plain", c.Format)
	}
	return bad.Err()
}

// file appends events to a file, which may be moved away at any time.
type file struct {
	cfg FileConfig
	mu  sync.Mutex
	buf []byte
}

func newFile(get func(string) string, _ Host) (Output, error) {
	cfg := FileDefaults()
	if err := settings.Load(&cfg, get); err != nil {
		return nil, err
	}
	return &file{cfg: cfg}, cfg.Validate()
}

func (f *file) Write(_ context.Context, tag string, chunk []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.buf = f.buf[:0]
	err := each(chunk, func(e event.Event) (err error) {
		if f.cfg.Format == "plain" {
			f.buf, err = appendRecord(f.buf, e)
			f.buf = append(f.buf, '\n')
			return err
		}
		f.buf = fmt.Appendf(f.buf, "%s: [", tag)
		f.buf = append(appendSeconds(f.buf, e.Time), ", "...)
		f.buf, err = appendRecord(f.buf, e)
		f.buf = append(f.buf, "]\n"...)
		return err
	})
	if err != nil {
		return err
	}
	return f.write(tag)
}

// write appends f.buf in one piece, or takes back what was written of it: the
// chunk comes again.
func (f *file) write(tag string) error {
	name := f.cfg.File
	if name == "" {
		name = strings.NewReplacer("/", "_", "\x00", "_").Replace(tag)
	}
	if f.cfg.Mkdir {
		if err := os.MkdirAll(f.cfg.Path, 0o700); err != nil {
			return err
		}
	}
	out, err := os.OpenFile(filepath.Join(f.cfg.Path, name), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	info, err := out.Stat()
	if err == nil {
		if _, err = out.Write(f.buf); err != nil && info.Mode().IsRegular() {
			_ = out.Truncate(info.Size()) // the write's error is the one to report
		}
	}
	if e := out.Close(); err == nil {
		err = e
	}
	return err
}

func (f *file) Close() error { return nil }

// null takes everything and keeps nothing: to measure what is before it.
type null struct{}

func (null) Write(context.Context, string, []byte) error { return nil }
func (null) Close() error                                { return nil }

// Plain is a kit of the outputs that need nothing but this process; stdout
// writes to out.
func Plain(out io.Writer) Kit {
	return Kit{
		Inputs:  map[string]Plugin[Input]{},
		Filters: map[string]Plugin[Filter]{},
		Outputs: map[string]Plugin[Output]{
			"stdout": {Keys: settings.Keys(StdoutConfig{}), Make: func(get func(string) string, _ Host) (Output, error) { return newStdout(out, get) }},
			"file":   {Keys: settings.Keys(FileConfig{}), Make: newFile},
			"null":   {Make: func(func(string) string, Host) (Output, error) { return null{}, nil }},
		},
	}
}
