package services

import (
	"errors"
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

// Nodes is a cluster of one's own, for what would disturb others: settings that
// stop writing, small queues, nodes that are killed.
type Nodes struct {
	home  string
	nodes []*node
}

type node struct {
	dir    string
	url    string
	cmd    *exec.Cmd
	exited chan struct{}
}

// OpenSearchNodes starts a cluster as [StartNodes] does that ends with the test.
func OpenSearchNodes(t testing.TB, n int, settings ...string) *Nodes {
	t.Helper()
	_, err := run("the home of OpenSearch", "home")
	Require(t, err)
	c, err := StartNodes(t.TempDir(), n, settings...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// StartNodes starts n nodes that form a cluster, without security, with their
// data in dir. settings are lines of opensearch.yml for each of them, such as
// "thread_pool.write.queue_size: 2". Close it.
func StartNodes(dir string, n int, settings ...string) (*Nodes, error) {
	env, err := run("the home of OpenSearch", "home")
	if err != nil {
		return nil, err
	}
	c := &Nodes{home: env["OPENSEARCH_HOME"]}
	ports, err := freePorts(2 * n)
	if err != nil {
		return nil, err
	}
	logging, err := os.ReadFile(filepath.Join(c.home, "config/log4j2.properties"))
	if err != nil {
		return nil, err
	}
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
		d := &node{dir: filepath.Join(dir, names[i]), url: fmt.Sprintf("http://127.0.0.1:%d", ports[i])}
		yml := fmt.Sprintf("cluster.name: %s\nnode.name: %s\npath.data: %s/data\npath.logs: %s/logs\nnetwork.host: 127.0.0.1\nhttp.port: %d\ntransport.port: %d\n%s%s\n",
			name, names[i], d.dir, d.dir, ports[i], ports[n+i], discovery, strings.Join(settings, "\n"))
		config := filepath.Join(d.dir, "config")
		err := errors.Join(os.MkdirAll(config, 0o700),
			os.WriteFile(filepath.Join(config, "opensearch.yml"), []byte(yml), 0o600),
			os.WriteFile(filepath.Join(config, "log4j2.properties"), logging, 0o600))
		if err == nil {
			c.nodes = append(c.nodes, d)
			err = c.Start(i)
		}
		if err != nil {
			c.Close()
			return nil, err
		}
	}
	if err := c.Await(n); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// URLs are the base URLs of the nodes.
func (c *Nodes) URLs() (urls []string) {
	for _, d := range c.nodes {
		urls = append(urls, d.url)
	}
	return urls
}

// Close kills every node.
func (c *Nodes) Close() {
	for i := range c.nodes {
		c.Kill(i)
	}
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

// Start starts node i, again with the data that it had. It is there after [Nodes.Await].
func (c *Nodes) Start(i int) error {
	d := c.nodes[i]
	root, err := Root()
	if err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join(d.dir, "log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(filepath.Join(root, "test/services/opensearch/start.sh"), c.home, d.dir)
	cmd.Env = append(os.Environ(), "HEAP=384m")
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return err
	}
	exited := make(chan struct{})
	d.cmd, d.exited = cmd, exited
	go func() {
		_ = cmd.Wait() // killed, most of the time
		close(exited)
	}()
	return nil
}

// Await waits until n nodes have joined.
func (c *Nodes) Await(n int) error {
	for end := time.Now().Add(3 * time.Minute); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		for _, d := range c.nodes {
			if d.cmd == nil {
				continue
			}
			select {
			case <-d.exited:
				text, err := os.ReadFile(filepath.Join(d.dir, "log"))
				if err != nil {
					return err
				}
				return fmt.Errorf("a node of OpenSearch has ended: %.4000s", text)
			default:
			}
			res, err := http.Get(fmt.Sprintf("%s/_cluster/health?wait_for_nodes=%d&timeout=1s", d.url, n))
			if err == nil {
				res.Body.Close()
				if res.StatusCode == http.StatusOK {
					return nil
				}
			}
		}
	}
	return fmt.Errorf("the cluster of %d nodes did not form within three minutes", n)
}

// freePorts returns n ports of the loopback that were free a moment ago.
func freePorts(n int) (ports []int, err error) {
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}
