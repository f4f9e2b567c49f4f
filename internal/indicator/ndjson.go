package indicator

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// RowError says which row of a feed was left out, and why.
type RowError struct {
	Line int // from 1; the place in a feed that is no text
	Err  error
}

func (e *RowError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }

func (e *RowError) Unwrap() error { return e.Err }

// largestLine is the longest line of a feed that is read, in bytes.
const largestLine = 1 << 20

// ReadNDJSON reads rows, one JSON object a line, and gives each to add, which
// may be [Builder.Add]. Rows that cannot be used are given to left as a
// [*RowError]. An error is the reader's, or a [*BuildError] of add.
func ReadNDJSON(r io.Reader, add func(*Row) error, left func(error)) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 64<<10), largestLine)
	for line := 1; lines.Scan(); line++ {
		text := bytes.TrimSpace(lines.Bytes())
		if len(text) == 0 {
			continue
		}
		row := &Row{}
		err := json.Unmarshal(text, row)
		if err == nil {
			err = add(row)
		}
		var fatal *BuildError
		if errors.As(err, &fatal) {
			return err
		}
		if err != nil {
			left(&RowError{line, err})
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("indicators cannot be read to the end: %w", err)
	}
	return nil
}
