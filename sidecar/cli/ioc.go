package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/fluent-siem/fluent-siem/internal/indicator"
	"github.com/fluent-siem/fluent-siem/sidecar/feed/parse"
)

// iocCommand groups what is done with tables of indicators.
type iocCommand struct {
	Build  iocBuildCommand  `cmd:"" help:"Make a table of indicators from files."`
	Lookup iocLookupCommand `cmd:"" help:"Say what a table knows of values."`
	List   iocListCommand   `cmd:"" help:"Say what a table holds."`
}

type iocBuildCommand struct {
	Output   string   `short:"o" required:"" placeholder:"FILE" help:"The table; one that is there is replaced as a whole."`
	Format   string   `placeholder:"FORMAT" help:"Format of the sources: ${formats}. Default: by their ending and beginning."`
	Provider string   `placeholder:"NAME" help:"Provider of rows that name none. Default: custom."`
	Source   []string `arg:"" help:"Files; - is standard input."`
}

func (iocBuildCommand) Help() string {
	return `Makes the table that the filter maps (indicators_file) from files: lists of addresses, networks, domains,
URLs or hashes, one a line; STIX 2 bundles; what abuse.ch, Tor, AlienVault OTX and MISP publish; or rows as
NDJSON, as "ioc list --rows" prints them. Rows of the same provider, name and value are merged; those whose
time has passed are left out. The sidecar makes such tables by itself.

Exit code 1 means that a source could not be read, or that rows were left out; the text says which. The table
is made of the rest, but not when a source could not be read.

Examples:

  $ printf '198.51.100.7\nevil.example\n' > list.txt && fluent-siem ioc build -o indicators.ioc list.txt`
}

// mostTold is how many rows that were left out are told.
const mostTold = 20

// Run builds one table.
func (c iocBuildCommand) Run(ctx context.Context, t Terminal) error {
	if _, ok := parse.Formats[c.Format]; c.Format != "" && !ok {
		return usageError{fmt.Errorf("there is no format %q; use one of %s", c.Format, strings.Join(parse.Names(), ", "))}
	}
	b := indicator.NewBuilder(c.Output, time.Now())
	defer b.Close()
	left := 0
	for _, source := range c.Source {
		err := c.read(ctx, t, source, b, func(err error) {
			if left++; left <= mostTold {
				fmt.Fprintf(t.Err, "%s: %v\n", source, err)
			}
		})
		if err != nil {
			return fmt.Errorf("%s: %w; no table was made", source, err)
		}
	}
	head, err := b.Write(c.Output, indicator.Options{})
	if err != nil {
		return err
	}
	if left > mostTold {
		fmt.Fprintf(t.Err, "%d more were left out\n", left-mostTold)
	}
	fmt.Fprintf(t.Out, "%s: %s", c.Output, number(int(head.Rows), "indicator"))
	if b.Expired > 0 {
		fmt.Fprintf(t.Out, ", %d no longer valid", b.Expired)
	}
	fmt.Fprintf(t.Out, ", %d left out\n", left)
	if left > 0 {
		return errQuiet
	}
	return nil
}

func (c iocBuildCommand) read(ctx context.Context, t Terminal, source string, b *indicator.Builder, left func(error)) error {
	in, size, modified := t.In, int64(-1), time.Now()
	if source != "-" {
		f, err := os.Open(source)
		if err != nil {
			return err
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			return err
		}
		in, size, modified = f, info.Size(), info.ModTime()
	}
	shown := startProgress(t, filepath.Base(source), size)
	defer shown.end()
	r := bufio.NewReaderSize(shown.reader(in), 64<<10)
	format := c.Format
	if format == "" {
		format = parse.Guess(source, r)
	}
	origin := parse.Origin{Provider: c.Provider, Modified: modified}
	if origin.Provider == "" && (format == "text" || format == "stix" || format == "ndjson") {
		origin.Provider = "custom"
	}
	if origin.Name = filepath.Base(source); source == "-" {
		origin.Name = ""
	}
	return parse.Formats[format](r, origin, parse.Sink{Left: left, Add: func(row *indicator.Row) error {
		if ctx.Err() != nil {
			return &indicator.BuildError{Err: ctx.Err()}
		}
		return b.Add(row)
	}})
}

// tableFlag names a table.
type tableFlag struct {
	Table string `short:"t" default:"indicators.ioc" placeholder:"FILE" help:"The table. Default: indicators.ioc."`
}

