package logtype

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func shipped(t *testing.T) *Registry {
	t.Helper()
	r, err := NewRegistry()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestShippedTypesClaimTheirKeys(t *testing.T) {
	r := shipped(t)
	for key, want := range map[string]string{
		"AWSLogs/123456789012/CloudTrail/us-east-1/2024/01/15/123456789012_CloudTrail_us-east-1_20240115T0005Z_x.json.gz":                                                         "cloudtrail",
		"AWSLogs/o-abc/123456789012/CloudTrail-Insight/us-east-1/2024/01/15/x.json.gz":                                                                                            "cloudtrail",
		"AWSLogs/123456789012/CloudTrail-Digest/us-east-1/2024/01/15/x.json.gz":                                                                                                   "",
		"AWSLogs/123456789012/vpcflowlogs/us-east-1/2024/01/01/123456789012_vpcflowlogs_us-east-1_fl-0_20240101T0005Z_a.log.gz":                                                   "vpcflowlogs",
		"AWSLogs/123456789012/elasticloadbalancing/us-east-1/2024/01/15/123456789012_elasticloadbalancing_us-east-1_app.my-alb.5_20240115T0351Z_10.0.51.7_4a.log.gz":              "alb",
		"AWSLogs/123456789012/network-firewall/flow/us-east-1/fw1/2024/01/15/00/123456789012_network-firewall_flow_us-east-1_fw1_202401150005_x.log.gz":                           "networkfirewall",
		"waf/2024/01/15/01/aws-waf-logs-siem-1-2024-01-15-01-05-x.gz":                                                                                                             "waf",
		"AWSLogs/123456789012/WAFLogs/us-east-1/acl/2024/01/15/04/05/123456789012_waflogs_us-east-1_acl_20240115T0405Z_x.log.gz":                                                  "waf",
		"AWSLogs/123456789012/vpcdnsquerylogs/vpc-0/2024/01/15/vpc-0_vpcdnsquerylogs_123456789012_20240115T0005Z_x.log.gz":                                                        "route53resolver",
		"AWSLogs/123456789012/GuardDuty/us-east-1/2024/01/08/x.jsonl.gz":                                                                                                          "guardduty",
		"AWSLogs/aws.securityhub/Security_Hub_Findings_-_Imported/us-east-1/2024/01/10/09/x.gz":                                                                                   "securityhub",
		"AWSLogs/123456789012/Inspector2_Finding/us-east-1/2024/01/05/04/x.gz":                                                                                                    "inspector",
		"AWSLogs/123456789012/Inspector2_Coverage/us-east-1/2024/01/05/04/x.gz":                                                                                                   "",
		"AWSLogs/123456789012/TrustedAdvisor/us-east-1/2024/01/15/00/x.gz":                                                                                                        "trustedadvisor",
		"AWSLogs/123456789012/Config/us-east-1/2024/1/3/ConfigHistory/123456789012_Config_us-east-1_ConfigHistory_AWS::Config::Rules_20240103T020509Z_20240103T020509Z_1.json.gz": "config-history",
		"AWSLogs/123456789012/Config/us-east-1/2024/1/3/ConfigSnapshot/123456789012_Config_us-east-1_ConfigSnapshot_20240103T020509Z_x.json.gz":                                   "config-snapshot",
		"AWSLogs/aws.config/Config_Rules_Compliance_Change/us-east-1/x.gz":                                                                                                        "config-rules",
		"ext/app/1.0/region=us-east-1/accountId=123456789012/eventDay=20240201/928b1e5eae78239025d058664ed87af5.gz.parquet":                                                       "securitylake",
		"SecurityLake/custom/events.gz.parquet":                                                                                                                                   "securitylake",
		"ocsf-json/app/2024/02/01/0.json.gz":                                                                                                                                      "ocsf-json",
		"AWSLogs/123456789012/CloudTrail/us-east-1/":                                                                                                                              "",
		"AWSLogs/123456789012/elasticloadbalancing/us-east-1/2024/01/15/conn_log.123456789012_elasticloadbalancing_us-east-1_app.my-alb.5_20240115T0351Z_10.0.51.7_4a.log.gz":     "",
		"AWSLogs/123456789012/CloudTrail-NetworkActivity/us-east-1/2024/06/04/x.json.gz":                                                                                          "cloudtrail",
		"AWSLogs/123456789012/CloudTrail-Aggregated/us-east-1/2025/11/17/x.json.gz":                                                                                               "cloudtrail",
		"AWSLogs/o-1/123456789012/CloudTrail-Insight/us-east-1/2024/06/04/x.json.gz":                                                                                              "cloudtrail",
		"AWSLogs/123456789012/CloudTrail-Digest/us-east-1/2024/06/04/x.json.gz":                                                                                                   "",
		"AWSLogs/123456789012/BedrockModelInvocationLogs/us-east-1/2024/01/15/12/20240115T120000000Z_0badcafe.json.gz":                                                            "bedrock",
		"AWSLogs/123456789012/BedrockModelInvocationLogs/us-east-1/2024/01/15/12/data/r-1_input.json.gz":                                                                          "",
		"AWSLogs/123456789012/BedrockModelInvocationLogs/amazon-bedrock-logs-permission-check":                                                                                    "",
		"AWSLogs/123456789012/VerifiedAccess/us-east-1/2024/01/15/x.log.gz":                                                                                                       "verifiedaccess",
		"AWSLogs/123456789012/EKS/us-east-1/prod/kube-apiserver-audit-0badcafe/2024/01/15/x.gz":                                                                                   "kubernetes-audit",
		"kubernetes/audit/2024/01/15/audit.log.gz":                                                                                                                                "kubernetes-audit",
		"AWSLogs/123456789012/EC2/Linux/Audit/us-east-1/2024/01/15/x.gz":                                                                                                          "linux-auditd",
		"AWSLogs/123456789012/EC2/Linux/us-east-1/2024/01/15/x.gz":                                                                                                                "linux-os-syslog",
		"something/else.log": "",
	} {
		got, why := r.Match("bucket", key)
		if name := nameOf(got); name != want {
			t.Errorf("%s is claimed by %q (%s), want %q", key, name, why, want)
		}
	}
}

// TestIgnoredOnPurpose: a key that its type ignores is told from one that nobody
// claims, and the reason is said.
func TestIgnoredOnPurpose(t *testing.T) {
	set := shipped(t).Set()
	digest := "AWSLogs/123456789012/CloudTrail-Digest/us-east-1/2024/06/04/x.json.gz"
	if got := nameOf(set.Ignored("", digest)); got != "cloudtrail" {
		t.Errorf("the digest is ignored by %q", got)
	}
	if _, why := set.Match("", digest); !strings.Contains(why, "ignore_key CloudTrail-Digest/") || !strings.Contains(why, "a digest holds no events") {
		t.Errorf("why: %s", why)
	}
	for _, key := range []string{"AWSLogs/123456789012/CloudTrail/us-east-1/x.json.gz", "AWSLogs/123456789012/CloudTrail-Digest/", "something/else.log"} {
		if got := set.Ignored("", key); got != nil {
			t.Errorf("%s is ignored by %s", key, got.Name)
		}
	}
	for _, of := range set.Types() {
		if (of.IgnoreKey == "") != (of.IgnoreReason == "") {
			t.Errorf("%s ignores keys without a reason, or the other way round", of.Name)
		}
	}
}

var discard = slog.New(slog.DiscardHandler)

func nameOf(t *Type) string {
	if t == nil {
		return ""
	}
	return t.Name
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

const mine = `
name: mine
key: mine/
format: columns
columns: {separator: ",", names: [time, user]}
index: {name: log-mine}
`

func TestTheMostSpecificMatchWins(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "broad.yaml", strings.ReplaceAll(mine, "mine", "mi"))
	write(t, dir, "mine.yaml", mine)
	write(t, dir, "trail.yaml", strings.NewReplacer("mine/", "Trail/", "mine", "trail").Replace(mine))
	r := shipped(t)
	if err := r.Load(dir); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{"a/mine/b": "mine", "a/mi/b": "mi", "CloudTrail/x": "trail"} {
		if got, why := r.Match("", key); nameOf(got) != want {
			t.Errorf("%s → %s (%s), want %s", key, nameOf(got), why, want)
		}
	}
}

func TestAnOwnFileReplacesOrExtendsAShippedType(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "alb.yaml", "name: alb\nextends: alb\nindex: {name: log-my-alb, rotation: yearly}\n")
	r := shipped(t)
	if err := r.Load(dir); err != nil {
		t.Fatal(err)
	}
	alb := r.Set().Type("alb")
	if alb.Index.Name != "log-my-alb" || alb.Index.Rotation != Yearly || len(alb.Columns.Names) == 0 {
		t.Errorf("%+v", alb)
	}
}

