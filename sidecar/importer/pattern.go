package importer

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// pattern writes a regular expression of Python's re (3.11) as one of RE2, which
// matches the same texts of ASCII. The error says what RE2 lacks.
func pattern(python string) (string, error) {
	p := &patternReader{text: python}
	if err := p.read(); err != nil {
		return "", err
	}
	out := p.out.String()
	if _, err := regexp.Compile(out); err != nil {
		return "", errors.New(strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	return out, nil
}

type patternReader struct {
	text  string
	at    int
	out   strings.Builder
	depth int  // of groups that are open
	after bool // a quantifier stands before
}

func (p *patternReader) rest() string { return p.text[p.at:] }

func (p *patternReader) emit(s string, n int) {
	p.out.WriteString(s)
	p.at += n
}

func (p *patternReader) read() error {
	for p.at < len(p.text) {
		after := p.after
		p.after = false
		var err error
		switch c := p.text[p.at]; c {
		case '\\':
			err = p.escape(false)
		case '[':
			err = p.class()
		case '(':
			err = p.group()
		case ')':
			p.depth--
			p.emit(")", 1)
		case '*', '+', '?', '{':
			err = p.quantifier(after)
		default:
			p.literal(c)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// literal writes a character; one that ends a line, or is invisible, is written so
// that it can be seen.
func (p *patternReader) literal(c byte) {
	switch c {
	case '\n':
		p.emit(`\n`, 1)
	case '\t':
		p.emit(`\t`, 1)
	default:
		p.emit(string([]byte{c}), 1)
	}
}

var counted = regexp.MustCompile(`^\{(\d*)(,?)(\d*)\}`)

func (p *patternReader) quantifier(after bool) error {
	c := p.text[p.at]
	if after && c == '+' {
		return errors.New("RE2 has no possessive quantifiers, such as a++")
	}
	if c != '{' {
		p.emit(string(c), 1)
		p.after = !after || c != '?'
		return nil
	}
	m := counted.FindStringSubmatch(p.rest())
	if m == nil || m[1] == "" && m[3] == "" {
		p.emit(`\{`, 1)
		return nil
	}
	low := m[1]
	if low == "" {
		low = "0"
	}
	p.emit("{"+low+m[2]+m[3]+"}", len(m[0]))
	p.after = true
	return nil
}

var flags = regexp.MustCompile(`^\(\?([aiLmsux]*)(?:-([imsx]+))?([:)])`)

func (p *patternReader) group() error {
	rest := p.rest()
	open := func(text string, n int) error {
		p.depth++
		p.emit(text, n)
		return nil
	}
	switch {
	case !strings.HasPrefix(rest, "(?"):
		return open("(", 1)
	case strings.HasPrefix(rest, "(?P<"):
		name, _, ok := strings.Cut(rest[4:], ">")
		if !ok {
			return errors.New("a group's name has no end")
		}
		return open("(?P<"+name+">", len("(?P<>")+len(name))
	case strings.HasPrefix(rest, "(?:"):
		return open("(?:", 3)
	case strings.HasPrefix(rest, "(?="):
		if p.depth == 0 && closes(rest) == len(rest)-1 {
			return open("(?:", 3) // nothing follows: what it looks at may be taken
		}
		return errors.New("RE2 has no lookahead (?=…)")
	case strings.HasPrefix(rest, "(?!"):
		return errors.New("RE2 has no negative lookahead (?!…)")
	case strings.HasPrefix(rest, "(?<="), strings.HasPrefix(rest, "(?<!"):
		return errors.New("RE2 has no lookbehind (?<=…)")
	case strings.HasPrefix(rest, "(?P="):
		return errors.New("RE2 has no references to groups, such as (?P=name)")
	case strings.HasPrefix(rest, "(?("):
		return errors.New("RE2 has no conditions, such as (?(1)…)")
	case strings.HasPrefix(rest, "(?>"):
		return errors.New("RE2 has no atomic groups (?>…)")
	case strings.HasPrefix(rest, "(?#"):
		end := strings.IndexByte(rest, ')')
		if end < 0 {
			return errors.New("a comment has no end")
		}
		p.at += end + 1
		return nil
	}
	m := flags.FindStringSubmatch(rest)
	if m == nil {
		return fmt.Errorf("%.6q… is no group", rest)
	}
	if strings.Contains(m[1], "x") {
		return errors.New("RE2 has no verbose form (?x)")
	}
	on := strings.Map(func(r rune) rune {
		if strings.ContainsRune("aLu", r) {
			return -1
		}
		return r
	}, m[1])
	off := strings.ReplaceAll(m[2], "x", "")
	text := "(?" + on
	if off != "" {
		text += "-" + off
	}
	switch {
	case m[3] == ":":
		return open(text+":", len(m[0]))
	case on == "":
		p.at += len(m[0])
	default:
		p.emit(text+")", len(m[0]))
	}
	return nil
}

// closes is where the group that begins a text ends, -1 when it does not.
func closes(text string) int {
	depth, class := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\':
			i++
		case class:
			class = c != ']'
		case c == '[':
			class = true
			if strings.HasPrefix(text[i+1:], "]") || strings.HasPrefix(text[i+1:], "^]") {
				i += 2
			}
		case c == '(':
			depth++
		case c == ')':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

func (p *patternReader) class() error {
	p.emit("[", 1)
	if strings.HasPrefix(p.rest(), "^") {
		p.emit("^", 1)
	}
	for first := true; p.at < len(p.text); first = false {
		switch c := p.text[p.at]; {
		case c == ']' && first:
			p.emit(`\]`, 1)
		case c == ']':
			p.emit("]", 1)
			return nil
		case c == '[':
			p.emit(`\[`, 1)
		case c == '\\':
			if err := p.escape(true); err != nil {
				return err
			}
		default:
			p.literal(c)
		}
	}
	return errors.New("a set [ has no end")
}

func (p *patternReader) escape(class bool) error {
	rest := p.rest()
	if len(rest) < 2 {
		return errors.New("there is a backslash at the end")
	}
	c := rest[1]
	hex := func(digits int) error {
		if len(rest) < 2+digits {
			return fmt.Errorf("%q is no character", rest)
		}
		n, err := strconv.ParseUint(rest[2:2+digits], 16, 32)
		if err != nil {
			return fmt.Errorf("%q is no character", rest[:2+digits])
		}
		p.emit(fmt.Sprintf(`\x{%X}`, n), 2+digits)
		return nil
	}
	switch {
	case c == 'b' && class:
		p.emit(`\x{8}`, 2)
	case strings.IndexByte("dDsSwWafnrtv", c) >= 0, strings.IndexByte("AbB", c) >= 0 && !class:
		p.emit(rest[:2], 2)
	case c == 'Z' && !class:
		p.emit(`\z`, 2)
	case c == 'x':
		return hex(2)
	case c == 'u':
		return hex(4)
	case c == 'U':
		return hex(8)
	case c == '0', class && c >= '1' && c <= '7', len(rest) > 3 && octal.MatchString(rest[1:4]):
		digits := octal.FindString(rest[1:min(4, len(rest))])
		if digits == "" {
			digits = octalStart.FindString(rest[1:min(4, len(rest))])
		}
		n, err := strconv.ParseUint(digits, 8, 32)
		if err != nil {
			return err
		}
		p.emit(fmt.Sprintf(`\x{%X}`, n), 1+len(digits))
	case c >= '1' && c <= '9':
		return errors.New("RE2 has no references to groups, such as \\1")
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z':
		return fmt.Errorf("\\%c means nothing, in Python either", c)
	case c == '\n':
		p.emit(`\n`, 2)
	case c < ' ' || c >= 0x7f: // Python lets any character be escaped
		p.at++
		p.literal(c)
	default:
		p.emit(rest[:2], 2)
	}
	return nil
}

var (
	octal      = regexp.MustCompile(`^[0-3][0-7][0-7]$`)
	octalStart = regexp.MustCompile(`^[0-7]{1,2}`)
)

// anchored makes a pattern that is searched match at the beginning only, as
// Python's match does.
func anchored(re string) string {
	if strings.HasPrefix(re, "^") && !strings.Contains(re, "|") {
		return re
	}
	if strings.Contains(re, "|") {
		return "^(?:" + re + ")"
	}
	return "^" + re
}
