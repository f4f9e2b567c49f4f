package pipeline

import (
	"fmt"
	"strconv"
	"time"

	"github.com/fluent-siem/fluent-siem/internal/event"
)

// appendText appends e in the manner of Fluent Bit's stdout output, but with
// the maps as JSON: [number] tag: [[time, {metadata}], {record}].
func appendText(dst []byte, number int, tag string, e event.Event) ([]byte, error) {
	dst = fmt.Appendf(dst, "[%d] %s: [[", number, tag)
	dst = appendSeconds(dst, e.Time)
	dst = append(dst, ", "...)
	var err error
	if len(e.Metadata) == 0 {
		dst = append(dst, "{}"...)
	} else if dst, _, err = event.AppendJSON(dst, e.Metadata); err != nil {
		return dst, err
	}
	dst = append(dst, "], "...)
	if dst, err = appendRecord(dst, e); err != nil {
		return dst, err
	}
	return append(dst, "]\n"...), nil
}

// appendRecord appends the record, or the document that stands for it, as JSON.
func appendRecord(dst []byte, e event.Event) ([]byte, error) {
	if document, ok := e.Document(); ok {
		return append(dst, document...), nil
	}
	dst, _, err := event.AppendJSON(dst, e.Record)
	return dst, err
}

// appendDated appends the record with its time as first key; an empty key
// leaves the time out.
func appendDated(dst []byte, key, layout string, e event.Event) ([]byte, error) {
	if key == "" {
		return appendRecord(dst, e)
	}
	record, err := appendRecord(nil, e)
	if err != nil {
		return dst, err
	}
	dst = append(dst, '{')
	dst = event.AppendJSONString(dst, []byte(key))
	dst = append(dst, ':')
	dst = appendTime(dst, layout, e.Time)
	if len(record) > 2 {
		dst = append(dst, ',')
	}
	return append(dst, record[1:]...), nil
}

func appendTime(dst []byte, layout string, t time.Time) []byte {
	switch layout {
	case "epoch":
		return strconv.AppendInt(dst, t.Unix(), 10)
	case "epoch_ms":
		return strconv.AppendInt(dst, t.UnixMilli(), 10)
	case "iso8601":
		return t.UTC().AppendFormat(dst, `"2006-01-02T15:04:05.000000Z"`)
	default:
		return appendSeconds(dst, t)
	}
}

func appendSeconds(dst []byte, t time.Time) []byte {
	return fmt.Appendf(dst, "%d.%06d", t.Unix(), t.Nanosecond()/1000)
}

// each calls f for the events of a chunk, group markers left out.
func each(chunk []byte, f func(event.Event) error) error {
	for len(chunk) > 0 {
		e, rest, err := event.Next(chunk)
		if err != nil {
			return fmt.Errorf("%d bytes at the end of the chunk are no events: %w", len(chunk), err)
		}
		if !e.Group {
			if err := f(e); err != nil {
				return err
			}
		}
		chunk = rest
	}
	return nil
}
