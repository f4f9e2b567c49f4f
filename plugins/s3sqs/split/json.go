package split

import (
	"bytes"
	"errors"
	"fmt"
)

// json cuts a sequence of JSON values into records. Only quotes and brackets
// are looked at: what lies between them is for the parser to judge.
//
// A value that breaks off, as a log writer that is killed leaves it, would
// swallow the values after it. It is recognised where a line begins with a
// brace that no JSON value can have there, and reading goes on with that line.
func (s *splitter) json(w *window) error {
	j := &values{splitter: s, w: w}
	for {
		c, ok := j.next(false)
		if !ok {
			return w.finish()
		}
		var err error
		switch {
		case s.framing.Text && c != '{' && !j.listBegins():
			err = j.text()
		case c == '[':
			w.start++
			err = j.elements()
		case c == '{':
			err = j.object()
		default:
			err = j.garbage()
		}
		switch err {
		case nil, errBroken:
		case errEnded:
			return nil
		default:
			return err
		}
	}
}

// These two never leave this file.
var (
	// errBroken: a value ended where another one begins; the window stands there.
	errBroken = errors.New("split: a value broke off")
	// errEnded: the text ended inside a value, which became a bad record.
	errEnded = errors.New("split: the text ended inside a value")
)

type values struct {
	*splitter
	w *window
}

// next moves the window to the next byte that is not white space or NUL, which
// files that were allocated in advance end with (nor, between elements or
// members, a comma), and returns it.
func (j *values) next(commas bool) (byte, bool) {
	w := j.w
	for {
		for w.start < w.end {
			switch c := w.buf[w.start]; {
			case c == ' ' || c == '\n' || c == '\r' || c == '\t' || c == 0 || commas && c == ',':
				w.start++
			default:
				return c, true
			}
		}
		if !w.fill() {
			return 0, false
		}
	}
}

// object reads what begins with a brace: an envelope, a record, or an object
// that holds records under the framing's key.
func (j *values) object() error {
	if done, err := j.envelope(); done {
		return err
	}
	if j.framing.Records == "" {
		return j.plain(j.one)
	}
	if j.depth > 0 {
		return j.plain(j.value)
	}
	j.w.start++
	return j.members()
}

// elements reads an array whose bracket is behind us: each element is a record.
func (j *values) elements() error { return j.array(j.record) }

// list is the same, and gives each element to f.
func (j *values) list(f func([]byte) error) error {
	return j.array(func() error { return j.plain(f) })
}

func (j *values) array(element func() error) error {
	for {
		c, ok := j.next(true)
		switch {
		case !ok:
			return j.breaksOff("list of records")
		case c == ']':
			j.w.start++
			return nil
		case c == '}' || c == ':':
			return j.garbage()
		}
		if err := element(); err != nil {
			return err
		}
	}
}

// members reads an object whose brace is behind us, in search of the records.
func (j *values) members() error {
	found := false
	err := j.each("JSON object", func(key []byte) bool { return string(key) == j.framing.Records }, func(hit bool, c byte) error {
		found = found || hit
		switch {
		case hit && c == '[':
			j.w.start++
			return j.elements()
		case hit && c != 'n': // one record without its list; null: no records
			return j.record()
		}
		return j.skip()
	})
	if err == nil && !found {
		j.result.Skipped++
	}
	return err
}

// each reads an object whose brace is behind us. For each member it calls take
// with the window at the value, whose first byte is c; pick says whether the key
// is one of those that matter.
func (j *values) each(what string, pick func(key []byte) bool, take func(hit bool, c byte) error) error {
	for {
		c, ok := j.next(true)
		switch {
		case !ok:
			return j.breaksOff(what)
		case c == '}':
			j.w.start++
			return nil
		case c != '"':
			return j.garbage()
		}
		n, err := j.whole()
		if n == 0 {
			return err
		}
		hit := pick(j.w.have()[1 : n-1])
		j.w.start += n
		if c, ok = j.next(false); !ok {
			return j.breaksOff(what)
		} else if c != ':' {
			return j.garbage()
		}
		j.w.start++
		if c, ok = j.next(false); !ok {
			return j.breaksOff(what)
		}
		if c == '}' || c == ']' || c == ',' || c == ':' {
			err = j.garbage()
		} else {
			err = take(hit, c)
		}
		if err != nil {
			return err
		}
	}
}

func (j *values) breaksOff(what string) error {
	if err := j.w.finish(); err != nil {
		return err
	}
	return &Error{Truncated, j.w.offset(), "the text ends inside a " + what}
}

// record hands out the value at the window's start, or what it wraps.
func (j *values) record() error {
	if j.w.buf[j.w.start] == '{' {
		if done, err := j.envelope(); done {
			return err
		}
	}
	return j.plain(j.one)
}

// envelope hands out what the object at the window's start wraps; it is not
// done when that is no envelope.
func (j *values) envelope() (done bool, err error) {
	switch n, kind := j.wrapped(0); kind {
	case bare:
		return false, nil
	case logStream:
		return true, j.logStream()
	default:
		err = j.unwrap(j.w.have()[:n], kind)
		j.w.start += n
		return true, err
	}
}

// plain gives the value at the window's start to f.
func (j *values) plain(f func([]byte) error) error {
	n, err := j.whole()
	if n == 0 {
		return err
	}
	err = f(j.w.have()[:n])
	j.w.start += n
	return err
}

// one hands out the next record.
func (s *splitter) one(raw []byte) error {
	s.number++
	return s.good(raw)
}

