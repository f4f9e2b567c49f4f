// Command owners is an example of an extension: it writes who owns an AWS account
// into the documents of a log type, and knows a few indicators.
//
//	go build -o owners ./conf/extensions/go
//	sha256sum owners
//
// As a transformer it adds organization.name by cloud.account.id, drops the calls
// of a service that nobody wants to see, and fails where the account is not known.
// As a feed source it reads the file that the variable BLOCKLIST names, one
// domain or address a line.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"strings"

	"github.com/fluent-siem/fluent-siem/extension"
)

// owners would be a table in a file, or a service.
var owners = map[string]string{
	"123456789012": "Payments",
	"210987654321": "Search",
}

func main() {
	extension.Serve(extension.Extension{Transform: transform, Fetch: fetch})
}

// transform changes one document.
func transform(_ context.Context, _ string, document []byte) ([]byte, error) {
	var event struct {
		Cloud struct {
			Account struct{ ID string }
		}
		EventSource string
	}
	if err := json.Unmarshal(document, &event); err != nil {
		return nil, err
	}
	if event.EventSource == "health.amazonaws.com" {
		return nil, fmt.Errorf("%w: nobody looks at %s", extension.ErrDrop, event.EventSource)
	}
	if event.Cloud.Account.ID == "" {
		return nil, nil // it stays as it is
	}
	owner, ok := owners[event.Cloud.Account.ID]
	if !ok {
		return nil, fmt.Errorf("account %s has no owner", event.Cloud.Account.ID)
	}
	// A document is a JSON object: what is added at its end keeps all numbers as they are.
	name, err := json.Marshal(owner)
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(document[:len(document)-1], `,"organization":{"name":%s}}`, name), nil
}

// fetch sends what is in the file now. The mark is the time of its last change.
func fetch(_ context.Context, mark string, send func(*extension.Indicator) error) (string, error) {
	f, err := os.Open(os.Getenv("BLOCKLIST"))
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	changed := info.ModTime().UTC().Format("2006-01-02T15:04:05.999999999Z")
	if changed == mark {
		return "", extension.ErrUnchanged
	}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		value := strings.TrimSpace(lines.Text())
		if value == "" {
			continue
		}
		kind := "domain-name"
		if a, err := netip.ParseAddr(value); err == nil {
			kind = map[bool]string{true: "ipv4-addr", false: "ipv6-addr"}[a.Is4()]
		}
		if err := send(&extension.Indicator{Type: kind, Value: value, Provider: "blocklist", Modified: changed}); err != nil {
			return "", err
		}
	}
	return changed, lines.Err()
}
