package cli

import (
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
)

// patience is how long a command works before it shows progress.
const patience = 2 * time.Second

// progress shows on a terminal how far a reader was read, once the work has
// taken longer than patience. On anything else it is silent.
type progress struct {
	bar   *progressbar.ProgressBar // nil: silent
	shown bool
	ended bool
	began time.Time
	read  int64
}

// startProgress begins; size is the number of bytes to come, -1 when unknown.
func startProgress(t Terminal, what string, size int64) *progress {
	return newProgress(t, what, size, true)
}

// startCount begins what counts things of unknown number.
func startCount(t Terminal, what string) *progress { return newProgress(t, what, -1, false) }

func newProgress(t Terminal, what string, size int64, bytes bool) *progress {
	p := &progress{began: time.Now()}
	if !terminal(t.Err) || terminal(t.Out) || os.Getenv("TERM") == "dumb" {
		return p // on a screen that fills with results, a bar would only be in the way
	}
	p.bar = progressbar.NewOptions64(size,
		progressbar.OptionSetWriter(t.Err),
		progressbar.OptionSetDescription(what),
		progressbar.OptionShowBytes(bytes),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(),
		progressbar.OptionFullWidth(),
		progressbar.OptionSetVisibility(false),
	)
	return p
}

// reader returns in, watched. What can seek stays so.
func (p *progress) reader(in io.Reader) io.Reader {
	if p.bar == nil {
		return in
	}
	return watched{in, p}
}

type watched struct {
	io.Reader
	p *progress
}

func (w watched) Read(b []byte) (int, error) {
	n, err := w.Reader.Read(b)
	w.p.add(int64(n))
	return n, err
}

func (p *progress) add(n int64) {
	p.read += n
	if p.bar == nil {
		return
	}
	if !p.shown && time.Since(p.began) >= patience {
		p.shown = true
		progressbar.OptionSetVisibility(true)(p.bar)
	}
	_ = p.bar.Set64(p.read) // a picture only
}

// clear removes the bar for a line of text.
func (p *progress) clear() {
	if p.shown && !p.ended {
		_ = p.bar.Clear()
	}
}

// end removes the bar. It may be called again.
func (p *progress) end() {
	if p.shown && !p.ended {
		_ = p.bar.Finish()
		_ = p.bar.Clear()
	}
	p.ended = true
}
