package exclude

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"github.com/valyala/fastjson"
)

// pattern is one row of the CSV.
type pattern struct {
	rule    string   // what it is called when it decided
	path    []string // the field
	literal string   // of type text: the whole value
	regex   *regexp.Regexp
}

var columns = []string{"log_type", "field", "pattern", "pattern_type"}

// loadCSV reads exclude_log_patterns.csv: log_type,field,pattern,pattern_type,comment.
func (r *Rules) loadCSV(name string, text []byte) (problems []error) {
	of := "" // of which file
	if name != "" {
		of = " of " + name
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	if len(bytes.TrimSpace(text)) == 0 {
		return nil
	}
	rows := csv.NewReader(bytes.NewReader(text))
	rows.FieldsPerRecord, rows.LazyQuotes = -1, true
	header, err := rows.Read()
	if err != nil {
		return []error{fmt.Errorf("the file of exclusion patterns is not used, nothing is excluded by it: %w", err)}
	}
	at := make(map[string]int)
	for i, name := range header {
		at[strings.TrimSpace(name)] = i
	}
	for _, name := range columns {
		if _, ok := at[name]; !ok {
			return []error{fmt.Errorf("the file of exclusion patterns is not used, nothing is excluded by it: its first line lacks the column %s; write log_type,field,pattern,pattern_type,comment", name)}
		}
	}
	for {
		row, err := rows.Read()
		if err == io.EOF {
			return problems
		}
		line, _ := rows.FieldPos(0)
		var p pattern
		var logType string
		if err == nil {
			logType, p, err = newPattern(row, at)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("exclusion pattern in line %d%s is not used, what it would exclude is kept: %w", line, of, err))
			continue
		}
		p.rule = "pattern in line " + strconv.Itoa(line) + of + ": " + strings.Join(p.path, ".")
		t := r.of(logType)
		t.patterns = append(t.patterns, p)
	}
}

func newPattern(row []string, at map[string]int) (logType string, p pattern, err error) {
	get := func(column string) string {
		if i := at[column]; i < len(row) {
			return row[i]
		}
		return ""
	}
	logType, field, text := strings.TrimSpace(get("log_type")), strings.TrimSpace(get("field")), get("pattern")
	switch {
	case logType == "":
		return "", p, errors.New("it names no log type")
	case field == "":
		return "", p, errors.New("it names no field")
	}
	p.path = strings.Split(field, ".")
	if strings.TrimSpace(get("pattern_type")) == "text" {
		p.literal = text
		return logType, p, nil
	}
	p.regex, err = compile(text)
	return logType, p, err
}

// match says whether the document's field matches. scratch is reused.
func (p *pattern) match(v *fastjson.Value, scratch []byte) (bool, []byte) {
	for _, key := range p.path {
		if v.Type() == fastjson.TypeArray { // of a list of objects the first is looked at, as the original does
			if v = v.Get("0"); v == nil {
				return false, scratch
			}
		}
		if v.Type() != fastjson.TypeObject {
			return false, scratch
		}
		if v = v.Get(key); v == nil {
			return false, scratch
		}
	}
	var text []byte
	if v.Type() == fastjson.TypeString {
		text = v.GetStringBytes()
	} else {
		scratch = appendPython(scratch, v, false)
		text = scratch
	}
	if p.regex != nil {
		return p.regex.Match(text), scratch
	}
	// $ stands before a line feed at the end, too.
	return string(text) == p.literal || len(text) == len(p.literal)+1 && text[len(text)-1] == '\n' && string(text[:len(p.literal)]) == p.literal, scratch
}

