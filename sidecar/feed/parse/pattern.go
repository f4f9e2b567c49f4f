package parse

import (
	"errors"
	"fmt"
	"strings"

	"github.com/fluent-siem/fluent-siem/internal/indicator"
)

// A pattern of STIX (OASIS STIX 2.1, part 9) describes observations. What can
// be looked up of it are the values that it compares for equality:
//
//	[ipv4-addr:value = '198.51.100.1' OR domain-name:value IN ('a.example', 'b.example')]
//
// Of alternatives (OR) each counts alone. Of conditions that must hold together
// (AND, FOLLOWEDBY, REPEATS) each value is taken too, and marked as one of
// several; but hashes of one file, beside other properties of that file, are
// each enough. Negated comparisons and those that need no equality give nothing.

// The limits of a pattern.
const (
	longestPattern = 256 << 10
	deepestPattern = 64
)

// patternValue is a value that a pattern compares with.
type patternValue struct {
	text   string
	kind   string // the type that the object has; "": whatever the text is
	partly bool   // other conditions must hold too
}

// part is what is known of a part of a pattern.
type part struct {
	values   []patternValue
	fileOnly bool // it speaks of properties of files alone
	neutral  bool // it says nothing beyond the type of what the other part speaks of
}

// patternValues returns the values of a pattern. An error says why it is no
// pattern.
func patternValues(text string) ([]patternValue, error) {
	if len(text) > longestPattern {
		return nil, fmt.Errorf("its pattern has %d bytes, more than %d", len(text), longestPattern)
	}
	p := &patternParser{text: text}
	whole, err := p.observations()
	if err == nil && p.rest() != "" {
		err = errors.New("something follows")
	}
	if err != nil {
		return nil, fmt.Errorf("its pattern is none, at %.40q: %w", p.rest(), err)
	}
	return whole.values, nil
}

type patternParser struct {
	text  string
	at    int
	depth int
}

func (p *patternParser) blank() {
	for p.at < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.at]) >= 0 {
		p.at++
	}
}

func (p *patternParser) rest() string {
	p.blank()
	return p.text[p.at:]
}

// take takes a sign, such as [ or !=.
func (p *patternParser) take(sign string) bool {
	if strings.HasPrefix(p.rest(), sign) {
		p.at += len(sign)
		return true
	}
	return false
}

// word takes a word of the language, such as AND.
func (p *patternParser) word(w string) bool {
	rest := p.rest()
	if len(rest) < len(w) || !strings.EqualFold(rest[:len(w)], w) || len(rest) > len(w) && isName(rest[len(w)]) {
		return false
	}
	p.at += len(w)
	return true
}

func isName(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-'
}

// enter counts how deep parentheses are.
func (p *patternParser) enter() error {
	if p.depth++; p.depth > deepestPattern {
		return fmt.Errorf("parentheses are more than %d deep", deepestPattern)
	}
	return nil
}

// observations reads observations joined by AND, OR and FOLLOWEDBY.
func (p *patternParser) observations() (part, error) {
	left, err := p.observation()
	for err == nil {
		var right part
		switch {
		case p.word("OR"):
			if right, err = p.observation(); err == nil {
				left.values = append(left.values, right.values...)
			}
		case p.word("AND"), p.word("FOLLOWEDBY"):
			if right, err = p.observation(); err == nil {
				left.values = append(left.values, right.values...)
				partly(left.values)
			}
		default:
			return left, nil
		}
	}
	return left, err
}

// observation reads one in brackets, or several in parentheses, and its
// qualifiers.
func (p *patternParser) observation() (o part, err error) {
	switch {
	case p.take("["):
		if o, err = p.alternatives(); err == nil && !p.take("]") {
			err = errors.New("] is missing")
		}
	case p.take("("):
		if err = p.enter(); err == nil {
			o, err = p.observations()
			p.depth--
		}
		if err == nil && !p.take(")") {
			err = errors.New(") is missing")
		}
	default:
		err = errors.New("[ is missing")
	}
	for err == nil {
		switch {
		case p.word("WITHIN"):
			_, err = p.literal()
			if err == nil && !p.word("SECONDS") {
				err = errors.New("SECONDS is missing")
			}
		case p.word("REPEATS"):
			partly(o.values)
			_, err = p.literal()
			if err == nil && !p.word("TIMES") {
				err = errors.New("TIMES is missing")
			}
		case p.word("START"), p.word("STOP"):
			_, err = p.literal()
		default:
			return o, nil
		}
	}
	return o, err
}

func partly(values []patternValue) {
	for i := range values {
		values[i].partly = true
	}
}

// alternatives reads comparisons joined by OR, which binds less than AND.
func (p *patternParser) alternatives() (part, error) {
	left, err := p.conditions()
	for err == nil && p.word("OR") {
		var right part
		if right, err = p.conditions(); err == nil {
			left = part{values: append(left.values, right.values...), fileOnly: left.fileOnly && right.fileOnly}
		}
	}
	return left, err
}

// conditions reads comparisons joined by AND.
func (p *patternParser) conditions() (part, error) {
	left, err := p.comparison()
	for err == nil && p.word("AND") {
		var right part
		if right, err = p.comparison(); err != nil {
			break
		}
		both := part{values: append(left.values, right.values...), fileOnly: left.fileOnly && right.fileOnly, neutral: left.neutral && right.neutral}
		if !both.fileOnly && !left.neutral && !right.neutral {
			partly(both.values)
		}
		left = both
	}
	return left, err
}

