package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/fluent-siem/fluent-siem/sidecar/importer"
)

// importCommand groups what is taken over from other loaders.
type importCommand struct {
	ESLoader importESLoader `cmd:"" name:"es-loader" help:"Turn a user.ini of SIEM on Amazon OpenSearch Service into log types."`
}

type importESLoader struct {
	Output string `short:"o" placeholder:"DIR" help:"Write each log type to a file of its own in this folder, which becomes logtypes_dir of the filter and the input. Default: print them."`
	Force  bool   `help:"Replace files that are there and say something else."`
	File   string `arg:"" name:"user.ini" help:"The user.ini; - is standard input."`
}

func (importESLoader) Help() string {
	return `Each section that defines a log type becomes a file; one that changes a type which is shipped becomes a file with
the changes only. What [DEFAULT] changes is written for each type that it concerns.

Standard error says what has no counterpart, by section and key: what, why, and what to do. A type that cannot do
without such a setting is written as NAME.yaml.incomplete, which nothing loads.

Exit code 1 means that something was left out.

Examples:

  $ printf '[app]\ns3_key = app/\nfile_format = json\nindex_name = log-app\ntimestamp_key = time\necs = source.ip\nsource.ip = client\n' > user.ini && fluent-siem import es-loader user.ini
  $ fluent-siem import es-loader -o imported user.ini && fluent-siem check imported`
}

// incompleteEnding is that of a file which is no valid log type yet.
const incompleteEnding = ".incomplete"

// Run imports one file.
func (c importESLoader) Run(t Terminal) error {
	text, err := c.read(t)
	if err != nil {
		return usageError{err}
	}
	result, err := importer.Import(text)
	if err != nil {
		return usageError{fmt.Errorf("%s: %w", c.File, err)}
	}
	if c.Output == "" {
		err = printTypes(t.Out, result.Files)
	} else {
		err = c.write(t, result.Files)
	}
	if err != nil {
		return err
	}
	for _, r := range result.Notes {
		fmt.Fprintf(t.Err, "note: %v\n", r)
	}
	for _, r := range result.Left {
		fmt.Fprintf(t.Err, "left out: %v\n", r)
	}
	fmt.Fprintf(t.Err, "%s, %s left out\n", number(len(result.Files), "log type"), number(len(result.Left), "setting"))
	if len(result.Left) > 0 {
		return errQuiet
	}
	return nil
}

// read returns the text of the user.ini.
func (c importESLoader) read(t Terminal) (string, error) {
	in := t.In
	if c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return "", err
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, importer.MaxSize+1))
	return string(text), err
}

func fileName(f importer.File) string {
	if f.Incomplete != "" {
		return f.Name + ".yaml" + incompleteEnding
	}
	return f.Name + ".yaml"
}

// printTypes prints the files, one document after another.
func printTypes(out io.Writer, files []importer.File) error {
	var texts []string
	for _, f := range files {
		text := f.YAML
		if len(files) > 1 {
			text = "# " + fileName(f) + "\n" + text
		}
		texts = append(texts, text)
	}
	_, err := io.WriteString(out, strings.Join(texts, "---\n"))
	return err
}

// write writes the files, or none when one is in the way.
func (c importESLoader) write(t Terminal, files []importer.File) error {
	if !c.Force {
		for _, f := range files {
			path := filepath.Join(c.Output, fileName(f))
			switch old, err := os.ReadFile(path); {
			case err == nil && string(old) != f.YAML:
				return usageError{fmt.Errorf("%s is there and says something else; nothing was written: remove it, or use --force", path)}
			case err != nil && !errors.Is(err, os.ErrNotExist):
				return usageError{err}
			}
		}
	}
	if err := os.MkdirAll(c.Output, 0o700); err != nil {
		return usageError{err}
	}
	for _, f := range files {
		path := filepath.Join(c.Output, fileName(f))
		if err := os.WriteFile(path, []byte(f.YAML), 0o600); err != nil {
			return err
		}
		fmt.Fprintln(t.Out, path)
	}
	return nil
}
