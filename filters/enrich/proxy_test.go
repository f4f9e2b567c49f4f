package enrich

import (
	"net/netip"
	"testing"
)

func TestClientBehindProxies(t *testing.T) {
	proxies, left := NewProxies([]string{"216.160.83.56/29", "198.51.100.7", " 10.0.0.5/8", "2001:db8::/32", "nonsense"})
	if proxies.Len() != 4 || len(left) != 1 {
		t.Fatalf("%d networks, left out %v", proxies.Len(), left)
	}
	for _, c := range []struct{ peer, forwarded, client string }{
		{"216.160.83.57", "81.2.69.142", "81.2.69.142"},                                                       // golden nginx-access/xff
		{"216.160.83.57", "1.1.1.1, 89.160.20.112, 198.51.100.7", "89.160.20.112"},                            // the nearest that is not trusted
		{"203.0.113.5", "81.2.69.142", ""},                                                                    // peer is a stranger: the list may be forged
		{"10.0.0.1", "10.1.1.1, 10.2.2.2", ""},                                                                // nobody but proxies
		{"10.0.0.1", "175.16.199.1, 10.2.2.2", "175.16.199.1"}, {"2001:db8::1", "2001:218::1", "2001:218::1"}, // golden
		{"10.0.0.1", "", ""}, {"10.0.0.1", "8.8.8.8,unknown", ""}, {"10.0.0.1", "unknown,8.8.8.8", "8.8.8.8"},
		{"::ffff:10.0.0.1", `"[2001:218::1]:443", 10.0.0.9:80`, "2001:218::1"}, {"10.0.0.1", " , ", ""},
	} {
		peer := netip.MustParseAddr(c.peer)
		got, ok := proxies.Client(peer, []byte(c.forwarded))
		want := peer
		if c.client != "" {
			want = netip.MustParseAddr(c.client)
		}
		if got != want || ok != (c.client != "") {
			t.Errorf("%s with %q: %v, %v; want %v", c.peer, c.forwarded, got, ok, want)
		}
	}
	if got, ok := (*Proxies)(nil).Client(netip.MustParseAddr("10.0.0.1"), []byte("8.8.8.8")); ok {
		t.Errorf("nobody is trusted, but the client is %v", got)
	}
}
