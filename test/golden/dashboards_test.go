package golden

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/fluent-siem/fluent-siem/internal/lease"
	"github.com/fluent-siem/fluent-siem/internal/ledger"
	"github.com/fluent-siem/fluent-siem/outputs/opensearch"
	"github.com/fluent-siem/fluent-siem/sidecar/dashboards"
	"github.com/fluent-siem/fluent-siem/sidecar/indexmetrics"
	"github.com/fluent-siem/fluent-siem/sidecar/series/seriestest"
	"github.com/fluent-siem/fluent-siem/sidecar/status"
	"github.com/fluent-siem/fluent-siem/sidecar/view"
	"github.com/fluent-siem/fluent-siem/test/browser"
)

// TestEveryPanelOfEveryDashboard: what OpenSearch Dashboards asks for a panel is
// answered, and has data where documents of cases and samples have some.
func TestEveryPanelOfEveryDashboard(t *testing.T) {
	api, prefix := setUp(t)
	begin := time.Now()
	fill(t, api, prefix, append(everyDocument(t), everySample(t)...))
	metrics := indexmetrics.Exporter{Config: indexmetrics.Defaults(), API: api}
	metrics.To, metrics.IndexPrefix = "opensearch", prefix
	if _, n, err := metrics.Once(t.Context(), time.Now()); err != nil || n == 0 {
		t.Fatalf("%d index metrics: %v", n, err)
	}
	fillLedger(t, api, prefix)
	fillStatus(t, api, prefix)
	var refreshed any
	ask(t, api, "POST", "/"+prefix+"*/_refresh", nil, &refreshed)
	t.Log("filled in", time.Since(begin))
	set, err := dashboards.Shipped()
	if err != nil {
		t.Fatal(err)
	}
	saved := set.ByID()
	r := dashboards.Request{From: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), To: time.Now().Add(24 * time.Hour)}
	seen, empty := 0, map[string]bool{}
	for _, d := range set.Dashboards {
		panels, err := saved.Panels(d.ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range panels {
			name := d.Title + ": " + fmt.Sprint(p.Attributes["title"])
			searches, err := saved.Searches(d.ID, p, r)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range searches {
				seen++
				if !search(t, api, prefix, name, s, p.Type == "search") {
					empty[name] = true
				}
			}
		}
	}
	for name := range empty {
		if withoutData[name] == "" && name != ofOthers {
			t.Errorf("%s: no data, though its index has documents", name)
		}
	}
	for name := range withoutData {
		if !empty[name] {
			t.Errorf("%s: has data; take it off the list of panels without", name)
		}
	}
	t.Logf("%d of %d searches find something", seen-len(empty), seen)
	t.Run("view", func(t *testing.T) { look(t, api, prefix, set, empty) })
}

// ofOthers is the panel that names indexes without a prefix: those of whoever
// shares the node.
const ofOthers = "OpenSearch Metrics: OpenSearch - Oldest Indices in Data Node"

// pictures are the dashboards whose pictures stand in the manual; with UPDATE=1
// they are taken anew.
var pictures = map[string]string{
	"CloudTrail Summary": "cloudtrail", "VPCFlowLogs Summary": "vpcflowlogs", "ELB Summary": "elb",
}

