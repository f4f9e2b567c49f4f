package enrich

import (
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"

	"github.com/gaissmai/bart"

	"github.com/fluent-siem/fluent-siem/internal/follow"
	"github.com/fluent-siem/fluent-siem/internal/indicator"
)

// Indicators is a table of indicators: a file that the sidecar, or
// `fluent-siem ioc build`, makes, and that is mapped. It does not change: a
// newer one is another table.
type Indicators = indicator.Table

// Indicator is one row of a table: what one provider says of one value.
type Indicator = indicator.Row

// OpenIndicators follows the table at path: one that replaces it is taken into
// use when it is whole. The file may come later.
func OpenIndicators(path string, log *slog.Logger) *follow.File[*Indicators] {
	return follow.Open(path, log, func(r io.Reader) (*Indicators, error) {
		f, ok := r.(*os.File)
		if !ok {
			return nil, fmt.Errorf("a table of indicators is mapped from a file, not read from a %T", r)
		}
		return indicator.Open(f)
	})
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

// indicatorsOf appends to into the indicators for a. Private and reserved
// addresses match none: every network has them.
func indicatorsOf(t *Indicators, a netip.Addr, into []*Indicator) []*Indicator {
	n := len(into)
	into = t.Addr(a.WithZone(""), into)
	if len(into) > n && reserved.Contains(a.Unmap().WithZone("")) { // nearly no address comes this far
		return into[:n]
	}
	return into
}
