package settings

import (
	"errors"
	"fmt"
	"strings"
)

// Problems gathers what is wrong with a configuration. The zero value is empty
// and ready to use.
type Problems struct {
	list []Problem
}

// Problem is one setting that cannot be used.
type Problem struct {
	Key  string // as the operator writes it
	Text string // what is wrong, and what to write instead
}

// Error holds every [Problem] of a configuration; find it with [errors.As].
type Error struct {
	Problems []Problem
}

// Add notes that the setting key cannot be used.
func (p *Problems) Add(key, format string, args ...any) {
	p.list = append(p.list, Problem{key, fmt.Sprintf(format, args...)})
}

// Join takes over the problems of err, which may be nil. An err that is not an
// [*Error] becomes a problem without a key.
func (p *Problems) Join(err error) {
	var e *Error
	switch {
	case err == nil:
	case errors.As(err, &e):
		p.list = append(p.list, e.Problems...)
	default:
		p.list = append(p.list, Problem{Text: err.Error()})
	}
}

// Err returns nil when there are no problems, else an [*Error].
func (p Problems) Err() error {
	if len(p.list) == 0 {
		return nil
	}
	return &Error{p.list}
}

// Error has one line for each problem: "key: text".
func (e *Error) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

func (p Problem) String() string {
	if p.Key == "" {
		return p.Text
	}
	return p.Key + ": " + p.Text
}