// whole returns the length of the value that begins at the window's start and
// is all in the window. 0 means that it became a bad record instead.
func (j *values) whole() (int, error) {
	w, limit := j.w, int(j.lim.Record)
	var sc scan
	for i := 0; ; {
		b := w.have()
		if len(b) > limit {
			b = b[:limit+1]
		}
		var st state
		i, st = sc.run(b, i)
		switch {
		case st == done && i <= limit:
			return i, nil
		case st == broken:
			return 0, j.broken(b[:i], i, nil, w.offset())
		case st == done || len(b) > limit:
			why := &Error{TooLong, w.offset(), fmt.Sprintf("a JSON value of more than %d bytes", limit)}
			return 0, j.pass(&sc, i, st, why)
		case w.fill():
		case sc.scalar() && w.finish() == nil:
			return len(b), nil
		default:
			w.start = w.end
			return 0, j.ended(b, nil, w.offset()-int64(len(b)))
		}
	}
}

// skip passes over the value at the window's start, which is no record and may
// be of any length.
func (j *values) skip() error { return j.pass(new(scan), 0, more, nil) }

// pass moves the window behind the value whose scan stands at i. With why, the
// value becomes a bad record.
func (j *values) pass(sc *scan, i int, st state, why *Error) error {
	w, at := j.w, j.w.offset()
	var kept []byte
	for {
		b := w.have()
		if st == more {
			i, st = sc.run(b, i)
		}
		switch {
		case st == broken:
			return j.broken(keep(kept, b[:i]), i, why, at)
		case st == done:
			kept = keep(kept, b[:i])
			w.start += i
			if why == nil {
				return nil
			}
			j.number++
			return j.bad(kept, why)
		}
		kept = keep(kept, b)
		sc.forget(b)
		w.start, i = w.end, 0
		if w.fill() {
			continue
		}
		if why == nil && sc.scalar() && w.finish() == nil {
			return nil
		}
		return j.ended(kept, why, at)
	}
}

// broken makes a bad record of a value that broke off; the next one begins n
// bytes from the window's start.
func (j *values) broken(text []byte, n int, why *Error, at int64) error {
	if why == nil {
		why = &Error{NotJSON, at, "a JSON value breaks off before the next line"}
	}
	j.number++
	if err := j.bad(bytes.TrimRight(text, " \t\r\n"), why); err != nil {
		return err
	}
	j.w.start += n
	return errBroken
}

// ended makes a bad record of the value that the text ended in.
func (j *values) ended(text []byte, why *Error, at int64) error {
	if why == nil {
		why = &Error{Truncated, at, "the object breaks off in the middle of a JSON value"}
	}
	j.number++
	if err := j.bad(text, why); err != nil {
		return err
	}
	if err := j.w.finish(); err != nil {
		return err
	}
	return errEnded
}

// listBegins reports whether a list of records or lists begins at the window's
// start, or an empty one.
func (j *values) listBegins() bool {
	w := j.w
	for i := 0; ; i++ {
		for i >= len(w.have()) {
			if !w.fill() {
				return false
			}
		}
		switch c := w.have()[i]; {
		case i == 0:
			if c != '[' {
				return false
			}
		case c == '{' || c == '[' || c == ']':
			return true
		case c != ' ' && c != '\t' && c != '\n' && c != '\r':
			return false
		}
		if i > windowSize {
			return true
		}
	}
}

// text hands out the line at the window's start ([Framing].Text).
func (j *values) text() error {
	w := j.w
	j.number++
	n := 0
	for {
		b := w.have()
		if i := bytes.IndexByte(b[n:], '\n'); i >= 0 {
			n += i
			break
		}
		if n = len(b); n > int(j.lim.Record) || !w.fill() {
			break
		}
	}
	b := w.have()
	switch {
	case n > int(j.lim.Record):
		return j.longLine(w, bytes.IndexByte(b, '\n'))
	case n == len(b) && w.finish() != nil:
		err := j.bad(b, &Error{Truncated, w.offset(), "the object breaks off in the middle of a line"})
		w.start = w.end
		return err
	}
	err := j.good(trimEnd(b[:n]))
	w.start += n
	return err
}

// garbage makes one bad record of everything up to a line that begins with a
// brace or bracket.
func (j *values) garbage() error {
	j.number++
	w := j.w
	why := &Error{NotJSON, w.offset(), "text where a JSON value should begin"}
	var kept []byte
	if n := w.end - w.start; n > 0 {
		why.Detail += fmt.Sprintf(": %.20q", w.buf[w.start:w.start+1])
	}
	bol := false // only white space since the last line feed
	for {
		b := w.have()
		for i, c := range b {
			switch {
			case c == '\n':
				bol = true
			case c == ' ' || c == '\t' || c == '\r':
			case bol && (c == '{' || c == '['):
				kept = keep(kept, b[:i])
				w.start += i
				if err := j.bad(bytes.TrimRight(kept, " \t\r\n"), why); err != nil {
					return err
				}
				return errBroken
			default:
				bol = false
			}
		}
		kept = keep(kept, b)
		w.start = w.end
		if !w.fill() {
			if err := j.bad(bytes.TrimRight(kept, " \t\r\n"), why); err != nil {
				return err
			}
			return w.finish()
		}
	}
}

// keep appends to the text of a bad record what still fits.
func keep(kept, b []byte) []byte {
	return append(kept, b[:min(len(b), badText-len(kept))]...)
}
