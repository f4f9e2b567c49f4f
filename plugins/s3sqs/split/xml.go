package split

import (
	"bytes"
	"fmt"
)

// xml makes a record of each element that has the framing's name, with the line
// break behind it. What is between them, such as the element around all of them,
// is skipped; text there is a bad record. The element may not contain another one
// of the same name: a second start tag means that the first element broke off.
func (s *splitter) xml(w *window) error {
	w.most = 2*int(s.lim.Record) + windowSize
	for {
		n, what := s.tag(w, 0)
		switch what {
		case tagNone:
			return w.finish()
		case tagText:
			if err := s.between(w, n); err != nil {
				return err
			}
			continue
		case tagStart:
			if err := s.element(w, n); err != nil {
				return err
			}
			continue
		case tagBroken, tagEmpty:
			s.number++
			var err error
			if what == tagEmpty {
				n = lineBreak(w, n)
				err = s.good(w.have()[:n])
			} else {
				err = s.bad(w.have()[:n], s.brokenTag(w, n))
			}
			if err != nil {
				return err
			}
		}
		w.start += n
	}
}

// tags, as far as they matter.
type tag uint8

const (
	tagNone   tag = iota // the text ends
	tagText              // no tag: text up to the next one
	tagOther             // of another element, a comment, CDATA, a declaration
	tagStart             // <name …>
	tagEmpty             // <name …/>
	tagEnd               // </name>
	tagBroken            // one that does not end
)

// tag returns what begins at bytes behind the window's start and how long it is.
func (s *splitter) tag(w *window, at int) (n int, what tag) {
	more := func(have int) bool { // more bytes than that, from at on
		for w.end-w.start-at <= have {
			if !w.fill() {
				return false
			}
		}
		return true
	}
	if !more(0) {
		return 0, tagNone
	}
	limit := int(s.lim.Record)
	have := func() []byte {
		b := w.have()[at:]
		return b[:min(len(b), limit+1)]
	}
	if w.buf[w.start+at] != '<' {
		for n = 0; ; {
			b := have()
			if i := bytes.IndexByte(b[n:], '<'); i >= 0 {
				return n + i, tagText
			}
			if n = len(b); n > limit || !w.fill() {
				return n, tagText
			}
		}
	}
	more(len("<![CDATA[") - 1)
	b, end, from := have(), ">", 1
	switch {
	case bytes.HasPrefix(b, []byte("<!--")):
		end, from = "-->", 4
	case bytes.HasPrefix(b, []byte("<![CDATA[")):
		end, from = "]]>", 9
	case bytes.HasPrefix(b, []byte("<?")):
		end, from = "?>", 2
	}
	for n = from; ; {
		b = have()
		if end == ">" {
			if n = tagEndIn(b, n); n > 0 {
				break
			}
			n = from // quotes are counted from the beginning
		} else if i := bytes.Index(b[n:], []byte(end)); i >= 0 {
			n += i + len(end)
			break
		} else {
			n = max(n, min(len(b), len(b)-len(end)+1))
		}
		if len(b) > limit || !w.fill() {
			return len(b), tagBroken
		}
	}
	return n, s.kindOf(b[:n], end)
}

// tagEndIn returns where the tag b ends, 0 when it does not: a > may be in quotes.
func tagEndIn(b []byte, i int) int {
	quote := byte(0)
	for ; i < len(b); i++ {
		switch c := b[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '>':
			return i + 1
		}
	}
	return 0
}

func (s *splitter) kindOf(b []byte, end string) tag {
	if end != ">" {
		return tagOther
	}
	closing := 0
	if len(b) > 1 && b[1] == '/' {
		closing = 1
	}
	name := b[1+closing:]
	if !bytes.HasPrefix(name, []byte(s.framing.Element)) {
		return tagOther
	}
	switch c := name[len(s.framing.Element)]; {
	case !isSpace(c) && c != '>' && c != '/':
		return tagOther
	case closing == 1:
		return tagEnd
	case b[len(b)-2] == '/':
		return tagEmpty
	}
	return tagStart
}

// element hands out the element whose start tag of n bytes is at the window's
// start.
func (s *splitter) element(w *window, n int) error {
	s.number++
	limit := int(s.lim.Record)
	for {
		k, what := s.tag(w, n)
		switch {
		case what == tagStart || what == tagEmpty:
			err := s.bad(bytes.TrimRight(w.have()[:n], " \t\r\n"), &Error{NotXML, w.offset(), fmt.Sprintf("an element %s that breaks off before the next one", s.framing.Element)})
			w.start += n
			return err
		case what == tagNone:
			err := s.bad(w.have()[:n], &Error{Truncated, w.offset(), "the object breaks off in the middle of an XML element"})
			w.start += n
			return err
		}
		if n += k; n > limit {
			return s.longElement(w, n, what)
		}
		if what == tagEnd {
			n = lineBreak(w, n)
			err := s.good(w.have()[:n])
			w.start += n
			return err
		}
	}
}

// lineBreak takes the line break behind the first n bytes of the window to them,
// if there is one: it belongs to the line on which the element ends.
func lineBreak(w *window, n int) int {
	for w.end-w.start < n+2 && w.fill() {
	}
	switch rest := w.have()[n:]; {
	case bytes.HasPrefix(rest, []byte("\n")):
		return n + 1
	case bytes.HasPrefix(rest, []byte("\r\n")):
		return n + 2
	}
	return n
}

// longElement makes a bad record of an element that is too long, whose first n
// bytes are in the window, and moves behind it.
func (s *splitter) longElement(w *window, n int, what tag) error {
	why := &Error{TooLong, w.offset(), fmt.Sprintf("an XML element of more than %d bytes", s.lim.Record)}
	if err := s.bad(w.have()[:n], why); err != nil {
		return err
	}
	for what != tagEnd {
		w.start += n
		if n, what = s.tag(w, 0); what == tagNone || what == tagStart || what == tagEmpty {
			return nil // which the caller meets again
		}
	}
	w.start += n
	return nil
}

func (s *splitter) brokenTag(w *window, n int) *Error {
	if n > int(s.lim.Record) {
		return &Error{TooLong, w.offset(), fmt.Sprintf("an XML tag of more than %d bytes", s.lim.Record)}
	}
	return &Error{Truncated, w.offset(), "the object breaks off in the middle of an XML tag"}
}

// between passes over n bytes of text that are in no element.
func (s *splitter) between(w *window, n int) error {
	text := bytes.Trim(w.have()[:n], " \t\r\n\v\f\x00")
	var err error
	if len(text) > 0 {
		s.number++
		err = s.bad(text, &Error{NotXML, w.offset(), fmt.Sprintf("text outside of the elements %s", s.framing.Element)})
	}
	w.start += n
	return err
}
