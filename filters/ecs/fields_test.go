package ecs

import (
	"slices"
	"testing"

	"github.com/fluent-siem/fluent-siem/filters/logtype"
)

// TestFieldsAreWhatATypeCanSet: of the mapping, the columns, and what steps set.
func TestFieldsAreWhatATypeCanSet(t *testing.T) {
	types, err := logtype.NewRegistry()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]string{
		"vpcflowlogs":     {"source.ip", "srcaddr", "event.outcome", "@message", "source.geo", "threat"},
		"rds-mysql-audit": {"mysql.username", "rds.query"},
		"apache-access":   {"url.path"},
	} {
		got, err := Fields(types.Set().Type(name))
		if err != nil {
			t.Fatal(err)
		}
		for _, field := range want {
			if !slices.Contains(got, field) {
				t.Errorf("%s: %s is missing among %v", name, field, got)
			}
		}
		if name == "apache-access" && slices.Contains(got, "remotehost") {
			t.Errorf("%s drops the record, and %v has its fields", name, got)
		}
	}
}
