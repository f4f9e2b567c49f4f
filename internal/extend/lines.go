package extend

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"

	"golang.org/x/time/rate"
)

const (
	longestLine = 1 << 10 // bytes of a line that are logged
	linesAtOnce = 20      // lines that are logged without a pause; then one a second
)

// lines takes what an extension writes and logs it line by line. It never
// fails, and never waits.
type lines struct {
	log   *slog.Logger
	limit *rate.Limiter

	mu   sync.Mutex
	line []byte
	left int    // lines that were not logged
	last string // the last line, for who asks why it ended
}

func newLines(log *slog.Logger) *lines {
	return &lines{log: log, limit: rate.NewLimiter(1, linesAtOnce)}
}

// Write implements io.Writer.
func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(b)
	for len(b) > 0 {
		part, rest, whole := bytes.Cut(b, []byte("\n"))
		l.line = append(l.line, part[:min(len(part), longestLine-len(l.line))]...)
		if b = rest; whole {
			l.say()
		}
	}
	return n, nil
}

func (l *lines) say() {
	text := strings.TrimSpace(strings.ToValidUTF8(string(l.line), "\uFFFD"))
	l.line = l.line[:0]
	switch {
	case text == "":
	case !l.limit.Allow():
		l.left++
		l.last = text
	default:
		attrs := []any{"line", text}
		if l.left > 0 {
			attrs = append(attrs, "left_out", l.left)
		}
		l.log.Info("an extension writes", attrs...)
		l.left, l.last = 0, text
	}
}

// end is the last line.
func (l *lines) end() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.line) > 0 {
		l.say()
	}
	return l.last
}
