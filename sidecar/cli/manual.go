package cli

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

type manualCommand struct{}

// Run prints every help text as one Markdown page.
func (manualCommand) Run(t Terminal, parser *kong.Kong) error {
	var b strings.Builder
	b.WriteString("# fluent-siem\n\nMade from the help texts by `UPDATE=1 go test ./sidecar/cli`; do not edit.\n")
	for _, args := range listCommands(nil, parser.Model.Node) {
		text, err := helpText(args)
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "\n## %s\n\n```text\n%s```\n", strings.Join(append([]string{"fluent-siem"}, args...), " "), text)
	}
	_, err := t.Out.Write([]byte(b.String()))
	return err
}

// listCommands lists a command and those below it, as they are written.
func listCommands(path []string, node *kong.Node) [][]string {
	list := [][]string{path}
	for _, child := range node.Children {
		if !child.Hidden {
			list = append(list, listCommands(append(slices.Clone(path), child.Name), child)...)
		}
	}
	return list
}

// helpText is what `fluent-siem … --help` prints.
func helpText(args []string) (string, error) {
	var out bytes.Buffer
	parser, err := newParser(&commands{}, Terminal{Out: &out, Err: &out}, func(int) {})
	if err != nil {
		return "", err
	}
	_, _ = parser.Parse(append(args, "--help")) // after help it goes on and finds that arguments are missing
	lines := strings.Split(out.String(), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n"), nil
}
