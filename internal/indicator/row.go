package indicator

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// Row is what one provider says of one value. Fields that it does not say are
// "". Times are texts as RFC 3339 writes them, in UTC.
type Row struct {
	Provider    string `json:"provider"`
	Type        string `json:"type"` // ipv4-addr, ipv6-addr, domain-name, url or file, as ECS has it
	Value       string `json:"value"`
	Name        string `json:"name,omitempty"`
	Reference   string `json:"reference,omitempty"`
	FirstSeen   string `json:"first_seen,omitempty"`
	LastSeen    string `json:"last_seen,omitempty"`
	Modified    string `json:"modified,omitempty"`
	Description string `json:"description,omitempty"`
	ValidUntil  string `json:"valid_until,omitempty"` // "": until its feed no longer has it
}

// The types of rows, in the words of ECS and STIX.
const (
	IPv4   = "ipv4-addr"
	IPv6   = "ipv6-addr"
	Domain = "domain-name"
	URL    = "url"
	File   = "file"
)

// Kind is how a value is looked up.
type Kind uint8

// The kinds, in the order their rows have in a file.
const (
	kindAddr4 Kind = 1 + iota
	kindAddr6
	kindNet4
	kindNet6
	kindDomain
	kindURL
	kindHash
)

// The longest texts, in bytes, of a row: what is longer in a description or a
// name is cut, a value that is longer is refused.
const (
	longestValue = 4 << 10
	longestText  = 2 << 10
)

// A row has rowTexts texts; valueField is the place of Value.
const (
	rowTexts   = 10
	valueField = 2
)

// fields lists the texts of a row in the order of the file.
func (r *Row) fields() [rowTexts]*string {
	return [...]*string{&r.Provider, &r.Type, &r.Value, &r.Name, &r.Reference, &r.FirstSeen, &r.LastSeen, &r.Modified, &r.Description, &r.ValidUntil}
}

// appendKey appends to dst the kind of the row and what it is found by. An
// error says why nothing could match it.
func (r *Row) appendKey(dst []byte) ([]byte, error) {
	switch r.Type {
	case IPv4, IPv6:
		return appendNetworkKey(dst, r.Value)
	case Domain:
		name, ok := appendDomain(append(dst, byte(kindDomain)), r.Value)
		if !ok {
			return dst, fmt.Errorf("%q is no domain name", brief(r.Value))
		}
		return name, nil
	case URL:
		u, ok := appendURL(append(dst, byte(kindURL)), r.Value)
		if !ok {
			return dst, fmt.Errorf("%q is no URL", brief(r.Value))
		}
		return u, nil
	case File:
		hash, ok := appendHash(append(dst, byte(kindHash)), r.Value)
		if !ok {
			return dst, fmt.Errorf("%q is no MD5, SHA-1, SHA-256 or SHA-512 in hexadecimal", brief(r.Value))
		}
		return hash, nil
	}
	return dst, fmt.Errorf("its type %q is none of %s, %s, %s, %s, %s", brief(r.Type), IPv4, IPv6, Domain, URL, File)
}

// brief is a text as an error shows it: feeds are anybody's.
func brief(s string) string { return s[:min(len(s), 100)] }

func appendNetworkKey(dst []byte, value string) ([]byte, error) {
	a, err := netip.ParseAddr(value)
	bits := 0
	if err == nil && a.Zone() == "" {
		a = a.Unmap()
		bits = a.BitLen()
	} else {
		p, err := netip.ParsePrefix(value)
		if err != nil {
			return dst, fmt.Errorf("%q is neither an address nor a network", brief(value))
		}
		a, bits = p.Masked().Addr(), p.Bits()
		if a.Is4In6() {
			if bits < 96 {
				return dst, fmt.Errorf("%q holds more than the IPv4 addresses", brief(value))
			}
			a, bits = a.Unmap(), bits-96
		}
	}
	kind := kindAddr4
	if !a.Is4() {
		kind = kindAddr6
	}
	if bits < a.BitLen() {
		kind += kindNet4 - kindAddr4
	}
	dst = append(dst, byte(kind))
	dst = append(dst, a.AsSlice()...)
	if kind == kindNet4 || kind == kindNet6 {
		dst = append(dst, byte(bits))
	}
	return dst, nil
}

// appendDomain appends a name as it is compared: in lower case, without the
// dot of the root. ok is false for what can be none.
func appendDomain(dst []byte, name string) (_ []byte, ok bool) {
	name = strings.TrimSuffix(name, ".")
	if len(name) == 0 || len(name) > 253 {
		return dst, false
	}
	for i := range len(name) {
		c := name[i]
		switch {
		case 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		case c <= ' ', c == 0x7f, c == '/', c == ':', c == '@':
			return dst, false
		}
		dst = append(dst, c)
	}
	return dst, true
}

