package services

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Nodes is a cluster of a test's own, for what would disturb others: settings
// that stop writing, small queues, nodes that are killed.
type Nodes struct {
	t     testing.TB
	home  string
	nodes []*node
}

type node struct {
	dir    string
	url    string
	cmd    *exec.Cmd
	exited chan struct{}
}

// OpenSearchNodes starts n nodes that form a cluster, without security, and end
// with the test. settings are lines of opensearch.yml for each of them, such as
// "thread_pool.write.queue_size: 2".
func OpenSearchNodes(t testing.TB, n int, settings ...string) *Nodes {
	t.Helper()
	env, err := run("the home of OpenSearch", "home")
	require(t, err)
	c := &Nodes{t: t, home: env["OPENSEARCH_HOME"]}
	ports := freePorts(t, 2*n)
	var names, seeds []string
	for i := range n {
		names = append(names, fmt.Sprintf("n%d", i+1))
		seeds = append(seeds, fmt.Sprintf("127.0.0.1:%d", ports[n+i]))
	}
	discovery := fmt.Sprintf("discovery.seed_hosts: [%s]\ncluster.initial_cluster_manager_nodes: [%s]\n", strings.Join(seeds, ", "), strings.Join(names, ", "))
	if n == 1 {
		discovery = "discovery.type: single-node\n"
	}
	name := Name("nodes")
	for i := range n {
		d := &node{dir: t.TempDir(), url: fmt.Sprintf("http://127.0.0.1:%d", ports[i])}
		yml := fmt.Sprintf("cluster.name: %s\nnode.name: %s\npath.data: %s/data\npath.logs: %s/logs\nnetwork.host: 127.0.0.1\nhttp.port: %d\ntransport.port: %d\n%s%s\n",
			name, names[i], d.dir, d.dir, ports[i], ports[n+i], discovery, strings.Join(settings, "\n"))
		logging, err := os.ReadFile(filepath.Join(c.home, "config/log4j2.properties"))
		for file, text := range map[string][]byte{"opensearch.yml": []byte(yml), "log4j2.properties": logging} {
			if err == nil {
				err = os.MkdirAll(filepath.Join(d.dir, "config"), 0o700)
			}
			if err == nil {
				err = os.WriteFile(filepath.Join(d.dir, "config", file), text, 0o600)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		c.nodes = append(c.nodes, d)
		c.start(d)
	}
	t.Cleanup(func() {
		for i := range c.nodes {
			c.Kill(i)
		}
	})
	c.Await(n)
	return c
}

// URLs are the base URLs of the nodes.
func (c *Nodes) URLs() (urls []string) {
	for _, d := range c.nodes {
		urls = append(urls, d.url)
	}
	return urls
}

// Kill ends node i at once, as kill -9 does.
func (c *Nodes) Kill(i int) {
	d := c.nodes[i]
	if d.cmd != nil {
		_ = d.cmd.Process.Kill() // it has ended, or does so now
		<-d.exited
		d.cmd = nil
	}
}

// Start starts node i again, with the data that it had. It is there after [Nodes.Await].
func (c *Nodes) Start(i int) {
	c.t.Helper()
	c.start(c.nodes[i])
}

func (c *Nodes) start(d *node) {
	c.t.Helper()
	root, err := Root()
	if err != nil {
		c.t.Fatal(err)
	}
	log, err := os.OpenFile(filepath.Join(d.dir, "log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		c.t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(filepath.Join(root, "test/services/opensearch/start.sh"), c.home, d.dir)
	cmd.Env = append(os.Environ(), "HEAP=384m")
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	exited := make(chan struct{})
	d.cmd, d.exited = cmd, exited
	go func() {
		_ = cmd.Wait() // killed, most of the time
		close(exited)
	}()
}

// Await waits until n nodes have joined.
func (c *Nodes) Await(n int) {
	c.t.Helper()
	for end := time.Now().Add(3 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		for _, d := range c.nodes {
			if d.cmd == nil {
				continue
			}
			select {
			case <-d.exited:
				text, err := os.ReadFile(filepath.Join(d.dir, "log"))
				c.t.Fatalf("a node of OpenSearch has ended: %.4000s %v", text, err)
			default:
			}
			res, err := http.Get(fmt.Sprintf("%s/_cluster/health?wait_for_nodes=%d&timeout=1s", d.url, n))
			if err == nil {
				res.Body.Close()
				if res.StatusCode == http.StatusOK {
					return
				}
			}
		}
		if time.Now().After(end) {
			c.t.Fatalf("the cluster of %d nodes did not form", n)
		}
	}
}

// freePorts returns n ports of the loopback that were free a moment ago.
func freePorts(t testing.TB, n int) (ports []int) {
	t.Helper()
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports
}
