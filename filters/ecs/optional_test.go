package ecs

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/fluent-siem/fluent-siem/filters/logtype"
	"github.com/fluent-siem/fluent-siem/internal/lease"
)

// TestOptionalFields: fields that are made of others, by the setting and by the
// type's file; without either there are none.
func TestOptionalFields(t *testing.T) {
	registry, err := logtype.NewRegistry()
	if err != nil {
		t.Fatal(err)
	}
	own, err := logtype.Parse("own.yaml", []byte("name: own\nkey: own\nformat: json\nindex: {name: log-own}\necs: {dns.question.name: q}\nsteps: [dns_domains]\n"))
	if err != nil {
		t.Fatal(err)
	}
	all := []string{"community_id", "dns_domains", "dns_entropy"}
	flow := "version account_id interface_id srcaddr dstaddr srcport dstport protocol packets bytes start end action log_status"
	for _, c := range []struct {
		logType string
		add     []string
		header  string
		record  string
		want    string // fields, in JSON
	}{
		{"vpcflowlogs", all, flow, "2 123456789012 eni-1 128.232.110.120 66.35.250.204 34855 80 6 1 1 1 1 ACCEPT OK", `{"network.community_id":"1:LQU9qZlK+B5F3KDmev6m5PMibrg="}`},
		{"vpcflowlogs", nil, flow, "2 123456789012 eni-1 128.232.110.120 66.35.250.204 34855 80 6 1 1 1 1 ACCEPT OK", `{}`},
		{"vpcflowlogs", all, flow, "2 123456789012 eni-1 128.232.110.120 66.35.250.204 0 0 1 1 1 1 1 ACCEPT OK", `{}`}, // no type of ICMP is told
		{"vpcflowlogs", all, flow, "2 123456789012 eni-1 10.1.12.1 10.1.12.2 0 0 46 1 1 1 1 ACCEPT OK", `{"network.community_id":"1:KHlLkgoJW7ifUTyTSgyVfkFHzKw="}`},
		{"vpcflowlogs", all, flow, "2 123456789012 eni-1 - - - - - - - 1 1 - NODATA", `{}`},
		{"networkfirewall", all, "", `{"event_timestamp":"1","event":{"src_ip":"10.0.0.1","dest_ip":"10.0.0.2","proto":"ICMP","icmp_type":11,"icmp_code":0}}`, `{"network.community_id":"1:YHxtAirCG//0OzkcVAukqKQN9xM="}`},
		{"networkfirewall", all, "", `{"event_timestamp":"1","event":{"src_ip":"8.8.8.8","src_port":53,"dest_ip":"192.168.1.52","dest_port":54585,"proto":"UDP"}}`, `{"network.community_id":"1:d/FP5EW3wiY1vCndhwleRRKHowQ="}`},
		{"networkfirewall", all, "", `{"event_timestamp":"1","event":{"src_ip":"8.8.8.8","community_id":"1:of the record"}}`, `{"network.community_id":"1:of the record"}`},
		{"route53resolver", all, "", `{"query_name":"www.Mail.Example.co.uk."}`, `{"dns.question.registered_domain":"example.co.uk","dns.question.top_level_domain":"co.uk","dns.question.subdomain":"www.mail","dns.question.entropy":2.9}`},
		{"route53resolver", all, "", `{"query_name":"x7f3k9q2vb8m1z.example.com."}`, `{"dns.question.registered_domain":"example.com","dns.question.top_level_domain":"com","dns.question.subdomain":"x7f3k9q2vb8m1z","dns.question.entropy":4.11}`},
		{"route53resolver", all, "", `{"query_name":"aaaa.com."}`, `{"dns.question.registered_domain":"aaaa.com","dns.question.top_level_domain":"com","dns.question.entropy":0}`},
		{"route53resolver", all, "", `{"query_name":"co.uk."}`, `{"dns.question.top_level_domain":"co.uk"}`},
		{"route53resolver", all, "", `{"query_name":"localhost"}`, `{}`},
		{"route53resolver", all, "", `{"query_name":"10.0.0.1"}`, `{}`},
		{"route53resolver", all, "", `{"query_name":"a..com"}`, `{}`},
		{"route53resolver", nil, "", `{"query_name":"www.example.com."}`, `{}`},
		{"own", nil, "", `{"q":"www.example.com"}`, `{"dns.question.registered_domain":"example.com","dns.question.top_level_domain":"com","dns.question.subdomain":"www"}`},
	} {
		lt := registry.Set().Type(c.logType)
		if c.logType == "own" {
			lt = own
		}
		conv := (&Engine{AddFields: c.add}).NewConverter()
		o, err := conv.Object(lt, lease.Source{Key: "k", Header: []byte(c.header)})
		if err == nil {
			err = conv.Convert(o, 1, nil, []byte(c.record))
		}
		if err != nil {
			t.Error(c.record, err)
			continue
		}
		var doc struct {
			DNS     struct{ Question map[string]any } `json:"dns"`
			Network map[string]any                    `json:"network"`
		}
		if err := json.Unmarshal(conv.AppendJSON(nil), &doc); err != nil {
			t.Fatal(err)
		}
		got := map[string]any{}
		if id := doc.Network["community_id"]; id != nil {
			got["network.community_id"] = id
		}
		for _, name := range []string{"registered_domain", "top_level_domain", "subdomain", "entropy"} {
			if v := doc.DNS.Question[name]; v != nil {
				got["dns.question."+name] = v
			}
		}
		var want map[string]any
		if err := json.Unmarshal([]byte(c.want), &want); err != nil {
			t.Fatal(err)
		}
		g, _ := json.Marshal(got)
		if w, _ := json.Marshal(want); string(g) != string(w) {
			t.Errorf("%s with %q: %s, want %s", c.record, c.add, g, w)
		}
	}
	if err := (Config{DocumentID: Natural, Emit: "record", AddFields: []string{"community-id"}}).Validate(); err == nil || !strings.Contains(err.Error(), "there are community_id, dns_domains, dns_entropy") {
		t.Error(err)
	}
}

// TestTemplatesKnowWhatTablesSay: fields that no golden case has are in the index
// templates too.
func TestTemplatesKnowWhatTablesSay(t *testing.T) {
	text, err := os.ReadFile("../../conf/opensearch/ecs.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Fields map[string][]string }
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	kinds := map[string]string{}
	for kind, fields := range file.Fields {
		for _, f := range fields {
			kinds[f] = kind
		}
	}
	want := map[string]string{tablesField: "keyword", "dns.question.entropy": "float"}
	for _, o := range optional {
		for _, f := range o.slots {
			if want[f] == "" && !strings.HasSuffix(f, ".ip") && !strings.HasSuffix(f, ".port") && f != "network.iana_number" {
				want[f] = "keyword"
			}
		}
	}
	for _, side := range []string{"source.", "destination.", "client."} {
		for kind, fields := range map[string]string{
			"boolean": "geo.anonymous geo.anonymous_vpn geo.hosting_provider geo.public_proxy geo.residential_proxy geo.tor_exit_node",
			"keyword": "geo.anonymous_provider geo.continent_code geo.continent_name geo.region_iso_code geo.region_name geo.postal_code geo.timezone geo.connection_type geo.user_type as.isp as.isp_organization_name as.mobile_country_code as.mobile_network_code",
		} {
			for _, f := range strings.Fields(fields) {
				want[side+f] = kind
			}
		}
	}
	for f, kind := range want {
		if kinds[f] != kind {
			t.Errorf("%s is %q in the templates, want %s", f, kinds[f], kind)
		}
	}
}
