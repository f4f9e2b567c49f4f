package cluster

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/fluent-siem/fluent-siem/filters/logtype"
	"github.com/fluent-siem/fluent-siem/internal/settings"
)

// Settings are the operator's choices: conf/setup.yaml with comments.
type Settings struct {
	// Name begins the names of everything that is made. Default fluent-siem.
	Name string `yaml:"name"`
	// IndexPrefix is put before the name of every index and pattern.
	IndexPrefix string `yaml:"index_prefix"`
	// Replicas of each shard. Default: the cluster's.
	Replicas *int `yaml:"replicas"`
	// Shards is the number of primary shards of indexes, by the name of a file in
	// conf/opensearch such as log-aws-cloudtrail.
	Shards map[string]int `yaml:"shards"`
	// Rollover are the indexes that the cluster rolls over, besides those of log
	// types with rotation: auto.
	Rollover []string `yaml:"rollover"`
	// Lifecycle is what becomes of indexes as they grow and age, by index name
	// such as log-aws-vpcflowlogs; default is for the others.
	Lifecycle map[string]Lifecycle `yaml:"lifecycle"`
	// Tiers is where warm and cold indexes are kept: ultrawarm (OpenSearch
	// Service), or attribute:NAME for nodes whose node.attr.NAME is warm or cold.
	Tiers string `yaml:"tiers"`
	// Access says who gets the roles loader, exporter and reader.
	Access map[string]Grant `yaml:"access"`
	// Snapshots is where and when snapshots are taken. Default: none.
	Snapshots *Snapshots `yaml:"snapshots"`
	// Notifications is a channel for monitors and policies. Default: none.
	Notifications *Notifications `yaml:"notifications"`
	// ClusterSettings are persistent settings of the cluster.
	ClusterSettings map[string]string `yaml:"cluster_settings"`
}

// Lifecycle is what becomes of an index. Ages are like 30d or 12h; an empty one
// means never.
type Lifecycle struct {
	RolloverSize string `yaml:"rollover_size"` // of a primary shard; default 50gb
	RolloverAge  string `yaml:"rollover_age"`  // default 30d
	Warm         string `yaml:"warm"`
	Cold         string `yaml:"cold"`
	Delete       string `yaml:"delete"`
}

// Grant says who gets a role.
type Grant struct {
	Users        []string `yaml:"users"`
	BackendRoles []string `yaml:"backend_roles"` // such as the ARN of an IAM role
	Hosts        []string `yaml:"hosts"`
}

// Snapshots is a repository and a schedule.
type Snapshots struct {
	Repository struct {
		Type     string            `yaml:"type"`     // s3, fs, …
		Settings map[string]string `yaml:"settings"` // bucket, base_path, region, role_arn, …
	} `yaml:"repository"`
	Cron     string `yaml:"cron"`     // when; default 0 3 * * *
	Timezone string `yaml:"timezone"` // default UTC
	Keep     string `yaml:"keep"`     // age at which snapshots are deleted; default 30d
}

// Notifications is a channel of the notifications plugin.
type Notifications struct {
	TopicARN string `yaml:"sns_topic_arn"`
	RoleARN  string `yaml:"sns_role_arn"` // that the domain assumes; empty on a self-run cluster
	Webhook  string `yaml:"webhook"`
}

// DefaultSettings are the original's: histories of alerts are kept 30 days as
// one index and 120 days in all.
func DefaultSettings() Settings {
	return Settings{
		Name: "fluent-siem",
		ClusterSettings: map[string]string{
			"plugins.alerting.alert_history_max_age":          "30d",
			"plugins.alerting.alert_history_retention_period": "120d",
		},
	}
}

// ReadSettings reads a file of settings.
func ReadSettings(text []byte) (Settings, error) {
	s := DefaultSettings()
	if err := yaml.UnmarshalWithOptions(text, &s, yaml.DisallowUnknownField()); err != nil {
		return s, err
	}
	return s, s.Validate()
}