// look opens every dashboard of `fluent-siem view` in Chromium: each panel draws
// something, but those that are known to be empty, and nothing complains.
func look(t *testing.T, api *opensearch.Client, prefix string, set *dashboards.Set, empty map[string]bool) {
	cfg := view.Defaults()
	cfg.IndexPrefix = prefix
	server, err := view.New(cfg, api, set)
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(server)
	defer web.Close()
	page := browser.Open(t, web.URL, 1500, 900)
	drawn := 0
	for _, d := range set.Dashboards {
		page.Go(web.URL + "/d/" + d.ID + "?from=2000-01-01")
		page.Until("end of drawing "+d.Title, `document.querySelector("main").dataset.state === "done"`)
		for n, panel := range browser.Eval[[]struct {
			State, Text string
			Shown       bool
		}](page, states) {
			name := d.Title + ": " + d.Panels[n].Title
			switch wanted := map[bool]string{true: "empty", false: "drawn"}[empty[name]]; {
			case d.Panels[n].Kind == "markdown":
			case panel.State != wanted:
				t.Errorf("%s is %s, not %s: %.300s", name, panel.State, wanted, panel.Text)
			case wanted == "drawn" && !panel.Shown:
				t.Errorf("%s has data and shows nothing", name)
			default:
				drawn++
			}
		}
		if file := pictures[d.Title]; file != "" && os.Getenv("UPDATE") == "1" {
			if err := os.WriteFile("../../conf/view-"+file+".png", page.Picture(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	if said := page.Complaints(); len(said) > 0 {
		t.Errorf("the pages complain of %q", said)
	}
	t.Logf("%d panels are as they should be", drawn)

	// From a row of a table to its documents.
	page.Go(web.URL + "/d/" + set.Dashboards[0].ID + "?from=2000-01-01")
	page.Until("table", `document.querySelector(".table td a")`)
	page.Click(".table td a")
	page.Until("documents of a row", `document.querySelector(".documents tbody tr")`)
}

// states says of each panel what became of it and whether something can be seen:
// colour on a canvas, or text.
const states = `[...document.querySelectorAll(".panel")].map((p) => {
	const body = p.querySelector(".body"), canvases = [...p.querySelectorAll("canvas")];
	let shown = Boolean(body && body.textContent.trim());
	if (canvases.length) shown = canvases.some((canvas) => {
		const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
		let coloured = 0;
		for (let i = 0; i < data.length; i += 4) if (data[i + 3] > 100 && Math.max(data[i], data[i + 1], data[i + 2]) - Math.min(data[i], data[i + 1], data[i + 2]) > 40) coloured++;
		return coloured > 30;
	});
	return { state: p.dataset.state || "", text: body ? body.textContent : "", shown };
})`

// search asks and reports whether there is something to see.
func search(t *testing.T, api *opensearch.Client, prefix, name string, s dashboards.Search, documents bool) bool {
	t.Helper()
	body, err := json.Marshal(s.Body)
	if err != nil {
		t.Fatal(err)
	}
	path := "/" + url.PathEscape(prefix+s.Index) + "/_search?ignore_unavailable=true"
	status, answer, err := api.Do(t.Context(), http.MethodPost, path, body)
	var failed struct {
		Shards struct{ Failed int } `json:"_shards"`
	}
	if err != nil || status != http.StatusOK || json.Unmarshal(answer, &failed) != nil || failed.Shards.Failed > 0 {
		t.Errorf("%s: %d %.500s %v\n%s", name, status, answer, err, body)
		return true
	}
	if documents {
		list, _, err := dashboards.Documents(answer)
		if err != nil {
			t.Fatal(err)
		}
		return len(list) > 0
	}
	table, err := s.Table(answer)
	if err != nil {
		t.Fatal(err)
	}
	return !table.Empty()
}

// fill stores documents, each type in one index.
func fill(t *testing.T, api *opensearch.Client, prefix string, docs []document) {
	t.Helper()
	for batch := range slices.Chunk(docs, 500) {
		var body bytes.Buffer
		for _, d := range batch {
			source, err := json.Marshal(d.Source)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&body, `{"index":{"_index":%q}}`+"\n%s\n", prefix+undated(d.Index), source)
		}
		var got struct{ Errors bool }
		ask(t, api, "POST", "/_bulk?filter_path=errors", body.Bytes(), &got)
		if got.Errors {
			t.Error("documents are refused; TestEveryDocumentFitsTheTemplates says which")
		}
	}
}

// fillLedger stores what the copy of the ledger has of an hour: see ledger_index.
func fillLedger(t *testing.T, api *opensearch.Client, prefix string) {
	t.Helper()
	var body bytes.Buffer
	for i, r := range []ledger.Record{
		{LogType: "cloudtrail", State: ledger.Done}, {LogType: "vpcflowlogs", State: ledger.Done}, {LogType: "alb", State: ledger.Unreadable, Class: "truncated"},
	} {
		r.Key = ledger.Key{Bucket: "logs", Key: fmt.Sprintf("%s/%d.gz", r.LogType, i)}
		r.Last = time.Now().UTC()
		r.Began, r.Versions, r.Announced, r.Size = r.Last.Add(-time.Minute), "geoip=1", 1, 900
		r.Totals.Read, r.Totals.Bytes = 10, 5000
		r.Totals.By[lease.Stored], r.Totals.By[lease.DeadLettered] = 9, 1
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&body, `{"index":{"_index":%q}}`+"\n"+`{"@timestamp":%q,"took":60000,"host":{"name":"h"},%s`+"\n", prefix+"siem-ledger-2024", r.Last.Format(time.RFC3339Nano), text[1:])
	}
	var got struct{ Errors bool }
	ask(t, api, "POST", "/_bulk?filter_path=errors", body.Bytes(), &got)
	if got.Errors {
		t.Error("the index of the ledger refuses its documents")
	}
}

// fillStatus has the sidecar's duty status_index store what a host says.
func fillStatus(t *testing.T, api *opensearch.Client, prefix string) {
	t.Helper()
	asked := 0
	metrics := func(context.Context) []*dto.MetricFamily {
		asked++
		return seriestest.Families(t, fmt.Sprintf("siem_process_up{process=\"1\"} 1\nsiem_input_throttle_share{input=\"i\",process=\"1\"} 0.5\nsiem_input_queue_messages{queue=\"q\",state=\"waiting\",process=\"1\"} 3\n"+
			"# TYPE siem_output_lag_seconds histogram\nsiem_output_lag_seconds_bucket{process=\"1\",le=\"5\"} %d\nsiem_output_lag_seconds_bucket{process=\"1\",le=\"+Inf\"} %[1]d\n"+
			"siem_output_lag_seconds_sum{process=\"1\"} %[1]d\nsiem_output_lag_seconds_count{process=\"1\"} %[1]d\n"+
			"siem_geoip_build_timestamp_seconds{database=\"GeoLite2-City\",type=\"GeoLite2-City\"} %[2]d\n", 10*asked, time.Now().Add(-time.Hour).Unix()))
	}
	cfg := status.IndexDefaults()
	cfg.Index, cfg.Interval = prefix+cfg.Index, 10*time.Millisecond
	ctx, end := context.WithCancel(t.Context())
	written := 0
	if err := status.RunIndex(ctx, cfg, status.IndexEnv{
		Log: slog.New(slog.DiscardHandler),
		Health: func(_, problem string) {
			if problem != "" {
				t.Error(problem)
			}
			if written++; written == 2 { // there is a lag between two samples
				end()
			}
		},
		Do:     api.Do,
		Source: status.Source{StateDir: t.TempDir, Metrics: metrics},
	}); err != nil || written != 2 {
		t.Errorf("the status was written %d times: %v", written, err)
	}
}

// withoutData are the panels for which no case and no sample has anything, and why.
var withoutData = func() map[string]string {
	reasons := map[string]string{}
	for reason, names := range map[string]string{
		"a cluster of one node without tiers": `OpenSearch Metrics: OpenSearch - Shards per Node (UltraWarm)`,
		"the samples have no such operation that succeeded": `CloudHSM Summary: CloudHSM - Delete Keys
			CloudHSM Summary: CloudHSM - Share Keys
			CloudHSM Summary: CloudHSM - Create HSM User`,
		"the samples have it in sample findings only, which the dashboard leaves out": `GuardDuty Summary: GuardDuty - EKS Cluster Name
			GuardDuty Summary: GuardDuty - Malware name`,
		"the addresses of the samples are in no test database": `OCSF NetworkActivity Summary: OCSF NetworkActivity - Traffic Flow Src Count(Geo)
			OCSF NetworkActivity Summary: OCSF NetworkActivity - Refused Flow Src Count(Geo)
			SecurityHub Summary: SecurityHub - Source Countries Geo Map`,
		"the indicators of the test match nothing of this type": `OCSF AuditActivity Summary: OCSF AuditActivity - Matched IoC`,
		"no statement of the samples makes or changes a table":  `RDS Summary: RDS - Audit DDL`,
		"no request of the samples failed so": `S3Accesslog Summary: S3Accesslog - Server Error Counts
			S3Accesslog Summary: S3Accesslog - Throttling Counts`,
		"the lists of the samples lack what describe-workspaces-connection-status says": `WorkSpaces - Summary: WorkSpaces - Connection State(line)`,
		"no flow of the samples took this path": `VPCFlowLogsCustom Summary with v5 custom formats: VPCFlowLogsCustom - Through an internet gateway or a gateway VPC endpoint(Metric)
			VPCFlowLogsCustom Summary with v5 custom formats: VPCFlowLogsCustom - Traffic through a gateway VPC endpoint (Nitro-based instances only)(Metric)
			VPCFlowLogsCustom Summary with v5 custom formats: VPCFlowLogsCustom - Traffic through an intra-region VPC peering connection(Metric)
			VPCFlowLogsCustom Summary with v5 custom formats: VPCFlowLogsCustom - Traffic through a local gateway(Metric)
			VPCFlowLogsCustom Summary with v5 custom formats: VPCFlowLogsCustom - Traffic through a virtual private gateway(Metric)
			VPCFlowLogsCustom Summary with v5 custom formats: VPCFlowLogsCustom - Traffic through an inter-region VPC peering connection(Metric)`,
	} {
		for name := range strings.Lines(names) {
			reasons[strings.TrimSpace(name)] = reason
		}
	}
	return reasons
}()
