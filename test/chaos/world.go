package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fluent-siem/fluent-siem/test/corpus"
	"github.com/fluent-siem/fluent-siem/test/rig"
	"github.com/fluent-siem/fluent-siem/test/services"
	"github.com/fluent-siem/fluent-siem/test/services/awsemu"
	"github.com/fluent-siem/fluent-siem/test/services/faultproxy"
)

const (
	bucket = "chaos"
	queue  = "chaos"
	size   = 50 // records in an object
	// memoryMost is what the agent may have resident with a memory_limit of 16 MB.
	memoryMost = 256 << 20
	visibility = 10 // seconds: short, so that holds are lost now and then
	poison     = 97 // every so many records one cannot be mapped
)

// world is the pipeline and all that it depends on.
type world struct {
	rand    *rand.Rand
	dir     string
	cluster *services.Nodes
	proxies []*faultproxy.Proxy
	aws     *awsemu.Server
	setup   rig.Setup
	host    rig.Host
	agent   *rig.Process
	types   []corpus.Type

	put      int      // records so far, of each type
	objects  []string // messages of objects that were announced
	fatal    []string // what cannot be explained
	peak     int64    // bytes that an agent had resident at most
	starts   int
	unstable int // agents that had ended by themselves
}

func newWorld(ctx context.Context, root, dir string, nodes int, r *rand.Rand) (w *world, err error) {
	w = &world{rand: r, dir: dir, host: rig.Pipeline(root), types: corpus.Salted(r.Uint32())}
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	say("starting %d nodes of OpenSearch", nodes)
	if w.cluster, err = services.StartNodes(dir, nodes, "cluster.routing.allocation.disk.threshold_enabled: false"); err != nil {
		return w, err
	}
	var endpoints []string
	for _, url := range w.cluster.URLs() {
		p, err := faultproxy.Start(url)
		if err != nil {
			return w, err
		}
		w.proxies = append(w.proxies, p)
		endpoints = append(endpoints, p.URL)
	}
	if err := w.template(ctx, nodes); err != nil {
		return w, err
	}
	if w.aws, err = awsemu.Start(awsemu.Config{}); err != nil {
		return w, err
	}
	url, err := w.aws.Pipe(bucket, queue)
	if err == nil {
		err = w.aws.CreateQueue(queue, map[string]string{"VisibilityTimeout": fmt.Sprint(visibility)})
	}
	if err != nil {
		return w, err
	}
	w.setup = rig.Setup{
		Dir: filepath.Join(dir, "agent"), Endpoint: w.aws.URL, QueueURL: url, OpenSearch: strings.Join(endpoints, ", "),
		Input:  rig.Settings{"memory_limit": "16MB"},
		Filter: rig.Settings{"geoip_dir": filepath.Join(root, "filters/enrich/testdata/mmdb")},
		Output: rig.Settings{"request_timeout": "5", "repair": "none"}, // so that there are dead letters
	}
	if err := os.MkdirAll(w.setup.Dir, 0o700); err != nil {
		return w, err
	}
	return w, w.start()
}

// template makes a text in requestParameters.size impossible, and keeps a copy
// of each document on a second node when there is one.
func (w *world) template(ctx context.Context, nodes int) error {
	c := w.search()
	replicas := 0
	if nodes > 1 {
		replicas = 1
	}
	return c.Do(ctx, "PUT", "/_index_template/chaos", map[string]any{
		"index_patterns": []string{"log-*"}, "priority": 500,
		"template": map[string]any{
			"settings": map[string]any{"number_of_shards": 1, "number_of_replicas": replicas},
			"mappings": map[string]any{"properties": map[string]any{
				"@log_s3bucket":     map[string]any{"type": "keyword"},
				"@message":          map[string]any{"type": "keyword", "index": false, "doc_values": false},
				"requestParameters": map[string]any{"properties": map[string]any{"size": map[string]any{"type": "long"}}},
			}},
		},
	}, nil)
}

// search is the cluster, asked at a node that runs.
func (w *world) search() rig.Cluster { return rig.Cluster{URL: w.cluster.URLs()[0]} }

func (w *world) start() (err error) {
	w.starts++
	w.agent, err = w.setup.Start(w.host)
	return err
}

// restart starts an agent where there is none; one that ended without being told
// to is an unexplained one.
func (w *world) restart() error {
	select {
	case <-w.agent.Done():
		w.unstable++
		w.note("an agent ended by itself: %.2000s", w.agent.Output())
		return w.start()
	default:
		return nil
	}
}

func (w *world) note(format string, args ...any) {
	w.fatal = append(w.fatal, fmt.Sprintf(format, args...))
	say("UNEXPLAINED: "+format, args...)
}

// measure looks at the agent's memory.
func (w *world) measure() {
	rss, err := w.agent.PeakRSS()
	if err != nil {
		return // it has just ended
	}
	if rss > w.peak {
		if w.peak = rss; rss > memoryMost {
			w.note("the agent had %d MB resident, with memory_limit 16MB", rss>>20)
		}
	}
}

func (w *world) close() {
	if w.agent != nil {
		w.agent.Kill()
	}
	for _, p := range w.proxies {
		_ = p.Close() // never fails
	}
	if w.aws != nil {
		_ = w.aws.Close() // the run is over
	}
	if w.cluster != nil {
		w.cluster.Close()
	}
}

// load puts one more object of each type.
func (w *world) load() error {
	for _, t := range w.types {
		o := t.Object(w.put, size)
		if t.Name == corpus.CloudTrail.Name {
			o.Body = corpus.Gzip(w.poisoned(t))
		}
		if _, err := w.aws.Put(bucket, o.Key, o.Body); err != nil {
			return err
		}
		w.objects = append(w.objects, awsemu.Body(awsemu.ShapeS3, bucket, o.Key, "", int64(len(o.Body)), ""))
	}
	w.put += size
	return nil
}

// poisoned is an object's text in which some records cannot be mapped.
func (w *world) poisoned(t corpus.Type) []byte {
	lines := bytes.SplitAfter(t.Text(w.put, size), []byte("\n"))
	for i, line := range lines {
		if n, ok := t.Number(string(line)); ok && n%poison == 0 {
			lines[i] = bytes.Replace(line, []byte(`"bucketName":"invoices"`), []byte(`"size":"not a number"`), 1)
		}
	}
	return slices.Concat(lines...)
}

func say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, time.Now().Format("15:04:05 ")+format+"\n", args...)
}

var errNotYet = errors.New("not yet")
