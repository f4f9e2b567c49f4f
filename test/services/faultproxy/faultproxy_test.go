package faultproxy_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"

	"github.com/fluent-siem/fluent-siem/test/services/faultproxy"
)

type result struct {
	Errors bool
	Items  []map[string]struct {
		ID     string `json:"_id"`
		Status int
	}
}

func bulk(t *testing.T, url string, n int) result {
	t.Helper()
	var body bytes.Buffer
	z := gzip.NewWriter(&body)
	for i := range n {
		fmt.Fprintf(z, "{\"create\":{\"_index\":\"i\",\"_id\":\"%d\"}}\n{\"n\":%d}\n", i, i)
	}
	z.Close()
	req, _ := http.NewRequest("POST", url+"/_bulk", &body)
	req.Header.Set("Content-Encoding", "gzip")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var got result
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil {
		t.Fatal(err)
	}
	return got
}

func TestSinkAnswersForEachDocument(t *testing.T) {
	p, err := faultproxy.Start("")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if got := bulk(t, p.URL, 3); got.Errors || len(got.Items) != 3 || got.Items[2]["create"].Status != 201 {
		t.Errorf("%+v", got)
	}
}

// TestBusyItemsKeepTheirPlace: half the items never reach the cluster, and each result is that of its own item.
func TestBusyItemsKeepTheirPlace(t *testing.T) {
	var reached []string
	cluster := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var items []string
		for line := range strings.Lines(string(body)) {
			if _, id, ok := strings.Cut(line, `"_id":"`); ok {
				id, _, _ = strings.Cut(id, `"`)
				reached = append(reached, id)
				items = append(items, fmt.Sprintf(`{"create":{"_id":%q,"status":201}}`, id))
			}
		}
		fmt.Fprintf(w, `{"took":1,"errors":false,"items":[%s]}`, strings.Join(items, ","))
	}))
	defer cluster.Close()
	p, err := faultproxy.Start(cluster.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	p.Set(faultproxy.Faults{Busy: 0.5})
	got := bulk(t, p.URL, 1000)
	created := 0
	for i, it := range got.Items {
		if it["create"].ID != fmt.Sprint(i) {
			t.Fatalf("item %d is answered for %s", i, it["create"].ID)
		}
		if it["create"].Status == 201 {
			created++
		}
	}
	if len(got.Items) != 1000 || created != len(reached) || created < 350 || created > 650 || !got.Errors {
		t.Errorf("%d items, %d created, %d reached the cluster", len(got.Items), created, len(reached))
	}
}

func TestDownRefusesAndUpReturns(t *testing.T) {
	p, err := faultproxy.Start("")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	url := p.URL
	p.Down()
	if _, err := http.Get(url); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("while down: %v", err)
	}
	if err := p.Up(); err != nil || p.URL != url {
		t.Fatalf("up at %s: %v", p.URL, err)
	}
	bulk(t, url, 1)
	p.Set(faultproxy.Faults{Fail: 1, Status: 503})
	resp, err := http.Post(url+"/_bulk", "", strings.NewReader("{}\n{}\n"))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 503 {
		t.Errorf("status %d", resp.StatusCode)
	}
}

// TestLostAnswer: the documents are stored, and nobody hears of it.
func TestLostAnswer(t *testing.T) {
	stored := 0
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		stored++
		io.WriteString(w, `{"took":1,"errors":false,"items":[{"create":{"status":201}}]}`)
	}))
	defer upstream.Close()
	p, err := faultproxy.Start(upstream.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	p.Set(faultproxy.Faults{Lose: 1})
	resp, err := http.Post(p.URL+"/_bulk", "application/x-ndjson", strings.NewReader("{\"create\":{\"_index\":\"a\"}}\n{}\n"))
	if err == nil {
		resp.Body.Close()
		t.Errorf("an answer came: %s", resp.Status)
	}
	if stored == 0 {
		t.Error("nothing was stored")
	}
}

func TestReset(t *testing.T) {
	p, err := faultproxy.Start("")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	p.Set(faultproxy.Faults{Reset: 1})
	resp, err := http.Post(p.URL+"/_bulk", "application/x-ndjson", strings.NewReader("{\"create\":{\"_index\":\"a\"}}\n{}\n"))
	if err == nil {
		resp.Body.Close()
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%v", err)
	}
	if c := p.Counts(); c.Items != 0 || c.Failed == 0 {
		t.Errorf("%+v", c)
	}
}
