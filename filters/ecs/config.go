package ecs

import (
	"os"

	"github.com/fluent-siem/fluent-siem/internal/settings"
)

// Config is what an operator writes under the filter "ecs".
type Config struct {
	// LogtypesDir holds log types of your own, one YAML file each: they add to
	// the shipped ones or replace those of the same name. Changes are loaded
	// while running; an invalid file is refused and the last good set stays.
	LogtypesDir string `conf:"logtypes_dir"`

	// GeoipDir holds GeoLite2-City.mmdb and GeoLite2-ASN.mmdb. A new file is
	// used as soon as it is complete. Without the directory, or without a file,
	// documents have no geo and as fields.
	GeoipDir string `conf:"geoip_dir"`

	// DocumentID says how documents are identified: natural (the record's own
	// id, else a hash of where it stands, so that two equal lines are two events) or
	// content (the ids that SIEM on Amazon OpenSearch Service gave).
	DocumentID IDs `conf:"document_id"`

	// Emit says how events go on: record (a map, for any output) or document
	// (the finished JSON as one value: faster, when only opensearch_bulk follows).
	Emit string `conf:"emit"`

	// LogType is the log type of records that other inputs read (tail,
	// forward). Without it, the tag's last part must be the name of one; other records
	// pass unchanged.
	LogType string `conf:"log_type"`

	// Collection names the type of an OpenSearch Serverless collection, search
	// or timeseries; empty for a domain or cluster.
	Collection Collection `conf:"collection"`

	// ExcludeFile is a CSV of rules for records that are not wanted, in the
	// original's format: log_type,field,pattern,pattern_type,comment.
	ExcludeFile string `conf:"exclude_file"`

	// IndicatorsFile holds indicators of compromise, one JSON object a line.
	IndicatorsFile string `conf:"indicators_file"`

	// ProxiesFile lists the networks of proxies that are trusted (your own load
	// balancers, a content delivery network), one a line: where one of them is
	// the client of a web server, the address that it forwarded takes its place.
	ProxiesFile string `conf:"proxies_file"`

	// Threads is how many cores one buffer is spread over; 0 is all of them.
	Threads int `conf:"threads"`
}

// Defaults returns a Config that works as it is.
func Defaults() Config {
	return Config{DocumentID: Natural, Emit: "record"}
}

// Validate reports every problem at once.
func (c Config) Validate() error {
	var bad settings.Problems
	if c.DocumentID != Natural && c.DocumentID != Content {
		bad.Add("document_id", "%q; use natural or content", c.DocumentID)
	}
	if c.Emit != "record" && c.Emit != "document" {
		bad.Add("emit", "%q; use record or document", c.Emit)
	}
	if c.Collection != Cluster && c.Collection != Search && c.Collection != TimeSeries {
		bad.Add("collection", "%q; use search or timeseries, or leave it out", c.Collection)
	}
	if c.Threads < 0 || c.Threads > 1024 {
		bad.Add("threads", "%d; use 0 for all cores, or their number", c.Threads)
	}
	for key, path := range map[string]string{"logtypes_dir": c.LogtypesDir, "exclude_file": c.ExcludeFile, "indicators_file": c.IndicatorsFile, "proxies_file": c.ProxiesFile} {
		if path == "" {
			continue
		}
		if _, err := os.Stat(path); err != nil {
			bad.Add(key, "%v", err)
		}
	}
	return bad.Err()
}