var (
	nameRE = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,40}$`)
	ageRE  = regexp.MustCompile(`^([1-9][0-9]{0,5})([dhm])$`)
	sizeRE = regexp.MustCompile(`^[1-9][0-9]{0,5}(gb|mb|tb)$`)
)

// roleNames are the roles there are, sorted.
var roleNames = []string{"exporter", "loader", "reader"}

// Validate reports every problem at once.
func (s Settings) Validate() error {
	var bad settings.Problems
	if !nameRE.MatchString(s.Name) {
		bad.Add("name", "%q; small letters, digits and hyphens, at most 41", s.Name)
	}
	if s.IndexPrefix != "" && !logtype.ValidIndex(s.IndexPrefix) {
		bad.Add("index_prefix", "%q cannot begin the name of an index", s.IndexPrefix)
	}
	if s.Replicas != nil && (*s.Replicas < 0 || *s.Replicas > 20) {
		bad.Add("replicas", "%d is not between 0 and 20", *s.Replicas)
	}
	for name, n := range s.Shards {
		if n < 1 || n > 1024 {
			bad.Add("shards."+name, "%d is not between 1 and 1024", n)
		}
	}
	for _, name := range s.Rollover {
		if !logtype.ValidIndex(name) {
			bad.Add("rollover", "%q is no name of an index", name)
		}
	}
	attribute, isAttribute := strings.CutPrefix(s.Tiers, "attribute:")
	if s.Tiers != "" && s.Tiers != "ultrawarm" && (!isAttribute || attribute == "") {
		bad.Add("tiers", "%q; write ultrawarm, or attribute:NAME", s.Tiers)
	}
	for name, l := range s.Lifecycle {
		s.validateLifecycle(&bad, "lifecycle."+name, l)
	}
	for name := range s.Access {
		if !slices.Contains(roleNames, name) {
			bad.Add("access."+name, "is no role; there are loader, exporter and reader")
		}
	}
	if p := s.Snapshots; p != nil {
		if p.Repository.Type == "" {
			bad.Add("snapshots.repository.type", "is missing; write s3 or fs")
		}
		if p.Keep != "" && !ageRE.MatchString(p.Keep) {
			bad.Add("snapshots.keep", "%q is no age; write one like 30d", p.Keep)
		}
	}
	if n := s.Notifications; n != nil && (n.TopicARN == "") == (n.Webhook == "") {
		bad.Add("notifications", "needs either sns_topic_arn or webhook")
	}
	return bad.Err()
}

func (s Settings) validateLifecycle(bad *settings.Problems, key string, l Lifecycle) {
	if l.RolloverSize != "" && !sizeRE.MatchString(l.RolloverSize) {
		bad.Add(key+".rollover_size", "%q is no size; write one like 50gb", l.RolloverSize)
	}
	before := 0
	for _, age := range []struct{ key, text string }{{"warm", l.Warm}, {"cold", l.Cold}, {"delete", l.Delete}} {
		if age.text == "" {
			continue
		}
		minutes := minutesOf(age.text)
		switch {
		case minutes == 0:
			bad.Add(key+"."+age.key, "%q is no age; write one like 30d", age.text)
		case minutes <= before:
			bad.Add(key+"."+age.key, "%s is not later than what comes before it", age.text)
		}
		before = minutes
	}
	if l.RolloverAge != "" && minutesOf(l.RolloverAge) == 0 {
		bad.Add(key+".rollover_age", "%q is no age; write one like 30d", l.RolloverAge)
	}
	if l.Cold != "" && s.Tiers == "" {
		bad.Add(key+".cold", "needs to know where cold indexes are kept; set tiers")
	}
}

// minutesOf reads an age; 0 when it is none.
func minutesOf(age string) int {
	m := ageRE.FindStringSubmatch(age)
	if m == nil {
		return 0
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		return 0
	}
	return n * map[string]int{"d": 24 * 60, "h": 60, "m": 1}[m[2]]
}

// lifecycle is what becomes of an index.
func (s Settings) lifecycle(index string) Lifecycle {
	l, ok := s.Lifecycle[index]
	if !ok {
		l = s.Lifecycle["default"]
	}
	l.RolloverSize = cmp.Or(l.RolloverSize, "50gb")
	l.RolloverAge = cmp.Or(l.RolloverAge, "30d")
	return l
}
