package main

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"time"

	"github.com/fluent-siem/fluent-siem/test/corpus"
	"github.com/fluent-siem/fluent-siem/test/rig"
	"github.com/fluent-siem/fluent-siem/test/services/awsemu"
)

// smallLatency is how long each GET of small takes before its first byte:
// what S3 needs for an object that nobody has read of late.
const smallLatency = 150 * time.Millisecond

// small measures how many objects of one record each are loaded in a second of
// the clock, each acknowledged when its record is stored. The emulator, the sink
// and the host share the machine's cores.
func small(root string, limit time.Duration) (row result, err error) {
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
	emulator.Fault(awsemu.Fault{Operation: "GetObject", Delay: smallLatency})
	sink := new(sink)
	server := httptest.NewServer(sink)
	defer server.Close()
	dir, err := os.MkdirTemp("", "siem-bench-")
	if err != nil {
		return row, err
	}
	defer os.RemoveAll(dir)
	const target = 1000
	objects := int64(4 * target * limit.Seconds())
	for i := range objects {
		if _, err := emulator.Put("bench", corpus.CloudTrail.Object(int(i), 1).Key, corpus.Gzip(corpus.CloudTrail.Traffic(1, uint64(i)))); err != nil {
			return row, err
		}
	}
	setup := rig.Setup{Dir: dir, Endpoint: emulator.URL, QueueURL: queue, OpenSearch: server.URL}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	p, err := setup.Start(rig.TestHost(root))
	if err != nil {
		return row, err
	}
	defer p.Kill()
	var began time.Time
	err = p.Await(ctx, func() error {
		if began.IsZero() && emulator.Requests("GetObject") > 0 {
			began = time.Now()
		}
		if n := sink.documents.Load(); n < objects {
			return fmt.Errorf("%d of %d documents arrived", n, objects)
		}
		return emptyQueue(emulator)
	})
	if err != nil {
		return row, err
	}
	took := time.Since(began)
	rss, err := p.PeakRSS()
	if err != nil {
		return row, err
	}
	return result{
		Type: corpus.CloudTrail.Name, Stage: "1-record objects", Cores: 1, Target: target,
		Events: float64(objects) / took.Seconds(), PeakRSS: float64(rss) / 1e6,
	}, nil
}
