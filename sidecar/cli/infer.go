package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fluent-siem/fluent-siem/filters/ecs"
	"github.com/fluent-siem/fluent-siem/filters/enrich"
	"github.com/fluent-siem/fluent-siem/plugins/s3sqs/split"
	"github.com/fluent-siem/fluent-siem/sidecar/infer"
)

const (
	// sampledBytes and sampledLines are how much of a sample is looked at.
	sampledBytes = 4 << 20
	sampledLines = 5000
)

type inferCommand struct {
	Name  string   `placeholder:"NAME" help:"The log type's name; default: from the first file's."`
	Files []string `arg:"" name:"file" help:"Samples of one log, compressed or not; - is standard input."`
}

func (inferCommand) Help() string {
	return `Looks at samples of one log and prints a log type for it: format, time, and the ECS fields that names and
values suggest for addresses, ports, users, status and so on. Recognised are JSON (one value after another, lists,
lists in an object), XML, CEF, LEEF, access logs of web servers, syslog, key=value, separated values and columns
with or without a header; what is left is taken for text with a time.

The proposal is tried on the sample before it is printed; standard error says how many records became documents.
It is a beginning: correct the key pattern and the mapping, put it beside the sample, and use ` + "`fluent-siem check`" + `.

Examples:

  $ printf 'time,src_ip,dst_port,user,action\n2024-06-15T12:00:00Z,203.0.113.7,443,alice,allow\n' | fluent-siem infer --name gateway -
  $ echo '{"ts":1718452860,"client":{"ip":"203.0.113.7"},"status":403}' > app.log && fluent-siem infer app.log > app.yaml && cat app.yaml`
}

// Run prints one log type.
func (c inferCommand) Run(ctx context.Context, t Terminal) error {
	var text strings.Builder
	for _, file := range c.Files {
		if err := readSample(t, file, &text); err != nil {
			return usageError{fmt.Errorf("%s: %w", file, err)}
		}
	}
	if strings.TrimSpace(text.String()) == "" {
		return usageError{errors.New("the sample is empty; nothing can be proposed")}
	}
	name := c.Name
	if name == "" {
		name = infer.Name(filepath.Base(c.Files[0]))
	}
	best, found, err := bestProposal(ctx, name, text.String())
	if err != nil {
		return err
	}
	if found.read == 0 {
		return fmt.Errorf("no proposal for %s is a valid log type: %w", name, found.err)
	}
	if _, err := io.WriteString(t.Out, best.YAML); err != nil {
		return err
	}
	fmt.Fprintf(t.Err, "%s: %d of %s became documents\n", best.Format, found.read-found.failed, number(found.read, "record"))
	if found.failed > 0 {
		fmt.Fprintf(t.Err, "the first that did not: %v\n", found.err)
	}
	return nil
}

// trial is what a proposal made of the sample.
type trial struct {
	read, failed int
	err          error // the first
}

// bestProposal tries the proposals; the first that fails on no more than one
// record of ten is taken, else the one that fails least.
func bestProposal(ctx context.Context, name, text string) (best infer.Proposal, found trial, err error) {
	for _, p := range infer.Propose(name, text) {
		got, err := tryProposal(ctx, name, p.YAML, text)
		if err != nil {
			return best, found, err
		}
		if got.read == 0 {
			if found.read == 0 {
				found.err = got.err
			}
			continue
		}
		if found.read == 0 || got.failed*found.read < found.failed*got.read {
			best, found = p, got
		}
		if got.failed*10 <= got.read {
			break
		}
	}
	return best, found, ctx.Err()
}

// tryProposal does what check does.
func tryProposal(ctx context.Context, name, yaml, text string) (got trial, err error) {
	dir, err := os.MkdirTemp("", "fluent-siem-infer-")
	if err != nil {
		return got, err
	}
	defer os.RemoveAll(dir)
	sample := filepath.Join(dir, name+sampleEnding)
	if err := errors.Join(os.WriteFile(filepath.Join(dir, name+".yaml"), []byte(yaml), 0o600), os.WriteFile(sample, []byte(text), 0o600)); err != nil {
		return got, err
	}
	set, err := loadTypes(dir)
	if err != nil {
		return trial{err: err}, nil
	}
	engine := &ecs.Engine{IDs: ecs.Natural, Agents: enrich.NewAgents(), Now: func() time.Time { return checkTime }}
	lines, err := try(ctx, engine, set.Type(name), sample)
	for _, l := range lines {
		if !bytes.Contains(l[:min(len(l), 40)], []byte(`,"excluded":`)) { // what is no record, such as a header
			got.read++
		}
	}
	got.failed = failures(lines)
	got.err = errors.Join(err, firstFailure(lines))
	return got, ctx.Err()
}

// errEnough ends the reading of a sample.
var errEnough = errors.New("enough")

// readSample appends the beginning of a file, unpacked, to text.
func readSample(t Terminal, file string, text *strings.Builder) error {
	in := t.In
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	lines := 0
	_, err := split.Records(in, split.Framing{Kind: split.Lines}, split.Limits{}, func(r split.Record) error {
		if r.Bad != nil {
			return r.Bad
		}
		text.Write(r.Raw)
		text.WriteByte('\n')
		if lines++; lines >= sampledLines || text.Len() >= sampledBytes {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}
