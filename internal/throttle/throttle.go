// Package throttle is how the inputs of a host are told to take less: files in
// state_dir that the sidecar and the operator write and every input follows.
//
// # Promises
//
//   - Nothing is lost by a throttle: what an input does not take stays in its queue.
//   - An operator's order (hold.json) stands until the operator takes it back or
//     its time is over; nothing automatic touches it.
//   - An automatic order (throttle.json) ends by itself when whoever gave it
//     falls silent: an input is never stopped by a sidecar that is gone.
//   - Of two orders the stricter one counts. A file that is missing orders
//     nothing; one that cannot be read leaves what it said before.
package throttle

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/fluent-siem/fluent-siem/internal/code"
)

// The names of the files in state_dir.
const (
	Automatic = "throttle.json" // written by the sidecar, again and again
	Manual    = "hold.json"     // written by the operator
)

// Order says how much inputs may take. The zero Order lets them take everything.
type Order struct {
	// Stop: take nothing. Messages stay in the queue.
	Stop bool `json:"stop,omitempty"`
	// Share is the part of its usual rate that an input may take, more than 0 and
	// less than 1. 0: as much as it can.
	Share float64 `json:"share,omitempty"`
	// Reason is for people: what is wrong, and what ends it.
	Reason string `json:"reason,omitempty"`
	// Since is when inputs began to be held back.
	Since time.Time `json:"since,omitzero"`
	// Expires is when the order counts no more; zero: never.
	Expires time.Time `json:"expires,omitzero"`
}

// Free reports whether an order lets everything pass at a time.
func (o Order) Free(now time.Time) bool {
	return !o.Stop && o.Share == 0 || !o.Expires.IsZero() && !now.Before(o.Expires)
}

// Validate reports what is wrong with an order.
func (o Order) Validate() error {
	if o.Share < 0 || o.Share >= 1 {
		return fmt.Errorf("share %v is not between 0 and 1; leave it out to let everything pass, or write stop", o.Share)
	}
	return nil
}

// String says what an order means for an input.
func (o Order) String() string {
	switch {
	case o.Stop:
		return "stopped: " + o.Reason
	case o.Share > 0:
		return fmt.Sprintf("held to %.0f %% of the usual rate: %s", 100*o.Share, o.Reason)
	}
	return "free to take what they can"
}

// Stricter returns the one of two orders that counts at a time.
func Stricter(a, b Order, now time.Time) Order {
	switch {
	case a.Free(now) && b.Free(now):
		return Order{}
	case a.Free(now):
		return b
	case b.Free(now), a.Stop:
		return a
	case b.Stop, a.Share > b.Share:
		return b
	}
	return a
}

// limit is the most bytes that a file may have.
const limit = 64 << 10

// Parse reads an order as [Write] writes it.
func Parse(r io.Reader) (Order, error) {
	var o Order
	b, err := io.ReadAll(io.LimitReader(r, limit))
	if err == nil {
		err = json.Unmarshal(b, &o)
	}
	if err == nil {
		err = o.Validate()
	}
	if err != nil {
		return Order{}, err
	}
	o.Since, o.Expires = o.Since.UTC(), o.Expires.UTC() // so that equal orders are ==
	return o, nil
}

// Read returns the order in a file of dir; a file that is missing orders nothing.
func Read(dir, name string) (Order, error) {
	f, err := os.Open(filepath.Join(dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return Order{}, nil
	}
	if err != nil {
		return Order{}, err
	}
	defer f.Close()
	o, err := Parse(f)
	if err != nil {
		return o, fmt.Errorf("%s: %w", f.Name(), err)
	}
	return o, nil
}

// Write puts an order into a file of dir, at once or not at all; dir is made when
// it is missing.
func Write(dir, name string, o Order) error {
	if err := o.Validate(); err != nil {
		return err
	}
	b, err := json.MarshalIndent(o, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, name+".*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(append(b, '\n'))
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(dir, name))
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

// Look is how often [Follow] looks at the files and at the clock.
const Look = time.Second

// Follow tells of the order that counts in dir: at once, and whenever it becomes
// another, until ctx is done, which it waits for. tell is never called twice at once.
func Follow(ctx context.Context, dir string, log *slog.Logger, tell func(Order)) {
	files := [...]file{{name: Automatic}, {name: Manual}}
	ticker := time.NewTicker(Look)
	defer ticker.Stop()
	var last Order
	for first := true; ; first = false {
		o := Stricter(files[0].look(dir, log), files[1].look(dir, log), time.Now())
		if first || o != last {
			tell(o)
		}
		if o.Stop != last.Stop || o.Share != last.Share {
			log.Info("throttle: the inputs are " + o.String())
		}
		last = o
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// file is one of the two, and what it said last.
type file struct {
	name    string
	order   Order
	problem string
}

func (f *file) look(dir string, log *slog.Logger) Order {
	o, err := Read(dir, f.name)
	if err == nil {
		f.order, f.problem = o, ""
	} else if f.problem != err.Error() {
		f.problem = err.Error()
		log.Warn("throttle: an order cannot be read; the one before stays: "+f.problem, "file", f.name, code.File.Attr())
	}
	return f.order
}
