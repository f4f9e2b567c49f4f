package parse

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/fluent-siem/fluent-siem/internal/indicator"
)

// STIXObject is what is read of an object of a bundle or of TAXII.
type STIXObject struct {
	Type        string `json:"type"`
	ID          string `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description"`
	Pattern     string `json:"pattern"`
	PatternType string `json:"pattern_type"` // absent in STIX 2.0: stix
	Created     string `json:"created"`
	Modified    string `json:"modified"`
	Published   string `json:"published"`
	FirstSeen   string `json:"first_seen"`
	LastSeen    string `json:"last_seen"`
	ValidFrom   string `json:"valid_from"`
	ValidUntil  string `json:"valid_until"`
	Revoked     bool   `json:"revoked"`
	References  []struct {
		URL string `json:"url"`
	} `json:"external_references"`
}

// stix reads a bundle of STIX 2.0 or 2.1, or several after each other. Only
// its indicators count.
func stix(r io.Reader, o Origin, s Sink) error {
	return wrap("a bundle of STIX", documents(r, func(b *struct {
		Type    string            `json:"type"`
		ID      string            `json:"id"`
		Objects []json.RawMessage `json:"objects"`
	}) error {
		if b.Type != "bundle" && !strings.HasPrefix(b.ID, "bundle--") {
			return errors.New("it is no bundle")
		}
		return STIXObjects(b.Objects, o, s)
	}))
}

// STIXObjects gives the values of the indicators among objects to s.
func STIXObjects(objects []json.RawMessage, o Origin, s Sink) error {
	for n, raw := range objects {
		var object STIXObject
		if err := json.Unmarshal(raw, &object); err != nil {
			s.left(n+1, err)
			continue
		}
		if err := object.rows(n+1, o, s); err != nil {
			return err
		}
	}
	return nil
}

func (object *STIXObject) rows(n int, o Origin, s Sink) error {
	if object.Type != "indicator" || object.Revoked {
		return nil
	}
	if t := object.PatternType; t != "" && t != "stix" {
		s.left(n, fmt.Errorf("%s has a pattern of type %.40q; only stix is read", object.ID, t))
		return nil
	}
	values, err := patternValues(object.Pattern)
	if err != nil {
		s.left(n, fmt.Errorf("%s: %w", object.ID, err))
		return nil
	}
	if len(values) == 0 {
		s.left(n, fmt.Errorf("%s has no value that is looked up in its pattern %.100s", object.ID, object.Pattern))
		return nil
	}
	for _, v := range values {
		r := &indicator.Row{
			Name: object.Name, Description: object.Description, FirstSeen: first(when(object.FirstSeen), when(object.ValidFrom)), LastSeen: when(object.LastSeen),
			Modified: first(when(object.Modified), when(object.Published), when(object.Created)), ValidUntil: when(object.ValidUntil),
		}
		for _, reference := range object.References {
			r.Reference = first(r.Reference, reference.URL)
		}
		if v.partly {
			r.Description = strings.TrimSpace(r.Description + " (one condition of: " + object.Pattern + ")")
		}
		row, err := o.fill(v.text, r)
		if err == nil && v.kind != "" && row.Type != v.kind {
			err = fmt.Errorf("%s: %q is no %s", object.ID, v.text, v.kind)
		}
		if err := s.given(n, row, err); err != nil {
			return err
		}
	}
	return nil
}