// comparison reads one comparison, or what stands in parentheses.
func (p *patternParser) comparison() (c part, err error) {
	if p.take("(") {
		if err = p.enter(); err == nil {
			c, err = p.alternatives()
			p.depth--
		}
		if err == nil && !p.take(")") {
			err = errors.New(") is missing")
		}
		return c, err
	}
	if p.word("EXISTS") {
		object, _, err := p.path()
		return part{fileOnly: object == "file"}, err
	}
	negated := p.word("NOT")
	object, property, err := p.path()
	if err != nil {
		return c, err
	}
	negated = p.word("NOT") || negated
	var texts []string
	equal := false
	switch {
	case p.take("!="), p.take("<>"), p.take("<="), p.take(">="), p.take("<"), p.take(">"), p.word("ISSUPERSET"), p.word("MATCHES"):
		_, err = p.literal()
	case p.take("=="), p.take("="), p.word("ISSUBSET"):
		equal = true
		texts, err = p.literals(false)
	case p.word("LIKE"):
		texts, err = p.literals(false)
		equal = err == nil && !strings.ContainsAny(texts[0], "%_")
	case p.word("IN"):
		equal = true
		texts, err = p.literals(true)
	default:
		err = errors.New("a comparison is missing")
	}
	c.fileOnly = object == "file"
	c.neutral = equal && !negated && strings.HasSuffix(property, "_ref.type")
	kind, ok := lookedUp(object, property)
	if err != nil || negated || !equal || !ok {
		return c, err
	}
	for _, text := range texts {
		c.values = append(c.values, patternValue{text: text, kind: kind})
	}
	return c, nil
}

// lookedUp says whether values of a property can be looked up, and of which
// type they are.
func lookedUp(object, property string) (kind string, ok bool) {
	switch object + ":" + property {
	case "ipv4-addr:value":
		return indicator.IPv4, true
	case "ipv6-addr:value":
		return indicator.IPv6, true
	case "domain-name:value":
		return indicator.Domain, true
	case "url:value":
		return indicator.URL, true
	case "network-traffic:dst_ref.value", "network-traffic:src_ref.value", "domain-name:resolves_to_refs[*].value":
		return "", true
	}
	algorithm, hash := strings.CutPrefix(property, "hashes.")
	if hash && (object == "file" || object == "artifact") {
		switch strings.ReplaceAll(strings.ToUpper(algorithm), "-", "") {
		case "MD5", "SHA1", "SHA256", "SHA512":
			return indicator.File, true
		}
	}
	return "", false
}

// path reads object:property.property['x'][*].
func (p *patternParser) path() (object, property string, err error) {
	p.blank()
	begin := p.at
	for p.at < len(p.text) && isName(p.text[p.at]) {
		p.at++
	}
	object = p.text[begin:p.at]
	if object == "" || !p.take(":") {
		return "", "", errors.New("an object and a property are missing")
	}
	var b strings.Builder
	for p.at < len(p.text) {
		switch c := p.text[p.at]; {
		case isName(c) || c == '.':
			b.WriteByte(c)
			p.at++
		case c == '\'':
			text, err := p.quoted()
			if err != nil {
				return "", "", err
			}
			b.WriteString(text)
		case c == '[':
			end := strings.IndexByte(p.text[p.at:], ']')
			if end < 0 {
				return "", "", errors.New("] is missing")
			}
			b.WriteString(p.text[p.at : p.at+end+1])
			p.at += end + 1
		default:
			return object, b.String(), nil
		}
	}
	return object, b.String(), nil
}

// quoted reads 'text' with \' and \\ in it.
func (p *patternParser) quoted() (string, error) {
	var b strings.Builder
	for i := p.at + 1; i < len(p.text); i++ {
		switch c := p.text[i]; {
		case c == '\\' && i+1 < len(p.text):
			i++
			b.WriteByte(p.text[i])
		case c == '\'':
			p.at = i + 1
			return b.String(), nil
		default:
			b.WriteByte(c)
		}
	}
	return "", errors.New("' is missing at the end of a text")
}

// literals reads one literal, or a set of them.
func (p *patternParser) literals(set bool) (texts []string, err error) {
	if !set {
		text, err := p.literal()
		return []string{text}, err
	}
	if !p.take("(") {
		return nil, errors.New("( is missing")
	}
	for {
		text, err := p.literal()
		if err != nil {
			return nil, err
		}
		texts = append(texts, text)
		if p.take(")") {
			return texts, nil
		}
		if !p.take(",") {
			return nil, errors.New(") is missing")
		}
	}
}

// literal reads 'text', t'time', h'hex', b'base64', a number or a truth value.
func (p *patternParser) literal() (string, error) {
	rest := p.rest()
	if len(rest) > 1 && rest[1] == '\'' && strings.IndexByte("thb", rest[0]) >= 0 {
		p.at++
		return p.quoted()
	}
	if rest != "" && rest[0] == '\'' {
		return p.quoted()
	}
	n := 0
	for n < len(rest) && (isName(rest[n]) || rest[n] == '.' || rest[n] == '+') {
		n++
	}
	if n == 0 {
		return "", errors.New("a value is missing")
	}
	p.at += n
	return rest[:n], nil
}
