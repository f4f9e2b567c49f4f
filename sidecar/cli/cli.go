// Package cli is the command line of fluent-siem: what the commands are called,
// what they say, and how they end.
//
// # Promises
//
//   - Results go to standard output, everything else to standard error: a
//     command may stand in a pipe.
//   - The exit code means something: [Done], [Failed] or [Usage].
//   - Each example of the help runs as it is (a test runs them).
//   - Colours and progress appear on a terminal only, and never with NO_COLOR set.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/alecthomas/kong"

	codes "github.com/fluent-siem/fluent-siem/internal/code"
	"github.com/fluent-siem/fluent-siem/internal/settings"
	"github.com/fluent-siem/fluent-siem/sidecar/hostconfig"

	"github.com/fluent-siem/fluent-siem/sidecar/feed/parse"
)

// The exit codes.
const (
	Done   = 0 // it did what was asked
	Failed = 1 // it ran, but not everything went well: the text says what
	Usage  = 2 // the command line or the configuration is wrong: nothing was done
)

// Terminal is what the program talks to.
type Terminal struct {
	In     io.Reader
	Out    io.Writer
	Err    io.Writer
	Reload <-chan os.Signal // each value asks the pipeline to read its configuration again; may be nil
}

// commands is the grammar; each command is a field.
type commands struct {
	Pipeline   pipelineCommand   `cmd:"" help:"Run a Fluent Bit configuration in this process, without Fluent Bit."`
	Convert    convertCommand    `cmd:"" help:"Convert a file as the pipeline would, without any service."`
	Explain    explainCommand    `cmd:"" help:"Say what would happen to an object: log type, index, id, time."`
	Check      checkCommand      `cmd:"" help:"Try log types of your own on samples beside them."`
	Infer      inferCommand      `cmd:"" help:"Propose a log type from a sample."`
	Import     importCommand     `cmd:"" help:"Take over what another loader has."`
	Sidecar    sidecarCommand    `cmd:"" help:"Keep the tables that the plugins follow fresh; show health and metrics."`
	Ioc        iocCommand        `cmd:"" help:"Make, ask and list tables of indicators of compromise."`
	Deadletter deadletterCommand `cmd:"" help:"Look at what could not be stored, and load it after all."`
	Ledger     ledgerCommand     `cmd:"" help:"See what became of each object, and find what is missing."`
	Backfill   backfillCommand   `cmd:"" help:"Load what is in a bucket already."`
	Setup      setupCommand      `cmd:"" help:"Make in the cluster what the pipeline needs: templates, life cycles, roles."`
	Dashboards dashboardsCommand `cmd:"" help:"Print the dashboards for OpenSearch Dashboards to import."`
	View       viewCommand       `cmd:"" help:"Serve the dashboards as web pages."`
	Throttle   throttleCommand   `cmd:"" help:"Hold the inputs of this host back, or look who does."`
	Metrics    metricsCommand    `cmd:"" name:"index-metrics" help:"Write down how large and how busy each index is."`
	Policy     policyCommand     `cmd:"" help:"Print the least that AWS must allow for a configuration."`
	Doctor     doctorCommand     `cmd:"" help:"Try everything that a configuration needs, and name what is missing."`
	Version    versionCommand    `cmd:"" help:"Print version and build."`
	Manual     manualCommand     `cmd:"" hidden:"" help:"Print this help as a Markdown page."`
}

const description = `Loads security logs from S3 into OpenSearch.

Exit codes: 0 done; 1 it ran, but something failed; 2 the command line or the
configuration is wrong and nothing was done.`

// usageError is an error for which nothing was done.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// errQuiet ends a command with [Failed] when it has said everything already.
var errQuiet = errors.New("failed")

// Run runs one command and returns the exit code. It ends soon after ctx.
func Run(ctx context.Context, args []string, t Terminal) int {
	var c commands
	helped := false
	parser, err := newParser(&c, t, func(int) { helped = true })
	if err != nil {
		fmt.Fprintln(t.Err, "fluent-siem:", err)
		return Failed
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	parsed, err := parser.Parse(args)
	if helped {
		return Done
	}
	if err == nil {
		parsed.BindTo(ctx, (*context.Context)(nil))
		err = parsed.Run(t, parser)
	} else {
		err = usageError{fmt.Errorf("%w\nRun `fluent-siem --help` for what there is", err)}
	}
	var usage usageError
	switch {
	case err == nil:
		return Done
	case errors.Is(err, errQuiet):
		return Failed
	}
	code := codeOf(err)
	if code == "" {
		code = codes.Command(parsed.Selected().FullPath())
	}
	fmt.Fprintf(t.Err, "fluent-siem: %s\n", code.In(err.Error()))
	if errors.As(err, &usage) {
		return Usage
	}
	return Failed
}

// codeOf is the code of what is wrong before anything was done; other errors
// have that of their command.
func codeOf(err error) codes.Code {
	var file *hostconfig.Error
	var setting *settings.Error
	var usage usageError
	switch {
	case errors.As(err, &file), errors.As(err, &setting):
		return codes.Config
	case errors.As(err, &usage):
		return codes.Usage
	}
	return ""
}

// newParser returns the parser of c; exit is called after a help text.
func newParser(c *commands, t Terminal, exit func(int)) (*kong.Kong, error) {
	return kong.New(c,
		kong.Name("fluent-siem"),
		kong.Description(description),
		kong.Writers(t.Out, t.Err),
		kong.Exit(exit),
		kong.Vars{"formats": strings.Join(parse.Names(), ", ")},
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
	)
}
