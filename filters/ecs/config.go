package ecs

import (
	"os"
	"time"

	"github.com/fluent-siem/fluent-siem/internal/settings"
)

// Config is what an operator writes under the filter "ecs".
type Config struct {
	// LogtypesDir holds log types of your own, one YAML file each: they add to
	// the shipped ones or replace those of the same name. Changes are loaded
	// while running; an invalid file is refused and the last good set stays.
	LogtypesDir string `conf:"logtypes_dir"`

	// GeoipDir holds GeoLite2-City.mmdb and GeoLite2-ASN.mmdb, or other databases
	// (see GeoIP below). A new file is used as soon as it is complete. Without the
	// directory, or without a file, documents have no geo and as fields.
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

	// ExcludeConditions is a YAML or JSON file of conditions for records that are
	// not wanted, or a folder of such files. Each is an item of a list with
	// log_type, name, action (EXCLUDE, the default, COUNT or DISABLE) and
	// expression, JMESPath on the finished document. What
	// aws ssm get-parameters-by-path prints is accepted too.
	ExcludeConditions string `conf:"exclude_conditions"`

	// ExcludeS3 are objects with such rules, separated by commas, like
	// s3://bucket/exclude_log_patterns.csv; conditions where the key ends with
	// .yaml, .yml or .json.
	ExcludeS3 []string `conf:"exclude_s3"`

	// ExcludeParameters is a path in SSM Parameter Store below which conditions
	// are, named <log type>/<name>, such as /siem/exclude-logs, the original's.
	// The value is {"action": …, "expression": …}.
	ExcludeParameters string `conf:"exclude_parameters"`

	// ExcludeRefresh is how often S3 and Parameter Store are asked for changed
	// rules. On an error the last good rules stay.
	ExcludeRefresh time.Duration `conf:"exclude_refresh"`

	// ExcludeTrial lets every record pass that a rule of the settings above would
	// exclude. Each rule is counted, and the first documents of each hour are
	// logged.
	ExcludeTrial bool `conf:"exclude_trial"`

	// Region is where exclude_s3 and exclude_parameters are. Empty: as the
	// environment says.
	Region string `conf:"region"`

	// Endpoint is the URL of a service compatible with S3 and Parameter Store, in
	// place of AWS.
	Endpoint string `conf:"endpoint"`

	// S3Endpoint is the URL for S3 alone, when it differs from endpoint.
	S3Endpoint string `conf:"aws_s3_endpoint"`

	// SSMEndpoint is the URL for Parameter Store alone, when it differs from endpoint.
	SSMEndpoint string `conf:"aws_ssm_endpoint"`

	// STSEndpoint is the URL for STS, which gives out the credentials of a role.
	STSEndpoint string `conf:"aws_sts_endpoint"`

	// AssumeRoleARN is a role to assume for exclude_s3 and exclude_parameters.
	AssumeRoleARN string `conf:"assume_role_arn"`

	// ExternalID goes with the role.
	ExternalID string `conf:"external_id"`

	// IndicatorsFile is the table of indicators of compromise that
	// `fluent-siem ioc build` or the sidecar makes. It is mapped: all processes
	// of a machine share its memory. It may be missing, and come later.
	IndicatorsFile string `conf:"indicators_file"`

	// ProxiesFile lists the networks of proxies that are trusted (your own load
	// balancers, a content delivery network), one a line: where one of them is
	// the client of a web server, the address that it forwarded takes its place. The sidecar
	// makes such a list; the file may be missing, and come later.
	ProxiesFile string `conf:"proxies_file"`

	// AssetsDir holds tables of your own: names of accounts, networks, which
	// instance is which service. NAME.yaml says which fields they are joined with
	// and which they set. The folder may be missing, and come later.
	AssetsDir string `conf:"assets_dir"`

	// StaleAfter is the age from which health and a log line say that a GeoIP database
	// or the table of indicators is too old; a table that says when a newer one is due is
	// also when that is past. MaxMind's licence asks for 30 days. 0: never.
	StaleAfter time.Duration `conf:"stale_after"`

	// TableVersions says which documents tell, as siem.tables, which versions of the
	// tables they were made with: matches (those that an indicator matched), all or none.
	// The ledger knows them of each object.
	TableVersions TableVersions `conf:"table_versions"`

	// TablesOf says which tables an event is enriched with: newest, or event, those that
	// were in use at the end of its own day, if history_dir has them; then documents have
	// siem.tables. A replay or a backfill may ask for event by itself.
	TablesOf string `conf:"tables_of"`

	// HistoryDir is where the sidecar keeps the tables of days past.
	HistoryDir string `conf:"history_dir"`

	// AddFields are fields to be made of others, in every log type that has these:
	// community_id (network.community_id), dns_domains (registered domain, top-level domain
	// and subdomain of dns.question.name) and dns_entropy (dns.question.entropy). A log type may
	// name them under steps, too.
	AddFields []string `conf:"add_fields"`

	// ExtensionsFile names processes of your own that change documents of some log
	// types, with the checksum of each. No other runs. A change of the file is
	// taken while running. See extensions.md.
	ExtensionsFile string `conf:"extensions_file"`

	// Threads is how many cores one buffer is spread over; 0 is all of them.
	Threads int `conf:"threads"`
}

// Defaults returns a Config that works as it is.
func Defaults() Config {
	return Config{DocumentID: Natural, Emit: "record", ExcludeRefresh: 5 * time.Minute, StaleAfter: 30 * 24 * time.Hour,
		TableVersions: OfMatches, TablesOf: "newest", HistoryDir: "/var/lib/fluent-siem/history"}
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
	for key, path := range map[string]string{"logtypes_dir": c.LogtypesDir, "exclude_file": c.ExcludeFile, "exclude_conditions": c.ExcludeConditions} {
		if path == "" {
			continue
		}
		if _, err := os.Stat(path); err != nil {
			bad.Add(key, "%v", err)
		}
	}
	if v := c.TableVersions; v != "" && v != OfMatches && v != OfAll && v != OfNone {
		bad.Add("table_versions", "%q; use matches, all or none", v)
	}
	if c.TablesOf != "" && c.TablesOf != "newest" && c.TablesOf != "event" {
		bad.Add("tables_of", "%q; use newest or event", c.TablesOf)
	}
	if c.TablesOf == "event" && c.HistoryDir == "" {
		bad.Add("history_dir", "is missing, and tables_of is event")
	}
	if err := checkOptional(c.AddFields); err != nil {
		bad.Add("add_fields", "%v", err)
	}
	c.checkExclusion(&bad)
	return bad.Err()
}