// appendURL appends a URL as it is compared. ok is false for what has no
// scheme or no host.
func appendURL(dst []byte, u string) (_ []byte, ok bool) {
	scheme := strings.Index(u, "://")
	if scheme <= 0 || len(u) > longestValue {
		return dst, false
	}
	if hash := strings.IndexByte(u, '#'); hash >= 0 {
		u = u[:hash]
	}
	host := len(u)
	if scheme+3 <= len(u) {
		if end := strings.IndexAny(u[scheme+3:], "/?"); end >= 0 {
			host = scheme + 3 + end
		}
	}
	if host <= scheme+3 {
		return dst, false
	}
	for i := range len(u) {
		c := u[i]
		switch {
		case c <= ' ' || c == 0x7f:
			return dst, false
		case i < host && 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		}
		if i == host && c == '?' {
			dst = append(dst, '/')
		}
		dst = append(dst, c)
	}
	if host == len(u) {
		dst = append(dst, '/')
	}
	return dst, true
}

// appendHash appends a hash in lower case.
func appendHash(dst []byte, hash string) (_ []byte, ok bool) {
	switch len(hash) {
	case 32, 40, 64, 128:
	default:
		return dst, false
	}
	for i := range len(hash) {
		c := hash[i]
		switch {
		case '0' <= c && c <= '9', 'a' <= c && c <= 'f':
		case 'A' <= c && c <= 'F':
			c += 'a' - 'A'
		default:
			return dst, false
		}
		dst = append(dst, c)
	}
	return dst, true
}

// absorb takes over from a row of the same provider, name and value what it
// knows better.
func (r *Row) absorb(other *Row) {
	newer := other.Modified > r.Modified
	for _, text := range []struct{ mine, theirs *string }{{&r.Reference, &other.Reference}, {&r.Description, &other.Description}} {
		if *text.theirs != "" && (*text.mine == "" || newer) {
			*text.mine = *text.theirs
		}
	}
	if other.FirstSeen != "" && (r.FirstSeen == "" || other.FirstSeen < r.FirstSeen) {
		r.FirstSeen = other.FirstSeen
	}
	r.LastSeen, r.Modified = max(r.LastSeen, other.LastSeen), max(r.Modified, other.Modified)
	if r.ValidUntil == "" || other.ValidUntil == "" {
		r.ValidUntil = ""
	} else {
		r.ValidUntil = max(r.ValidUntil, other.ValidUntil)
	}
}

var errDamaged = errors.New("it is damaged")

// appendRow appends a row as a block has it.
func appendRow(dst []byte, r *Row) []byte {
	for i, text := range r.fields() {
		s := *text
		if i != valueField && len(s) > longestText {
			s = strings.ToValidUTF8(s[:longestText], "")
		}
		dst = appendText(dst, s)
	}
	return dst
}

func appendText[T string | []byte](dst []byte, s T) []byte {
	n := uint(len(s))
	for n >= 0x80 {
		dst = append(dst, byte(n)|0x80)
		n >>= 7
	}
	return append(append(dst, byte(n)), s...)
}

// cutText cuts a text off b. The text aliases b.
func cutText(b []byte) (text, rest []byte, err error) {
	n, shift := uint64(0), uint(0)
	for i, c := range b[:min(len(b), 5)] {
		n |= uint64(c&0x7f) << shift
		shift += 7
		if c < 0x80 {
			if n > uint64(len(b)-i-1) {
				return nil, nil, errDamaged
			}
			return b[i+1 : i+1+int(n)], b[i+1+int(n):], nil
		}
	}
	return nil, nil, errDamaged
}

// cutRow cuts a row off b. Its texts are copies.
func cutRow(b []byte) (r *Row, rest []byte, err error) {
	begin := b
	for range rowTexts {
		if _, b, err = cutText(b); err != nil {
			return nil, nil, err
		}
	}
	all := string(begin[:len(begin)-len(b)]) // one allocation for all texts
	r = &Row{}
	at := 0
	for _, field := range r.fields() {
		n, shift := 0, 0
		for {
			c := all[at]
			at++
			n |= int(c&0x7f) << shift
			shift += 7
			if c < 0x80 {
				break
			}
		}
		*field = all[at : at+n]
		at += n
	}
	return r, b, nil
}

// skipRow cuts a row off b without reading it.
func skipRow(b []byte) (rest []byte, err error) {
	for range rowTexts {
		if _, b, err = cutText(b); err != nil {
			return nil, err
		}
	}
	return b, nil
}
