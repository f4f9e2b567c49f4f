package enrich

import (
	"regexp/syntax"
	"strings"
)

// prefilter knows for each of many regular expressions a few texts of which a
// match must contain at least one, and tells quickly which expressions need
// not be tried at all. A user agent is seen by 1,200 expressions; all but some
// dozen fall here, which makes an unknown one cost microseconds instead of the
// better part of a millisecond.
type prefilter struct {
	literals []literal
	index    map[string]uint16 // literal → its place
}

// literal is a text in lower case, and the bits of its pairs of letters: when
// one of them is not set for a user agent, it cannot contain the literal.
type literal struct {
	text string
	bits [3]uint16
}

// pairBits is the size of the set of letter pairs, in bits.
const pairBits = 4096

func pair(a, b byte) uint16 { return (uint16(a)*67 + uint16(b)) % pairBits }

// need returns the literals of which a match of expr must contain one, as
// places in p.literals; nil when there is no such set and expr must be tried.
func (p *prefilter) need(expr string) []uint16 {
	re, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return nil
	}
	var places []uint16
	for _, text := range required(re.Simplify()) {
		place, ok := p.index[text]
		if !ok {
			if p.index == nil {
				p.index = make(map[string]uint16)
			}
			place = uint16(len(p.literals))
			last := len(text) - 2
			p.literals = append(p.literals, literal{text, [3]uint16{
				pair(text[0], text[1]), pair(text[last], text[last+1]), pair(text[last/2], text[last/2+1])}})
			p.index[text] = place
		}
		places = append(places, place)
	}
	return places
}

// required returns texts, in lower case and of at least two letters, of which
// every match of re contains one; nil when it finds none.
func required(re *syntax.Regexp) []string {
	switch re.Op {
	case syntax.OpLiteral:
		return longestASCII(re.Rune)
	case syntax.OpCapture, syntax.OpPlus:
		return required(re.Sub[0])
	case syntax.OpRepeat:
		if re.Min > 0 {
			return required(re.Sub[0])
		}
	case syntax.OpConcat:
		var best []string
		for _, sub := range re.Sub {
			if texts := required(sub); better(texts, best) {
				best = texts
			}
		}
		return best
	case syntax.OpAlternate:
		var all []string
		for _, sub := range re.Sub {
			texts := required(sub)
			if texts == nil {
				return nil
			}
			all = append(all, texts...)
		}
		return all
	}
	return nil
}

// better says whether a rules out more than b: its shortest text is longer, or
// there are fewer.
func better(a, b []string) bool {
	if a == nil || b == nil {
		return b == nil && a != nil
	}
	return shortest(a) > shortest(b) || shortest(a) == shortest(b) && len(a) < len(b)
}

func shortest(texts []string) int {
	n := len(texts[0])
	for _, t := range texts {
		n = min(n, len(t))
	}
	return n
}

// longestASCII returns the longest part of a literal that folds to lower case
// byte by byte.
func longestASCII(runes []rune) []string {
	best, from := "", 0
	text := make([]byte, len(runes))
	for i := 0; i <= len(runes); i++ {
		if i < len(runes) && runes[i] < 0x80 {
			text[i] = lower(byte(runes[i]))
			continue
		}
		if i-from > len(best) {
			best = string(text[from:i])
		}
		from = i + 1
	}
	if len(best) < 2 {
		return nil
	}
	return []string{best}
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

// trial answers for one user agent after the other which expressions are worth
// trying. For one goroutine.
type trial struct {
	*prefilter
	all   bool // try everything
	text  string
	fold  []byte
	pairs [pairBits / 64]uint64
	seen  []int8 // per literal: 0 not looked for yet, 1 there, -1 not
}

func (t *trial) reset(text []byte) {
	if t.seen == nil {
		t.seen = make([]int8, len(t.literals))
	}
	clear(t.seen)
	clear(t.pairs[:])
	t.fold, t.all = t.fold[:0], false
	for i, c := range text {
		t.fold = append(t.fold, lower(c))
		if i > 0 {
			p := pair(t.fold[i-1], t.fold[i])
			t.pairs[p/64] |= 1 << (p % 64)
		}
		// Two letters beyond ASCII count as k and s where case is ignored
		// (U+212A, U+017F); who sends them pays for the whole list.
		t.all = t.all || c == 0xe2 || c == 0xc5
	}
	t.text = string(t.fold)
}

// worth says whether an expression with this need can match.
func (t *trial) worth(need []uint16) bool {
	if need == nil || t.all {
		return true
	}
	for _, n := range need {
		if t.seen[n] == 0 {
			t.seen[n] = -1
			l := &t.literals[n]
			if t.has(l.bits[0]) && t.has(l.bits[1]) && t.has(l.bits[2]) && strings.Contains(t.text, l.text) {
				t.seen[n] = 1
			}
		}
		if t.seen[n] > 0 {
			return true
		}
	}
	return false
}

func (t *trial) has(p uint16) bool { return t.pairs[p/64]&(1<<(p%64)) != 0 }
