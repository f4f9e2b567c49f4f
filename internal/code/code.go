// Package code names every error that an operator can meet. A code is stable:
// what FS4107 means today it means in every later version, so it can be searched for,
// alarmed on and written into run books. Log lines carry it as the attribute code, health
// and the command line in brackets behind their text, and conf/errors.md, which is made of the
// table here, says for each what happened, what became of the data, and what to do.
//
// # Promises
//
//   - A code is never given to something else, and a retired one is not used again.
//   - Every class of a verdict, a fault or a dead letter has a code.
//   - Every warning and error that is logged has one, everything that health says
//     is wrong, and every command that fails.
//
// What it does not say: which object or index it is about. The log line does.
package code

import (
	"fmt"
	"log/slog"
	"strings"
)

// Code is FS and four digits: 1 configuration and process, 2 input, 3 filter,
// 4 output, 5 dead letters, 6 sidecar, 7 commands.
type Code string

// Attr is how a log line carries c.
func (c Code) Attr() slog.Attr { return slog.String("code", string(c)) }

// In is text with the code behind it, for health and the command line.
func (c Code) In(text string) string {
	if c == "" {
		return text
	}
	return text + " [" + string(c) + "]"
}

// Entry is what a code means.
type Entry struct {
	Code  Code
	Class string // in metrics and dead letters, or the command; "" when it is none
	What  string // happened
	Data  string // what became of it
	Todo  string
}

// Input is the code of a class of objects or records, such as gone or bomb.
func Input(class string) Code { return find('2', class) }

// Output is the code of a class of documents or requests, such as mapping_conflict.
func Output(class string) Code { return find('4', class) }

// Letter is the code of a class of dead letters.
func Letter(class string) Code {
	for _, stage := range []byte{'4', '2', '3', '5'} {
		if c := find(stage, class); c != "" {
			return c
		}
	}
	return ""
}

// Command is the code of a command that failed, such as "fluent-siem ledger list";
// several commands may share one, that of their beginning.
func Command(path string) Code {
	for path != "" {
		if c := find('7', path); c != "" {
			return c
		}
		path = path[:max(0, strings.LastIndexByte(path, ' '))]
	}
	return ""
}

func find(stage byte, class string) Code {
	for _, e := range table {
		if e.Code[2] == stage && class != "" && e.Class == class {
			return e.Code
		}
	}
	return ""
}

// Page is the table as Markdown.
func Page() string {
	var b strings.Builder
	b.WriteString("# Errors\n\nMade from internal/code by `UPDATE=1 go test ./internal/code`; do not edit.\n\n" +
		"Log lines carry a code as the attribute `code`, health and the command line in brackets. A code means the same in every version. " +
		"The class is what metrics, log lines and dead letters say; for commands, which one failed.\n")
	titles := map[byte]string{'1': "Configuration and process", '2': "Input s3_sqs", '3': "Filter ecs", '4': "Output opensearch_bulk", '5': "Dead letters and replay", '6': "Sidecar", '7': "Commands"}
	stage := byte(0)
	for _, e := range table {
		if e.Code[2] != stage {
			stage = e.Code[2]
			fmt.Fprintf(&b, "\n## %s\n\n| code | class | what happened | what became of the data | what to do |\n|---|---|---|---|---|\n", titles[stage])
		}
		class := ""
		if e.Class != "" {
			class = "`" + e.Class + "`"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", e.Code, class, e.What, e.Data, e.Todo)
	}
	return b.String()
}
