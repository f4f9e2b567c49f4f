package parse

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/fluent-siem/fluent-siem/internal/indicator"
)

// abuseCH is the provider of Feodo Tracker, URLhaus and ThreatFox.
const abuseCH = "abuse.ch"

// given gives a row to the sink, or tells why there is none.
func (s Sink) given(n int, row *indicator.Row, err error) error {
	if err != nil {
		s.left(n, err)
		return nil
	}
	return s.add(n, row)
}

func (o Origin) orAbuseCH() Origin {
	o.Provider = first(o.Provider, abuseCH)
	return o
}

func (o Origin) feodo(ip, malware, status, firstSeen, lastOnline string) (*indicator.Row, error) {
	r := &indicator.Row{Name: malware, FirstSeen: when(firstSeen), LastSeen: when(lastOnline)}
	if status != "" {
		r.Description = "status is " + status
	}
	row, err := o.fill(ip, r)
	if err == nil {
		row.Reference = "https://feodotracker.abuse.ch/browse/host/" + row.Value + "/"
	}
	return row, err
}

// feodoJSON reads ipblocklist.json of Feodo Tracker.
func feodoJSON(r io.Reader, o Origin, s Sink) error {
	o = o.orAbuseCH()
	err := list(r, func(n int, e *struct {
		IP         string `json:"ip_address"`
		Status     string `json:"status"`
		FirstSeen  string `json:"first_seen"`
		LastOnline string `json:"last_online"`
		Malware    string `json:"malware"`
	}) error {
		row, err := o.feodo(e.IP, e.Malware, e.Status, e.FirstSeen, e.LastOnline)
		return s.given(n, row, err)
	})
	return wrap("a block list of Feodo Tracker in JSON", err)
}

// feodoCSV reads ipblocklist.csv of Feodo Tracker.
func feodoCSV(r io.Reader, o Origin, s Sink) error {
	o = o.orAbuseCH()
	return wrap("a block list of Feodo Tracker in CSV", table(r, []string{"first_seen_utc", "dst_ip", "dst_port", "c2_status", "last_online", "malware"},
		func(line int, field func(string) string) error {
			row, err := o.feodo(field("dst_ip"), field("malware"), field("c2_status"), field("first_seen_utc"), field("last_online"))
			return s.given(line, row, err)
		}))
}

// wrap names the format in an error of reading it.
func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s cannot be read: %w", what, err)
}

func (o Origin) urlhaus(u, threat, status, tags, added, lastOnline, link string) (*indicator.Row, error) {
	r := &indicator.Row{Name: first(threat, "malware_download"), Reference: link, FirstSeen: when(added), LastSeen: when(lastOnline), Description: "status is " + status}
	if tags != "" {
		r.Description += ", tags " + tags
	}
	return o.fill(u, r)
}

// urlhausJSON reads the JSON dump of URLhaus: {"id": [entry]}.
func urlhausJSON(r io.Reader, o Origin, s Sink) error {
	o = o.orAbuseCH()
	return wrap("a dump of URLhaus in JSON", list(r, func(n int, e *struct {
		Added      string   `json:"dateadded"`
		URL        string   `json:"url"`
		Status     string   `json:"url_status"`
		LastOnline string   `json:"last_online"`
		Threat     string   `json:"threat"`
		Tags       []string `json:"tags"`
		Link       string   `json:"urlhaus_link"`
	}) error {
		row, err := o.urlhaus(e.URL, e.Threat, e.Status, strings.Join(e.Tags, ", "), e.Added, e.LastOnline, e.Link)
		return s.given(n, row, err)
	}))
}

// urlhausCSV reads the CSV dump of URLhaus.
func urlhausCSV(r io.Reader, o Origin, s Sink) error {
	o = o.orAbuseCH()
	return wrap("a dump of URLhaus in CSV", table(r, []string{"id", "dateadded", "url", "url_status", "last_online", "threat", "tags", "urlhaus_link", "reporter"},
		func(line int, field func(string) string) error {
			row, err := o.urlhaus(field("url"), field("threat"), field("url_status"), field("tags"), field("dateadded"), field("last_online"), field("urlhaus_link"))
			return s.given(line, row, err)
		}))
}

func (o Origin) threatfox(value, typ, threat, malware, first_, last, reference, confidence, tags string) (*indicator.Row, error) {
	r := &indicator.Row{Name: malware, Reference: reference, FirstSeen: when(first_), LastSeen: when(last), Description: threat}
	if confidence != "" {
		r.Description += ", confidence " + confidence
	}
	if tags != "" {
		r.Description += ", tags " + tags
	}
	switch typ {
	case "ip:port", "domain", "url", "md5_hash", "sha1_hash", "sha256_hash":
		return o.fill(value, r)
	}
	return nil, fmt.Errorf("its type %.40q is none that is looked up", typ)
}

// threatfoxJSON reads an export of ThreatFox in JSON: {"id": [entry]}.
func threatfoxJSON(r io.Reader, o Origin, s Sink) error {
	o = o.orAbuseCH()
	return wrap("an export of ThreatFox in JSON", list(r, func(n int, e *struct {
		Value      string      `json:"ioc_value"`
		Type       string      `json:"ioc_type"`
		Threat     string      `json:"threat_type"`
		Malware    string      `json:"malware_printable"`
		First      string      `json:"first_seen_utc"`
		Last       string      `json:"last_seen_utc"`
		Confidence json.Number `json:"confidence_level"`
		Reference  string      `json:"reference"`
		Tags       string      `json:"tags"`
	}) error {
		row, err := o.threatfox(e.Value, e.Type, e.Threat, e.Malware, e.First, e.Last, e.Reference, e.Confidence.String(), e.Tags)
		return s.given(n, row, err)
	}))
}

// threatfoxCSV reads an export of ThreatFox in CSV.
func threatfoxCSV(r io.Reader, o Origin, s Sink) error {
	o = o.orAbuseCH()
	return wrap("an export of ThreatFox in CSV", table(r, []string{"first_seen_utc", "ioc_id", "ioc_value", "ioc_type", "threat_type", "fk_malware", "malware_alias",
		"malware_printable", "last_seen_utc", "confidence_level", "is_compromised", "reference", "tags", "anonymous", "reporter"},
		func(line int, field func(string) string) error {
			row, err := o.threatfox(field("ioc_value"), field("ioc_type"), field("threat_type"), field("malware_printable"), field("first_seen_utc"),
				field("last_seen_utc"), field("reference"), field("confidence_level"), field("tags"))
			return s.given(line, row, err)
		}))
}
