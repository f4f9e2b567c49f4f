// Package indicatortest invents feeds of any size, so that benchmarks measure
// what a large organisation has. The same number gives the same rows.
package indicatortest

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/netip"

	"github.com/fluent-siem/fluent-siem/internal/indicator"
)

// Feed gives add n rows like those of large feeds: two fifths addresses, a few
// networks, a quarter domains, a fifth URLs, the rest hashes.
func Feed(n int, add func(*indicator.Row) error) error {
	random := rand.New(rand.NewPCG(1, 2))
	families := []string{"Emotet", "QakBot", "AsyncRAT", "Cobalt Strike", "Remcos", "RedLine Stealer", "Mirai", "Mozi", "FormBook", "AgentTesla"}
	words := []string{"login", "secure", "update", "cdn", "mail", "account", "verify", "app", "api", "static", "download", "portal", "cloud", "docs", "web"}
	ends := []string{"com", "net", "org", "ru", "xyz", "top", "info", "co.uk", "de", "shop"}
	host := func() string {
		name := fmt.Sprintf("%s-%x.%s", words[random.IntN(len(words))], random.Uint32(), ends[random.IntN(len(ends))])
		if random.IntN(3) == 0 {
			name = words[random.IntN(len(words))] + "." + name
		}
		return name
	}
	for i := range n {
		at := fmt.Sprintf("2026-%02d-%02dT%02d:%02d:%02dZ", 1+random.IntN(12), 1+random.IntN(28), random.IntN(24), random.IntN(60), random.IntN(60))
		r := indicator.Row{Provider: "abuse.ch", Name: families[random.IntN(len(families))], FirstSeen: at, Modified: at, Description: "threat type botnet_cc, confidence 75"}
		switch k := random.IntN(100); {
		case k < 39:
			r.Type, r.Value, r.Provider = indicator.IPv4, Address(random).String(), "AlienVault_OTX"
		case k < 41:
			r.Type, r.Value = indicator.IPv4, netip.PrefixFrom(Address(random), 20+random.IntN(12)).String()
		case k < 66:
			r.Type, r.Value = indicator.Domain, host()
		case k < 86:
			r.Type, r.Value = indicator.URL, fmt.Sprintf("http://%s/%s/%x.php", host(), words[random.IntN(len(words))], random.Uint32())
			r.Reference = fmt.Sprintf("https://urlhaus.abuse.ch/url/%d/", 1_000_000+i)
		default:
			var b [32]byte
			for j := range b {
				b[j] = byte(random.Uint32())
			}
			r.Type, r.Value = indicator.File, hex.EncodeToString(b[:])
		}
		if err := add(&r); err != nil {
			return err
		}
	}
	return nil
}

// Address is any address of the internet.
func Address(random *rand.Rand) netip.Addr {
	return netip.AddrFrom4([4]byte{byte(1 + random.IntN(223)), byte(random.Uint32()), byte(random.Uint32()), byte(random.Uint32())})
}
