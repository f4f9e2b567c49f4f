package enrich

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/netip"
	"strings"

	"github.com/gaissmai/bart"
	"github.com/zeebo/xxh3"
)

// Proxies are the networks whose word about the client is believed: one's own
// load balancers, CloudFront and the like. The table does not change. A nil
// table trusts nobody.
type Proxies struct {
	networks bart.Lite
	n        int
	version  string
}

// Version is a short name of the networks, "" for a nil table.
func (p *Proxies) Version() string {
	if p == nil {
		return ""
	}
	return p.version
}

// NewProxies reads networks or addresses, such as 10.0.0.0/8; host bits do no
// harm. Those that are neither are left out and told as errors.
func NewProxies(networks []string) (*Proxies, []error) {
	t := &Proxies{version: fmt.Sprintf("%016x", xxh3.HashString(strings.Join(networks, "\n")))[:8]}
	var left []error
	for _, text := range networks {
		text = strings.TrimSpace(text)
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			a, err := netip.ParseAddr(text)
			if err != nil {
				left = append(left, fmt.Errorf("trusted proxy %q is neither a network nor an address and is left out; write it like 10.0.0.0/8", text))
				continue
			}
			a = a.Unmap().WithZone("")
			prefix = netip.PrefixFrom(a, a.BitLen())
		}
		t.networks.Insert(prefix.Masked())
		t.n++
	}
	return t, left
}

// LoadProxies reads a list with one network or address a line. What follows a
// blank or # is a comment. It fails only when reading does.
func LoadProxies(r io.Reader) (*Proxies, []error, error) {
	var networks []string
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		text, _, _ := strings.Cut(lines.Text(), "#")
		if words := strings.Fields(text); len(words) > 0 {
			networks = append(networks, words[0])
		}
	}
	if err := lines.Err(); err != nil {
		return nil, nil, err
	}
	t, left := NewProxies(networks)
	return t, left, nil
}

// Len is how many networks the table has.
func (t *Proxies) Len() int {
	if t == nil {
		return 0
	}
	return t.n
}

// Trusts says whether a is a trusted proxy.
func (t *Proxies) Trusts(a netip.Addr) bool {
	return t != nil && t.networks.Contains(a.Unmap().WithZone(""))
}

// Client returns who really made a request that came from peer with this
// X-Forwarded-For list ("a, b, c"; each proxy appends whom it heard). When peer
// is no trusted proxy, the list may be forged and peer is the client. Else the
// list is walked from its end to the first address that is not trusted: that
// one is the client. ok is false when peer stays: it is not trusted, the list
// names only proxies, or what it names is no address.
func (t *Proxies) Client(peer netip.Addr, forwarded []byte) (client netip.Addr, ok bool) {
	if len(forwarded) == 0 || !t.Trusts(peer) {
		return peer, false
	}
	for len(forwarded) > 0 {
		last := forwarded
		if comma := bytes.LastIndexByte(forwarded, ','); comma >= 0 {
			last, forwarded = forwarded[comma+1:], forwarded[:comma]
		} else {
			forwarded = nil
		}
		a, err := hop(bytes.TrimSpace(last))
		if err != nil {
			return peer, false // somebody we trust heard of somebody without an address: whoever stands before may be invented
		}
		if !t.Trusts(a) {
			return a, true
		}
	}
	return peer, false
}

// hop reads one address of the list, also with brackets and a port, as some
// proxies write it.
func hop(text []byte) (netip.Addr, error) {
	s := strings.Trim(string(text), `"`)
	if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return a, nil
	}
	p, err := netip.ParseAddrPort(s)
	return p.Addr(), err
}
