package split

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
)

const (
	// maxNesting is how many envelopes may be one in the other; what is deeper is
	// a record as it stands.
	maxNesting = 6
	// envelopeFactor is how many times longer than a record an envelope may be.
	envelopeFactor = 4
)

// envelope gathers what envelopes say, each text as it is written in JSON. The
// inner ones override the outer ones, key by key.
type envelope struct {
	account, region, group, stream, id, time []byte
	container                                []byte // an object
	known                                    bool   // there is one, though it may say nothing
}

// append writes the envelope as [Record].Envelope has it.
func (e *envelope) append(dst []byte) []byte {
	dst = append(dst, '{')
	for _, m := range [...]struct {
		key   string
		value []byte
	}{
		{`"account":`, e.account},
		{`"region":`, e.region},
		{`"log_group":`, e.group},
		{`"log_stream":`, e.stream},
		{`"id":`, e.id},
		{`"time":`, e.time},
		{`"container":`, e.container},
	} {
		if len(m.value) == 0 {
			continue
		}
		dst = append(dst, m.key...)
		if c := m.value[0]; c == '"' || c == '{' {
			dst = append(append(dst, m.value...), ',')
		} else { // a number
			dst = append(append(append(dst, '"'), m.value...), '"', ',')
		}
	}
	if n := len(dst) - 1; dst[n] == ',' {
		dst[n] = '}'
		return dst
	}
	return append(dst, '}')
}

// set takes a text or number, unless it is empty.
func set(field *[]byte, value []byte) {
	if len(value) == 0 || len(value) == 2 && value[0] == '"' {
		return
	}
	if value[0] != '"' {
		for _, c := range value {
			if (c < '0' || c > '9') && c != '-' && c != '+' && c != '.' && c|0x20 != 'e' {
				return
			}
		}
	}
	*field = value
}

// unwrap hands out the records in an envelope.
func (s *splitter) unwrap(b []byte, kind wrapping) error {
	outer, kept := s.env, len(s.kept)
	s.depth++
	s.env.known = true
	err := s.open(b, kind)
	s.depth--
	s.env, s.kept = outer, s.kept[:kept]
	return err
}

func (s *splitter) open(b []byte, kind wrapping) error {
	switch kind {
	case logBatch, logStream:
		return s.logEvents(b)
	case busEvent:
		var detail []byte
		eachMember(b, func(key, value []byte) bool {
			switch string(key) {
			case "account":
				set(&s.env.account, value)
			case "region":
				set(&s.env.region, value)
			case "id":
				set(&s.env.id, value)
			case "time":
				set(&s.env.time, value)
			case "detail":
				detail = value
			}
			return true
		})
		return s.content(detail)
	case notice:
		set(&s.env.time, member(b, "Timestamp"))
		return s.again(member(b, "Message"))
	case container:
		return s.containerLog(b)
	case message:
		return s.content(s.unquoted(member(b, "message")))
	case awslogs:
		return s.encoded(member(member(b, "awslogs"), "data"))
	case kinesis:
		set(&s.env.region, member(b, "awsRegion"))
		return s.encoded(member(member(b, "kinesis"), "data"))
	case data:
		return s.encoded(member(b, "data"))
	case batch:
		return eachElement(member(b, "records"), func(v []byte) error {
			if kind, _, _ := look(v); kind == data {
				return s.unwrap(v, kind)
			}
			return s.content(v)
		})
	}
	return nil
}

// unquoted returns the text of a JSON string, in a buffer of this level of nesting.
func (s *splitter) unquoted(quoted []byte) []byte {
	if len(quoted) == 0 || quoted[0] != '"' {
		return quoted
	}
	if bytes.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1]
	}
	for len(s.texts) <= s.depth {
		s.texts = append(s.texts, nil)
	}
	s.texts[s.depth] = appendText(s.texts[s.depth][:0], quoted)
	return s.texts[s.depth]
}

// batchField takes what a CloudWatch Logs subscription says of all its events.
func (s *splitter) batchField(key, value []byte) (control bool) {
	switch string(key) {
	case "messageType":
		return string(value) != `"DATA_MESSAGE"`
	case "owner":
		set(&s.env.account, value)
	case "logGroup":
		set(&s.env.group, value)
	case "logStream":
		set(&s.env.stream, value)
	}
	return false
}

// logEvents hands out the messages of a CloudWatch Logs subscription.
func (s *splitter) logEvents(b []byte) error {
	var events []byte
	control := false
	eachMember(b, func(key, value []byte) bool {
		control = s.batchField(key, value) || control
		if string(key) == "logEvents" {
			events = value
		}
		return true
	})
	if control || len(events) == 0 || events[0] != '[' {
		s.result.Skipped++
		return nil
	}
	return eachElement(events, s.logEvent)
}

// logStream hands out the messages of a CloudWatch Logs subscription at the
// window's start, without waiting for its end: it may be long, or break off.
func (j *values) logStream() error {
	outer, kept := j.env, len(j.kept)
	j.depth++
	j.env.known = true
	defer func() {
		j.depth--
		j.env, j.kept = outer, j.kept[:kept]
	}()
	var key []byte
	control := false
	j.w.start++
	return j.each("CloudWatch Logs message", func(k []byte) bool {
		key = append(key[:0], k...)
		return string(k) == "logEvents"
	}, func(events bool, c byte) error {
		switch {
		case events && control:
			j.result.Skipped++
			return j.skip()
		case events && c == '[':
			j.w.start++
			return j.list(j.logEvent)
		case c != '"':
			return j.skip()
		}
		return j.plain(func(value []byte) error {
			n := len(j.kept)
			j.kept = append(j.kept, value...)
			control = j.batchField(key, j.kept[n:len(j.kept):len(j.kept)]) || control
			return nil
		})
	})
}

