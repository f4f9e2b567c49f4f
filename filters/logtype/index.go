package logtype

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fluent-siem/fluent-siem/internal/settings"
)

// Index says where documents go.
type Index struct {
	Name string `yaml:"name"`
	// Also are names that a step may choose instead by what the record says;
	// no record goes anywhere else.
	Also     []string `yaml:"also"`
	Suffix   string   `yaml:"suffix"`
	Rotation Rotation `yaml:"rotation"` // default monthly
	Zone     string   `yaml:"zone"`     // ±HH:MM of the date in the name; default +00:00
	Time     string   `yaml:"time"`     // event (default) or ingested
}

// Rotation is how often a new index begins.
type Rotation string

// The rotations.
const (
	Monthly Rotation = "monthly"
	Daily   Rotation = "daily"
	Weekly  Rotation = "weekly" // ISO 8601 weeks
	Yearly  Rotation = "yearly"
	Auto    Rotation = "auto" // an alias; the cluster rolls over
)

func (t *Type) checkIndex(bad *settings.Problems) {
	x := &t.Index
	if !ValidIndex(x.Name) || x.Suffix != "" && !ValidIndex(x.Name+"-"+x.Suffix) {
		bad.Add("index.name", "%q is no index name: small letters, digits, - _ . and not - _ + at the start", x.Name)
	}
	for i, name := range x.Also {
		if !ValidIndex(name) {
			bad.Add(fmt.Sprintf("index.also[%d]", i), "%q is no index name", name)
		}
	}
	if x.Rotation == "" {
		x.Rotation = Monthly
	}
	if !slices.Contains([]Rotation{Monthly, Daily, Weekly, Yearly, Auto}, x.Rotation) {
		bad.Add("index.rotation", "%q; use daily, weekly, monthly, yearly or auto", x.Rotation)
	}
	if _, err := ParseZone(x.Zone); err != nil {
		bad.Add("index.zone", "%v", err)
	}
	switch x.Time {
	case "":
		x.Time = "event"
	case "event", "ingested":
	default:
		bad.Add("index.time", "%q; use event or ingested", x.Time)
	}
}

// ValidIndex reports whether s may be the name of an index (OpenSearch, "Create
// index", naming restrictions); control characters are never allowed.
func ValidIndex(s string) bool {
	if s == "" || s == "." || s == ".." || len(s) > 255 || strings.ContainsRune("-_+", rune(s[0])) {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c == 0x7f || c >= 'A' && c <= 'Z' || strings.IndexByte(`\/*?"<>|,#:`, c) >= 0 {
			return false
		}
	}
	return true
}
