package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/fluent-siem/fluent-siem/test/corpus"
	"github.com/fluent-siem/fluent-siem/test/rig"
	"github.com/fluent-siem/fluent-siem/test/services/awsemu"
)

// inHost measures the three plugins inside the test host: objects in a bucket
// become bulk requests that a sink answers at once.
func inHost(root string, d data, emit string, limit time.Duration) (row result, err error) {
	root, err = filepath.Abs(root)
	if err != nil {
		return row, err
	}
	emulator, err := awsemu.Start(awsemu.Config{})
	if err != nil {
		return row, err
	}
	defer emulator.Close()
	queue, err := emulator.Pipe("bench", "bench")
	if err != nil {
		return row, err
	}
	sink := new(sink)
	server := httptest.NewServer(sink)
	defer server.Close()
	dir, err := os.MkdirTemp("", "siem-bench-")
	if err != nil {
		return row, err
	}
	defer os.RemoveAll(dir)

	plain := d.Traffic(d.n, 1)
	packed := corpus.Gzip(plain)
	// As many objects as a core needs limit for, at the rate to be reached.
	objects := max(4, int(limit.Seconds()*d.target/float64(d.n)))
	for i := range objects {
		if _, err := emulator.Put("bench", d.Object(i, 1).Key, packed); err != nil {
			return row, err
		}
	}
	setup := rig.Setup{Dir: dir, Endpoint: emulator.URL, QueueURL: queue, OpenSearch: server.URL,
		Filter: rig.Settings{"geoip_dir": filepath.Join(root, "filters/enrich/testdata/mmdb"), "emit": emit}}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	p, err := setup.Start(rig.TestHost(root))
	if err != nil {
		return row, err
	}
	defer p.Kill()
	want := int64(objects * d.n)
	err = p.Await(ctx, func() error {
		if n := sink.documents.Load(); n < want {
			return fmt.Errorf("%d of %d documents arrived", n, want)
		}
		return emptyQueue(emulator)
	})
	if err != nil {
		return row, err
	}
	cpu, err := cpuOf(p.PID())
	if err != nil {
		return row, err
	}
	rss, err := p.PeakRSS()
	if err != nil {
		return row, err
	}
	stage := "pipeline"
	if emit != "record" {
		stage += ", emit " + emit
	}
	events := float64(want)
	return result{
		Type: d.Name, Stage: stage, Cores: 1, Target: d.target / 2,
		Events: events / cpu.Seconds(), MB: events / float64(d.n) * float64(len(plain)) / cpu.Seconds() / 1e6, PeakRSS: float64(rss) / 1e6,
	}, nil
}

func emptyQueue(s *awsemu.Server) error {
	if stats := s.Queue("bench").Stats(); !stats.Empty() {
		return fmt.Errorf("the queue is not empty: %+v", stats)
	}
	return nil
}

// cpuOf is the CPU time that another process has used (proc(5), stat, fields
// 14 and 15, in ticks of 10 ms).
func cpuOf(pid int) (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	user, err := strconv.Atoi(fields[11])
	if err != nil {
		return 0, err
	}
	system, err := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond, err
}

// sink answers bulk requests as OpenSearch does when all is well: an item for
// each document.
type sink struct{ documents atomic.Int64 }

func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if !strings.HasSuffix(r.URL.Path, "/_bulk") {
		io.WriteString(w, `{"version":{"distribution":"opensearch","number":"2.19.4"}}`)
		return
	}
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body = z
	}
	lines := 0
	buf := make([]byte, 256<<10)
	for {
		n, err := body.Read(buf)
		lines += bytes.Count(buf[:n], []byte{'\n'})
		if err == io.EOF {
			break
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	}
	var answer bytes.Buffer
	answer.WriteString(`{"took":1,"errors":false,"items":[`)
	for i := range lines / 2 {
		if i > 0 {
			answer.WriteByte(',')
		}
		answer.WriteString(`{"create":{"_index":"log-bench","_id":"0123456789abcdef0123456789abcdef","_version":1,"result":"created","_shards":{"total":2,"successful":1,"failed":0},"_seq_no":1,"_primary_term":1,"status":201}}`)
	}
	answer.WriteString("]}")
	if _, err := w.Write(answer.Bytes()); err == nil {
		s.documents.Add(int64(lines / 2))
	}
}
