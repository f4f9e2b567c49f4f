package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"sync"
)

// hostLook is a slog.Handler that writes lines as Fluent Bit does. Its own
// log function works on its own threads only: from a goroutine the line would
// vanish.
//
//	[2026/11/24 13:18:05] [ warn] [fluent-siem] the index is missing index=log-aws-alb
type hostLook struct {
	mu    *sync.Mutex
	out   io.Writer
	level slog.Leveler
	attrs string // " key=value …", of With
	group string // "group."
}

func newHostLook(out io.Writer, level slog.Leveler) *hostLook {
	return &hostLook{mu: new(sync.Mutex), out: out, level: level}
}

func (h *hostLook) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level.Level() }

func (h *hostLook) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	fmt.Fprintf(&b, "[%s] [%5s] [fluent-siem] %s%s", r.Time.Format("2006/01/02 15:04:05"), levelName(r.Level), oneLine(r.Message), h.attrs)
	r.Attrs(func(a slog.Attr) bool {
		appendAttr(&b, h.group, a)
		return true
	})
	b.WriteByte('\n')
	h.mu.Lock()
	defer h.mu.Unlock()
	_, err := io.WriteString(h.out, b.String())
	return err
}

func (h *hostLook) WithAttrs(attrs []slog.Attr) slog.Handler {
	var b strings.Builder
	for _, a := range attrs {
		appendAttr(&b, h.group, a)
	}
	with := *h
	with.attrs += b.String()
	return &with
}

func (h *hostLook) WithGroup(name string) slog.Handler {
	with := *h
	if name != "" {
		with.group += name + "."
	}
	return &with
}

func levelName(l slog.Level) string {
	switch {
	case l >= slog.LevelError:
		return "error"
	case l >= slog.LevelWarn:
		return "warn"
	case l >= slog.LevelInfo:
		return "info"
	default:
		return "debug"
	}
}

func appendAttr(b *strings.Builder, prefix string, a slog.Attr) {
	v := a.Value.Resolve()
	if v.Kind() == slog.KindGroup {
		if a.Key != "" {
			prefix += a.Key + "."
		}
		for _, inner := range v.Group() {
			appendAttr(b, prefix, inner)
		}
		return
	}
	if a.Equal(slog.Attr{}) {
		return
	}
	text := v.String()
	if text == "" || strings.ContainsAny(text, " \t\"=\n\r") {
		text = strconv.Quote(text)
	}
	fmt.Fprintf(b, " %s%s=%s", prefix, a.Key, text)
}

// oneLine keeps a line of the log one line; an error that lists several
// problems has several.
func oneLine(s string) string {
	return strings.ReplaceAll(strings.TrimRight(s, "\n"), "\n", "; ")
}
