package parse

import (
	"errors"
	"io"
	"time"

	"github.com/fluent-siem/fluent-siem/internal/indicator"
)

// Pulse is a pulse of AlienVault OTX.
type Pulse struct {
	ID          string         `json:"id"`
	Name        string         `json:"name"`
	Description string         `json:"description"`
	Modified    string         `json:"modified"`
	Created     string         `json:"created"`
	Indicators  []OTXIndicator `json:"indicators"`
}

// OTXIndicator is an indicator of a pulse. is_active is 1 or 0, as a number or
// a truth value.
type OTXIndicator struct {
	Value       string `json:"indicator"`
	Type        string `json:"type"`
	Title       string `json:"title"`
	Description string `json:"description"`
	Created     string `json:"created"`
	Active      any    `json:"is_active"`
	Expiration  string `json:"expiration"`
}

// otxTypes are the types of OTX that can be looked up.
var otxTypes = map[string]bool{
	"IPv4": true, "IPv6": true, "CIDR": true, "domain": true, "hostname": true, "URL": true, "URI": false,
	"FileHash-MD5": true, "FileHash-SHA1": true, "FileHash-SHA256": true,
}

// otx reads pulses: one, or several after each other.
func otx(r io.Reader, o Origin, s Sink) error {
	return wrap("a pulse of OTX", documents(r, func(p *Pulse) error {
		if p.ID == "" && p.Name == "" {
			return errors.New("it has neither id nor name")
		}
		return p.Rows(o, s)
	}))
}

// Rows gives the indicators of a pulse to s. Those that are not active, or
// whose expiration has passed, are left out silently: that is how OTX takes
// them back.
func (p *Pulse) Rows(o Origin, s Sink) error {
	o.Provider = first(o.Provider, "AlienVault_OTX")
	for n, i := range p.Indicators {
		if !otxTypes[i.Type] || i.Active == false || i.Active == 0.0 {
			continue
		}
		until := when(i.Expiration)
		if until != "" && until < time.Now().UTC().Format(time.RFC3339) {
			continue
		}
		description := p.Description
		for _, more := range []string{i.Title, i.Description} {
			if more != "" {
				description = first(description, more)
				if description != more {
					description += " | " + more
				}
			}
		}
		r := &indicator.Row{Name: p.Name, Description: description, FirstSeen: when(i.Created), Modified: when(p.Modified), ValidUntil: until}
		if p.ID != "" {
			r.Reference = "https://otx.alienvault.com/pulse/" + p.ID
		}
		row, err := o.fill(i.Value, r)
		if err := s.given(n+1, row, err); err != nil {
			return err
		}
	}
	return nil
}
