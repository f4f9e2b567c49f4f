package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
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
	bucket     = "chaos"
	queue      = "chaos"
	size       = 50 // records in an object
	visibility = 10 // seconds: short, so that holds are lost now and then
	poison     = 97 // every so many records one cannot be mapped
)

// world is the pipeline and all that it depends on.
type world struct {
	plan    *rand.Rand // which faults, and how long
	rand    *rand.Rand // everything else, which depends on what there is at the moment
	dir     string
	cluster *services.Nodes
	proxies []*faultproxy.Proxy
	aws     *awsemu.Server
	setup   rig.Setup
	host    rig.Host
	agent   *rig.Process
	types   []corpus.Type

	put     int      // records so far, of each type
	objects []string // messages of objects that were announced
	fatal   []string // what cannot be explained
	peak    int64    // bytes that an agent had resident at most
	memory  int64    // and may have
	starts  int
	stops   int  // agents that ended when they were asked to
	leaks   int  // those of them that left goroutines behind
	disk    bool // dead letters have a disk of their own
}

func newWorld(ctx context.Context, root, dir string, o options) (w *world, err error) {
	w = &world{plan: rand.New(rand.NewPCG(o.seed, 0)), rand: rand.New(rand.NewPCG(o.seed, 1)), dir: dir, memory: o.memory << 20}
	w.types = corpus.Salted(w.rand.Uint32())
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	if w.host, err = host(); err != nil {
		return w, err
	}
	say("starting %d nodes of OpenSearch", o.nodes)
	if w.cluster, err = services.StartNodes(dir, o.nodes, "cluster.routing.allocation.disk.threshold_enabled: false"); err != nil {
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
	if err := w.template(ctx, o.nodes); err != nil {
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
		Service: rig.Settings{"grace": "5"},
		Input:   rig.Settings{"memory_limit": "16MB"},
		Filter:  rig.Settings{"geoip_dir": filepath.Join(root, "filters/enrich/testdata/mmdb")},
		Output:  rig.Settings{"request_timeout": "5", "repair": "none"}, // so that there are dead letters
	}
	if err := os.MkdirAll(w.setup.DeadLetters(), 0o700); err != nil {
		return w, err
	}
	w.mount()
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

// restart starts an agent where there is none.
func (w *world) restart() error {
	if w.ended() {
		return w.start()
	}
	return nil
}

// ended reports whether the agent has ended without being told to, which cannot
// be explained.
func (w *world) ended() bool {
	select {
	case <-w.agent.Done():
		w.note("an agent ended by itself: %.2000s", w.agent.Output())
		return true
	default:
		return false
	}
}

// kill ends the agent as `kill -9` does.
func (w *world) kill() {
	if !w.ended() {
		w.measure()
		w.agent.Kill()
	}
}

func (w *world) note(format string, args ...any) {
	w.fatal = append(w.fatal, fmt.Sprintf(format, args...))
	say("UNEXPLAINED: "+format, args...)
}

// stop asks the agent to end. late: it may be late with what is on its way, and
// say so.
func (w *world) stop(late bool) {
	if w.ended() {
		return
	}
	w.measure()
	took, err := w.agent.Stop(30 * time.Second)
	switch {
	case err == nil:
	case leak(err):
		w.leaks++
		w.note("an agent left goroutines behind: %v", err)
	case !late:
		w.note("the agent did not end well after %v: %v", took, err)
	}
	w.stops++
}

// measure looks at the agent's memory.
func (w *world) measure() {
	rss, err := w.agent.PeakRSS()
	if err != nil {
		return // it has just ended
	}
	if rss > w.peak {
		if w.peak = rss; rss > w.memory {
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
	if w.disk {
		if out, err := exec.Command("umount", w.setup.DeadLetters()).CombinedOutput(); err != nil {
			say("the disk of dead letters stays: %v: %s", err, out)
		}
	}
}

// mount gives dead letters a small disk of their own, which only root can.
func (w *world) mount() {
	out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=16m", "fluent-siem-chaos", w.setup.DeadLetters()).CombinedOutput()
	if w.disk = err == nil; !w.disk {
		say("dead letters have no disk of their own to fill (%v: %s): a file in place of their folder stands for a full one", err, bytes.TrimSpace(out))
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