func (f tableFlag) open() (*indicator.Table, error) {
	table, err := indicator.OpenFile(f.Table)
	if err != nil {
		return nil, usageError{err}
	}
	return table, nil
}

type iocLookupCommand struct {
	tableFlag
	JSON  bool     `help:"Print rows as NDJSON."`
	Value []string `arg:"" help:"Addresses, networks, domains, URLs or hashes; - reads them from standard input, one a line."`
}

func (iocLookupCommand) Help() string {
	return `Says what a table of indicators knows: of an address its own rows and those of all networks that hold it, of
a name its own rows and those of the domains above it.

Exit code 1 means that nothing is known of any of the values.

Examples:

  $ echo evil.example > list.txt && fluent-siem ioc build -o indicators.ioc list.txt
  $ fluent-siem ioc lookup www.evil.example`
}

// Run looks up values.
func (c iocLookupCommand) Run(t Terminal) error {
	table, err := c.open()
	if err != nil {
		return err
	}
	found := false
	look := func(value string) error {
		rows := table.Lookup(value)
		found = found || len(rows) > 0
		return c.print(t.Out, value, rows)
	}
	for _, value := range c.Value {
		if value != "-" {
			if err := look(value); err != nil {
				return err
			}
			continue
		}
		lines := bufio.NewScanner(t.In)
		for lines.Scan() {
			if err := look(lines.Text()); err != nil {
				return err
			}
		}
		if err := lines.Err(); err != nil {
			return err
		}
	}
	if !found {
		return errQuiet
	}
	return nil
}

func (c iocLookupCommand) print(out io.Writer, value string, rows []*indicator.Row) error {
	if c.JSON {
		return printRows(out, rows)
	}
	if len(rows) == 0 {
		_, err := fmt.Fprintf(out, "%s: nothing is known\n", value)
		return err
	}
	lines := [][]string{{value, "provider", "name", "last seen", "description", "reference"}}
	for _, r := range rows {
		seen := r.LastSeen
		if seen == "" {
			seen = r.Modified
		}
		lines = append(lines, []string{"  " + r.Value, orDash(r.Provider), orDash(r.Name), orDash(seen), shown(r.Description), orDash(r.Reference)})
	}
	s := styleFor(out)
	return writeRows(out, lines, false, func(row, column int, cell string) string {
		if row == 0 && column == 0 {
			return s.bold(cell)
		}
		return cell
	})
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func printRows(out io.Writer, rows []*indicator.Row) error {
	for _, r := range rows {
		line, err := json.Marshal(r)
		if err != nil {
			return err
		}
		if _, err := out.Write(append(line, '\n')); err != nil {
			return err
		}
	}
	return nil
}

type iocListCommand struct {
	tableFlag
	Rows bool `help:"Print every row as NDJSON, which \"ioc build\" reads."`
}

func (iocListCommand) Help() string {
	return `Says which version a table of indicators is, until when it is good, and how many rows of which provider it has.

Examples:

  $ echo evil.example > list.txt && fluent-siem ioc build -o indicators.ioc list.txt
  $ fluent-siem ioc list
  $ fluent-siem ioc list --rows`
}

// Run lists a table.
func (c iocListCommand) Run(t Terminal) error {
	table, err := c.open()
	if err != nil {
		return err
	}
	if c.Rows {
		out := bufio.NewWriter(t.Out)
		for r, err := range table.All() {
			if err == nil {
				err = printRows(out, []*indicator.Row{r})
			}
			if err != nil {
				return err
			}
		}
		return out.Flush()
	}
	h := table.Head
	fmt.Fprintf(t.Out, "version      %s\nbuilt        %s\n", h.Version, h.Built.Format(time.RFC3339))
	if !h.ValidUntil.IsZero() {
		fmt.Fprintf(t.Out, "valid until  %s\n", h.ValidUntil.Format(time.RFC3339))
	}
	rows := [][]string{{"provider", "type", "rows"}}
	for _, s := range h.Sources {
		rows = append(rows, []string{orDash(s.Provider), orDash(s.Type), strconv.Itoa(s.Rows)})
	}
	rows = append(rows, []string{"all", "", strconv.Itoa(int(h.Rows))})
	return errors.Join(writeRows(t.Out, rows, false, nil))
}