func TestAnExtendingFileAddsFieldsAndTakesThemAway(t *testing.T) {
	base, err := Parse("alb.yaml", []byte("name: alb\nextends: alb\n"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := Parse("alb.yaml", []byte("name: alb\nextends: alb\necs: {user.name: user, source.ip: []}\nstatic: {event.kind: '', event.dataset: alb}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got.ECS["user.name"], Candidates{"user"}) || got.ECS["source.ip"] != nil || len(got.ECS) != len(base.ECS) {
		t.Errorf("ecs: %v\nbase: %v", got.ECS, base.ECS)
	}
	if got.Static["event.dataset"] != "alb" || got.Static["event.kind"] != nil || len(got.Static) != len(base.Static) {
		t.Errorf("static: %v\nbase: %v", got.Static, base.Static)
	}
}

func TestAnInvalidFileIsRefusedAndTheLastGoodSetStays(t *testing.T) {
	r, dir := shipped(t), t.TempDir()
	before := r.Set()
	for text, want := range map[string]string{
		mine + "nonsense: 1\n":                                      "nonsense",
		strings.Replace(mine, "key: mine/", "key: '('", 1):          "missing closing",
		strings.Replace(mine, "log-mine", "Log Mine", 1):            "no index name",
		strings.Replace(mine, "log-mine", "log-mine, also: [X]", 1): "index.also[0]",
		strings.Replace(mine, "format: columns", "format: x", 1):    `"x" is no format`,
		mine + "time: [{field: time}]\n":                            "needs a field and a layout",
		mine + "time: [{field: a, pattern: '(?P<year>.)'}]\n":       "is for @key",
		mine + "time: [{field: '@key', pattern: '(?P<jahr>.)'}]\n":  "wants groups named year",
		"name: x\nextends: nothing\n":                               "no shipped log type",
		strings.Replace(mine, "index: {", "index: {zone: +9, ", 1):  "is no zone",
	} {
		write(t, dir, "mine.yaml", text)
		if err := r.Load(dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\nerror %v, want %q", text, err, want)
		}
		if r.Set() != before {
			t.Fatal("an invalid set counts")
		}
	}
}

func TestAChangeIsLoadedWhileRunning(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "mine.yaml", mine)
	r := shipped(t)
	if err := r.Load(dir); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	go r.Watch(ctx, discard)
	deadline := time.Now().Add(10 * time.Second)
	for n := 0; r.Set().Type("mine").Index.Name != "log-other"; n++ {
		if time.Now().After(deadline) {
			t.Fatal("the change was not loaded")
		}
		if n%500 == 0 { // the watch may not have begun when we first write
			write(t, dir, "mine.yaml", strings.Replace(mine, "log-mine", "log-other", 1))
		}
		time.Sleep(time.Millisecond)
	}
}

func TestZones(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for text, minutes := range map[string]int{"": 0, "+09:00": 540, "-03:30": -210, "+00:00": 0} {
			zone, err := ParseZone(text)
			if err != nil {
				t.Error(err)
				continue
			}
			if _, got := time.Now().In(zone).Zone(); got != minutes*60 {
				t.Errorf("%s is %d s", text, got)
			}
		}
	})
}

// A file of the operator may extend a shipped type that extends another.
func TestExtendingGoesOn(t *testing.T) {
	got, err := Parse("fsx-win.yaml", []byte("name: fsx-win\nextends: fsx-win\nkey: z\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got.Format != WinEvt || got.Index.Name != "log-aws-fsx-win" || got.Key != "z" || len(got.ECS) == 0 {
		t.Errorf("%+v", got)
	}
}