// appendPython appends a value as Python's str() writes it, because patterns
// were written against that: True, None, ['a', 'b'].
func appendPython(dst []byte, v *fastjson.Value, inside bool) []byte {
	switch v.Type() {
	case fastjson.TypeTrue:
		return append(dst, "True"...)
	case fastjson.TypeFalse:
		return append(dst, "False"...)
	case fastjson.TypeNull:
		return append(dst, "None"...)
	case fastjson.TypeString:
		if !inside {
			return append(dst, v.GetStringBytes()...)
		}
		return appendQuoted(dst, v.GetStringBytes())
	case fastjson.TypeArray:
		dst = append(dst, '[')
		for i, item := range v.GetArray() {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = appendPython(dst, item, true)
		}
		return append(dst, ']')
	case fastjson.TypeObject:
		dst = append(dst, '{')
		first := true
		v.GetObject().Visit(func(key []byte, item *fastjson.Value) {
			if !first {
				dst = append(dst, ", "...)
			}
			first = false
			dst = append(appendQuoted(dst, key), ": "...)
			dst = appendPython(dst, item, true)
		})
		return append(dst, '}')
	}
	return v.MarshalTo(dst) // a number: as it is written
}

func appendQuoted(dst, text []byte) []byte {
	quote := byte('\'')
	if bytes.IndexByte(text, '\'') >= 0 && bytes.IndexByte(text, '"') < 0 {
		quote = '"'
	}
	dst = append(dst, quote)
	for _, c := range text {
		switch c {
		case quote, '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, `\n`...)
		case '\r':
			dst = append(dst, `\r`...)
		case '\t':
			dst = append(dst, `\t`...)
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, quote)
}

// compile makes a regular expression that was written for Python's re.match
// with a $ appended: it begins at the start of the value, and what follows its
// last | also ends at the end.
func compile(text string) (*regexp.Regexp, error) {
	translated := translate(text)
	if _, err := regexp.Compile(translated); err != nil { // alone: brackets must balance without ours
		return nil, explain(text, err)
	}
	re, err := regexp.Compile(`\A(?:` + translated + `(?:\n?\z))`)
	if err != nil {
		return nil, explain(text, err)
	}
	return re, nil
}

func explain(text string, err error) error {
	for _, missing := range []string{"(?=", "(?!", "(?<=", "(?<!", "(?P=", "(?("} {
		if strings.Contains(text, missing) {
			return fmt.Errorf("the regular expression %q uses %s…), which does not exist here (RE2): write it without, or as a JMESPath condition: %w", text, missing, err)
		}
	}
	return fmt.Errorf("the regular expression %q is not valid here (RE2): %w", text, err)
}

// translate writes in RE2's words what Python writes differently: \Z, {,n},
// \uXXXX, and \w \d \s, which mean the letters, digits and blanks of every
// script there.
func translate(text string) string {
	var out strings.Builder
	class := false
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '\\' && i+1 < len(text):
			i++
			out.WriteString(escape(text[i], class, text[i+1:], &i))
		case c == '[' && !class:
			class = true
			out.WriteByte(c)
			if i+1 < len(text) && text[i+1] == '^' {
				i++
				out.WriteByte('^')
			}
			if i+1 < len(text) && text[i+1] == ']' { // stands for itself here
				i++
				out.WriteString(`\]`)
			}
		case c == '[' && class: // no [:alpha:] in Python
			out.WriteString(`\[`)
		case c == ']':
			class = false
			out.WriteByte(c)
		case c == '{' && !class && strings.HasPrefix(text[i:], "{,"):
			out.WriteString("{0")
		default:
			out.WriteByte(c)
		}
	}
	return out.String()
}

func escape(c byte, class bool, rest string, i *int) string {
	sets := map[byte]string{'w': `\p{L}\p{N}_`, 'd': `\p{Nd}`, 's': `\s\v\p{Z}`}
	switch c {
	case 'w', 'd', 's':
		if class {
			return sets[c]
		}
		return "[" + sets[c] + "]"
	case 'W', 'D', 'S':
		if !class {
			return "[^" + sets[c+'a'-'A'] + "]"
		}
	case 'Z':
		return `\z`
	case 'u', 'U':
		n := 4
		if c == 'U' {
			n = 8
		}
		if len(rest) >= n {
			if _, err := strconv.ParseUint(rest[:n], 16, 32); err == nil {
				*i += n
				return `\x{` + rest[:n] + `}`
			}
		}
	}
	return `\` + string(c)
}