// logEvent hands out the message of one event.
func (s *splitter) logEvent(event []byte) error {
	batch := s.env
	var text []byte
	eachMember(event, func(key, value []byte) bool {
		switch string(key) {
		case "id":
			set(&s.env.id, value)
		case "timestamp":
			set(&s.env.time, value)
		case "message":
			text = value
		case "extractedFields": // of a log group that gathers those of several accounts
			set(&s.env.account, member(value, "@aws.account"))
			set(&s.env.region, member(value, "@aws.region"))
		}
		return true
	})
	var err error
	if text == nil {
		s.number++
		err = s.bad(event, &Error{NotJSON, s.result.Bytes, "a log event without a message"})
	} else {
		err = s.content(s.unquoted(text))
	}
	s.env = batch
	return err
}

// containerLog hands out what a container wrote.
func (s *splitter) containerLog(b []byte) error {
	var text []byte
	stderr := false
	start := len(s.kept)
	fields := append(s.kept, '{')
	eachMember(b, func(key, value []byte) bool {
		switch string(key) {
		case "log":
			text = value
			return true
		case "time":
			set(&s.env.time, value)
		case "source":
			stderr = string(value) == `"stderr"`
		}
		fields = append(append(append(fields, '"'), key...), '"', ':')
		fields = append(append(fields, value...), ',')
		return true
	})
	if fields[len(fields)-1] == ',' {
		fields = fields[:len(fields)-1]
	}
	s.kept = append(fields, '}')
	if stderr && !s.framing.Stderr {
		s.number++
		s.result.Skipped++
		return nil
	}
	s.env.container = s.kept[start:len(s.kept):len(s.kept)]
	return s.content(s.unquoted(text))
}

// content hands out what an envelope contains: one record, unless it is another
// envelope or, for JSON, several values or a list under the framing's key.
func (s *splitter) content(text []byte) error {
	whole := text
	text = trim(text)
	if len(text) == 0 {
		s.number++
		return nil
	}
	if text[0] == '{' && !s.framing.Bare && s.depth < maxNesting {
		kind, n, _ := look(text)
		if kind == logStream {
			n = valueEnd(text, 0)
		}
		if kind != bare && !(kind == message && s.framing.Kind == JSON) && n == len(text) {
			return s.unwrap(text, kind)
		}
	}
	if s.framing.Kind != JSON {
		s.number++
		if s.framing.FirstLine != nil {
			return s.good(whole) // blanks at the ends of several lines may mean something
		}
		return s.good(text)
	}
	for i := 0; i < len(text); { // are they whole values?
		end := -1
		if text[i] == '{' || text[i] == '[' {
			end = valueEnd(text, i)
		}
		if end < 0 { // what it is, is for the filter to say
			return s.one(text)
		}
		i = blanks(text, end)
	}
	for i := 0; i < len(text); {
		end := valueEnd(text, i)
		if err := s.value(text[i:end]); err != nil {
			return err
		}
		i = blanks(text, end)
	}
	return nil
}

// value hands out a JSON value within an envelope.
func (s *splitter) value(b []byte) error {
	list := b
	if b[0] == '{' {
		list = nil
		if s.framing.Records != "" {
			list = member(b, s.framing.Records)
		}
	}
	if len(list) == 0 || list[0] != '[' {
		return s.one(b)
	}
	return eachElement(list, s.one)
}

// again cuts a text that was wrapped as if it were an object.
func (s *splitter) again(quoted []byte) error {
	return s.inner(bytes.Clone(s.unquoted(quoted)))
}

// inner cuts text that is in memory and stays there.
func (s *splitter) inner(text []byte) error {
	return s.cut(&window{s: s, buf: text, end: len(text), off: s.result.Bytes, err: io.EOF})
}

// encoded cuts what is encoded in base64, and perhaps compressed with gzip.
func (s *splitter) encoded(quoted []byte) error {
	text := s.unquoted(quoted)
	raw := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Decode(raw, text)
	if err != nil {
		s.number++
		return s.bad(text, &Error{NotJSON, s.result.Bytes, "data that is not base64: " + err.Error()})
	}
	raw = raw[:n]
	if !bytes.HasPrefix(raw, magics[0].prefix) {
		return s.inner(raw)
	}
	limit := envelopeFactor * s.lim.Record
	var plain bytes.Buffer
	z, err := gzip.NewReader(bytes.NewReader(raw))
	if err == nil {
		_, err = io.Copy(&plain, io.LimitReader(z, limit+1))
	}
	switch {
	case err != nil:
		s.number++
		return s.bad(text, &Error{Corrupt, s.result.Bytes, "compressed data in an envelope: " + err.Error()})
	case int64(plain.Len()) > limit:
		s.number++
		return s.bad(text, &Error{Bomb, s.result.Bytes, fmt.Sprintf("data in an envelope of more than %d bytes", limit)})
	}
	return s.inner(plain.Bytes())
}

// trim cuts white space off both ends.
func trim(b []byte) []byte {
	for len(b) > 0 && isSpace(b[0]) {
		b = b[1:]
	}
	for len(b) > 0 && isSpace(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }
