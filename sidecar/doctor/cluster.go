package doctor

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/fluent-siem/fluent-siem/outputs/opensearch"
	"github.com/fluent-siem/fluent-siem/sidecar/cluster"
)

// expiry is how long before its end a certificate is told.
const expiry = 30 * 24 * time.Hour

// clusters looks at each cluster that is written to or watched.
func (x *examination) clusters(ctx context.Context) {
	for _, cfg := range x.plan.Outputs {
		x.cluster(ctx, cfg, true)
	}
	for _, cfg := range x.plan.Watched {
		x.cluster(ctx, cfg, false)
	}
}

// cluster examines one endpoint after the other, then what they share.
func (x *examination) cluster(ctx context.Context, cfg opensearch.Config, write bool) {
	cfg.RequestTimeout = patience
	answers := ""
	for _, e := range cfg.Endpoint {
		one := cfg
		one.Endpoint = []string{e}
		x.certificate(ctx, one, e)
		if x.endpoint(ctx, one, e) {
			answers = e
		}
	}
	if answers == "" || cfg.Serverless() {
		return
	}
	cfg.Endpoint = []string{answers}
	client, err := opensearch.NewClient(cfg, func(error) {})
	if err != nil {
		return // endpoint has told
	}
	defer client.Close()
	x.clusterClock(ctx, client, answers)
	if write {
		x.write(ctx, client, answers)
		x.templates(ctx, client, answers)
	}
}

// endpoint reports whether the cluster answers there, and knows us.
func (x *examination) endpoint(ctx context.Context, cfg opensearch.Config, e string) bool {
	const check = "endpoint"
	client, err := opensearch.NewClient(cfg, func(error) {})
	if err != nil {
		x.say(Bad, check, e, err.Error(), "correct the settings of the output")
		return false
	}
	defer client.Close()
	path := "/"
	if cfg.Serverless() {
		path = "/_cat/indices?format=json&h=index"
	}
	status, answer, err := client.Do(ctx, http.MethodGet, path, nil)
	switch {
	case err != nil:
		text, todo, _ := strings.Cut(err.Error(), "; ")
		x.say(Bad, check, e, text, todo)
	case status == http.StatusUnauthorized:
		x.say(Bad, check, e, "the cluster does not know us (401)", "correct username and password, or auth")
	case status == http.StatusForbidden:
		x.say(Bad, check, e, fmt.Sprintf("the cluster refuses us (403): %.200s", answer), "map this identity to a role in the cluster (fluent-siem setup, access), and allow it in the domain's access policy")
	case status >= http.StatusMultipleChoices:
		x.say(Bad, check, e, fmt.Sprintf("status %d: %.200s", status, answer), "see whether this is the base URL of an OpenSearch")
	default:
		x.say(OK, check, e, "", "")
		return true
	}
	return false
}

// certificate looks at how long the server's certificate is good; whether it is
// trusted shows at the endpoint.
func (x *examination) certificate(ctx context.Context, cfg opensearch.Config, e string) {
	const check = "certificate"
	u, err := url.Parse(e)
	if err != nil {
		return
	}
	if u.Scheme != "https" {
		if ip := net.ParseIP(u.Hostname()); u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
			x.say(Doubt, check, e, "documents and passwords travel in the clear", "write https:// in endpoint")
		}
		return
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	port := u.Port()
	if port == "" {
		port = "443"
	}
	dialer := tls.Dialer{Config: &tls.Config{ServerName: u.Hostname(), InsecureSkipVerify: true}} // #nosec G402 -- only its dates are read
	conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return // the endpoint tells
	}
	defer conn.Close()
	end := conn.(*tls.Conn).ConnectionState().PeerCertificates[0].NotAfter
	const todo = "renew the certificate"
	switch left := end.Sub(x.Now()); {
	case left <= 0:
		x.say(Bad, check, e, "it has ended at "+end.UTC().Format(time.RFC3339), todo)
	case left < expiry:
		x.say(Doubt, check, e, "it ends at "+end.UTC().Format(time.RFC3339), todo)
	case !cfg.Verify:
		x.say(Doubt, check, e, "nobody checks it: whoever is in between can read and change everything", "set verify on, and ca_file if the authority is your own")
	default:
		x.say(OK, check, e, "until "+end.UTC().Format(time.DateOnly), "")
	}
}

// clusterClock asks the node; one that may not be asked is left out.
func (x *examination) clusterClock(ctx context.Context, api cluster.API, e string) {
	status, answer, err := api.Do(ctx, http.MethodGet, "/_nodes/_local/stats/jvm?filter_path=nodes.*.timestamp", nil)
	var stats struct {
		Nodes map[string]struct{ Timestamp int64 }
	}
	if err != nil || status != http.StatusOK || json.Unmarshal(answer, &stats) != nil {
		return
	}
	for _, n := range stats.Nodes {
		x.clock(e, time.UnixMilli(n.Timestamp))
	}
}

// write tries to store a document under a name that must be an alias and is
// none: who may not write is refused before that is looked at.
func (x *examination) write(ctx context.Context, api cluster.API, e string) {
	const check = "permission to write"
	index := x.Setup.IndexPrefix + "log-" + nothing
	status, answer, err := api.Do(ctx, http.MethodPut, "/"+index+"/_create/"+nothing+"?require_alias=true", []byte(`{"@timestamp":"2000-01-01T00:00:00Z"}`))
	switch {
	case err != nil:
		x.say(Untried, check, e, err.Error(), "")
	case status == http.StatusForbidden:
		x.say(Bad, check, e, fmt.Sprintf("the cluster refuses to store (403): %.200s", answer), "give this user the role fluent-siem-loader (fluent-siem setup apply, access), or lift the block")
	case status == http.StatusNotFound:
		x.say(OK, check, e, "", "")
	default:
		x.say(Untried, check, e, fmt.Sprintf("status %d: %.200s", status, answer), "")
	}
}

// templates compares the cluster with what setup makes, as far as indexes are
// concerned.
func (x *examination) templates(ctx context.Context, api cluster.API, e string) {
	const check = "templates"
	missing, all, err := x.missing(ctx, api)
	switch {
	case err != nil:
		x.say(Untried, check, e, err.Error(), "see fluent-siem setup plan, as a user who may")
	case len(missing) > 0:
		shown := missing[:min(len(missing), 3)]
		x.say(Bad, check, e, fmt.Sprintf("%d of %d are missing or old (%s …): fields get types by chance", len(missing), all, strings.Join(shown, ", ")), "run fluent-siem setup apply")
	default:
		x.say(OK, check, e, fmt.Sprintf("all %d", all), "")
	}
}

func (x *examination) missing(ctx context.Context, api cluster.API) (missing []string, all int, err error) {
	has, err := cluster.Probe(ctx, api, false)
	if err != nil {
		return nil, 0, err
	}
	resources, err := cluster.Resources(x.Setup, x.LogTypes, has)
	if err != nil {
		return nil, 0, err
	}
	made, err := cluster.Open(ctx, api, has, x.Setup.Name)
	if err != nil {
		return nil, 0, err
	}
	var wanted []cluster.Resource
	for _, r := range resources {
		if strings.Contains(r.Kind, "template") {
			wanted = append(wanted, r)
		}
	}
	steps, err := made.Plan(ctx, wanted, false)
	if err != nil {
		return nil, 0, err
	}
	for _, s := range steps {
		if s.Action == cluster.Create || s.Action == cluster.Update {
			missing = append(missing, s.Name)
		}
		if s.Action == cluster.Unread {
			return nil, 0, fmt.Errorf("they cannot be read: %s", s.Why)
		}
	}
	return missing, len(wanted), nil
}
