package enrich

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"

	"github.com/gaissmai/bart"
)

// Indicator is one row of a feed: an address, a network or a domain that
// somebody warns of. It never changes.
type Indicator struct {
	Provider    string `json:"provider"`
	Type        string `json:"type"` // ipv4-addr, ipv6-addr or domain-name
	Value       string `json:"value"`
	Name        string `json:"name"`
	Reference   string `json:"reference"`
	FirstSeen   string `json:"first_seen"`
	LastSeen    string `json:"last_seen"`
	Modified    string `json:"modified"`
	Description string `json:"description"`
}

// Indicators is a table of indicators. It does not change: a newer one is
// another table.
type Indicators struct {
	addresses bart.Table[[]*Indicator]
	domains   map[string][]*Indicator
	n         int
}

// RowError says which row of a feed was left out, and why.
type RowError struct {
	Line int
	Err  error
}

func (e *RowError) Error() string {
	return fmt.Sprintf("indicator in line %d is left out: %v", e.Line, e.Err)
}

func (e *RowError) Unwrap() error { return e.Err }

// largestRow is the longest line of a feed that is read, in bytes.
const largestRow = 1 << 20

// LoadIndicators reads rows as NDJSON. Rows that say nothing usable are left
// out and told as [RowError]s, the first hundred of them; the table is what the
// others make. An error of the reader itself means that there is no table.
func LoadIndicators(r io.Reader) (t *Indicators, left []error, err error) {
	t = &Indicators{domains: make(map[string][]*Indicator)}
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 64<<10), largestRow)
	for line := 1; lines.Scan(); line++ {
		text := bytes.TrimSpace(lines.Bytes())
		if len(text) == 0 {
			continue
		}
		i := &Indicator{}
		err := json.Unmarshal(text, i)
		if err == nil {
			err = t.add(i)
		}
		if err != nil && len(left) < 100 {
			left = append(left, &RowError{line, err})
		}
	}
	if err := lines.Err(); err != nil {
		return nil, left, fmt.Errorf("indicators cannot be read to the end: %w; the table before them stays in use", err)
	}
	return t, left, nil
}

func (t *Indicators) add(i *Indicator) error {
	switch i.Type {
	case "domain-name":
		if i.Value == "" {
			return errors.New("it has no value")
		}
		t.domains[i.Value] = append(t.domains[i.Value], i)
	case "ipv4-addr", "ipv6-addr":
		prefix, err := netip.ParsePrefix(i.Value)
		if err != nil {
			a, err := netip.ParseAddr(i.Value)
			if err != nil || a.Zone() != "" {
				return fmt.Errorf("%q is neither an address nor a network", i.Value)
			}
			a = a.Unmap()
			prefix = netip.PrefixFrom(a, a.BitLen())
		}
		t.addresses.Modify(prefix.Masked(), func(rows []*Indicator, _ bool) ([]*Indicator, bool) {
			return append(rows, i), false
		})
	default:
		return fmt.Errorf("its type %q is none of ipv4-addr, ipv6-addr, domain-name", i.Type)
	}
	t.n++
	return nil
}

// Len is how many indicators the table has. A nil table has none.
func (t *Indicators) Len() int {
	if t == nil {
		return 0
	}
	return t.n
}

// Addr appends to into every indicator whose network holds a, narrowest first.
// Private and reserved addresses match none: every network has them.
func (t *Indicators) Addr(a netip.Addr, into []*Indicator) []*Indicator {
	if t == nil {
		return into
	}
	a = a.Unmap().WithZone("")
	if !t.addresses.Contains(a) || reserved.Contains(a) { // the first is false for nearly all addresses
		return into
	}
	for _, rows := range t.addresses.Supernets(netip.PrefixFrom(a, a.BitLen())) {
		into = append(into, rows...)
	}
	return into
}

// Domain returns the indicators for exactly this name, as it is written. The
// result belongs to the table.
func (t *Indicators) Domain(name string) []*Indicator {
	if t == nil {
		return nil
	}
	return t.domains[name]
}

// reserved are the addresses that no indicator can mean: private, loopback,
// link-local, documentation, benchmarking, and what is not assigned for use.
var reserved = func() *bart.Lite {
	t := new(bart.Lite)
	for _, p := range []string{
		"0.0.0.0/8", "10.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/29", "192.0.0.170/31",
		"192.0.2.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
		"::/8", "100::/8", "200::/7", "400::/6", "800::/5", "1000::/4", "2001::/23", "2001:db8::/32", "4000::/3", "6000::/3", "8000::/3", "a000::/3",
		"c000::/3", "e000::/4", "f000::/5", "f800::/6", "fc00::/7", "fe00::/9", "fe80::/10",
	} {
		t.Insert(netip.MustParsePrefix(p))
	}
	return t
}()
