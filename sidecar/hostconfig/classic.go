package hostconfig

import (
	"strings"
)

// readClassic reads the format of fluent-bit.conf: sections in brackets, one
// key and value a line, separated by white space.
func (r *reader) readClassic(path string) {
	var current *Section
	finish := func() {
		if current != nil {
			r.section(*current)
			current = nil
		}
	}
	ignored := false
	for i, line := range r.file.sources[path] {
		text := strings.TrimSpace(line)
		at := Position{path, i + 1, len(line) - len(strings.TrimLeft(line, " \t")) + 1}
		switch {
		case text == "" || text[0] == '#':
			continue
		case text[0] == '@':
			r.command(text, at)
			continue
		case text[0] == '[':
			finish()
			name, ok := strings.CutSuffix(text[1:], "]")
			kind := strings.ToLower(strings.TrimSpace(name))
			ignored = false
			switch {
			case !ok:
				r.failf(at, "the section's name does not end with ]")
				ignored = true
			case kind == "service" || kind == "input" || kind == "filter" || kind == "output" || kind == "plugins":
				current = &Section{Kind: kind, At: at}
			case kind == "parser" || kind == "multiline_parser" || kind == "stream_task" || kind == "custom":
				r.warnf(at, "[%s] is for Fluent Bit only and is not read here", name)
				ignored = true
			default:
				r.failf(at, "unknown section [%s]%s", name, Suggest(kind, []string{"service", "input", "filter", "output"}))
				ignored = true
			}
			continue
		case ignored:
			continue
		case current == nil:
			r.failf(at, "this line belongs to no section; write [INPUT], [FILTER] or [OUTPUT] before it")
			ignored = true
			continue
		}
		key, value := text, ""
		if n := strings.IndexAny(text, " \t"); n >= 0 {
			key, value = text[:n], strings.TrimSpace(text[n:])
		}
		if current.Kind == "plugins" {
			r.file.Plugins = append(r.file.Plugins, Property{strings.ToLower(key), r.expand(value, at), at})
			continue
		}
		r.property(current, key, value, at)
	}
	finish()
}

// command obeys a line that begins with @.
func (r *reader) command(text string, at Position) {
	name, value, _ := strings.Cut(text[1:], " ")
	value = strings.TrimSpace(value)
	switch strings.ToLower(name) {
	case "include":
		r.include(r.expand(value, at), at)
	case "set":
		key, v, ok := strings.Cut(value, "=")
		if !ok {
			r.failf(at, "write @SET NAME=VALUE")
			return
		}
		r.env[strings.TrimSpace(key)] = r.expand(strings.TrimSpace(v), at)
	default:
		r.failf(at, "unknown command @%s; there are @INCLUDE and @SET", name)
	}
}
