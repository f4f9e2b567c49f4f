// Command demo shows the pipeline at work on this machine: it starts a real
// OpenSearch and sets it up, starts an emulator of S3 and SQS, puts logs of three
// types into a bucket, loads them (inside Fluent Bit where there is one, else by
// `fluent-siem pipeline`), waits until the queue is empty and every lease
// settled, and prints what became of them; the dashboards over them stay for an hour.
//
// `make demo` builds first and then runs it.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/fluent-siem/fluent-siem/test/corpus"
	"github.com/fluent-siem/fluent-siem/test/rig"
	"github.com/fluent-siem/fluent-siem/test/services"
	"github.com/fluent-siem/fluent-siem/test/services/awsemu"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

const (
	bucket = "siem-demo"
	queue  = "siem-logs"
)

// run is the demo. Results go to out, progress to diag.
func run(ctx context.Context, out, diag io.Writer) error {
	root, err := services.Root()
	if err != nil {
		return err
	}
	cluster, err := openSearch(ctx, root, diag)
	if err != nil {
		return err
	}
	aws, err := awsemu.Start(awsemu.Config{})
	if err != nil {
		return err
	}
	defer aws.Close()
	// What an earlier demo left would make this one's events duplicates.
	if err := cluster.Forget(ctx, bucket); err != nil {
		return err
	}
	queueURL, err := aws.Pipe(bucket, queue)
	if err != nil {
		return err
	}
	all, err := objects(root)
	if err != nil {
		return err
	}

	dir := filepath.Join(root, "build/demo")
	if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o755)); err != nil {
		return err
	}
	if err := setUp(ctx, root, dir, cluster, diag); err != nil {
		return err
	}
	setup := rig.Setup{
		Dir: dir, Endpoint: aws.URL, QueueURL: queueURL, OpenSearch: cluster.URL,
		Filter: rig.Settings{"geoip_dir": filepath.Join(root, "filters/enrich/testdata/mmdb")},
	}
	host, err := rig.FluentBit(root)
	where := "inside " + host.Version
	if err != nil {
		host, where = rig.Pipeline(root), "by `fluent-siem pipeline` ("+err.Error()+")"
	}

	for _, o := range all {
		if _, err := aws.Put(bucket, o.Key, o.Body); err != nil {
			return err
		}
	}
	fmt.Fprintf(diag, "%d objects are in s3://%s; they are loaded %s\n", len(all), bucket, where)
	process, err := setup.Start(host)
	if err != nil {
		return err
	}
	defer process.Kill()
	ctx, cancel := context.WithTimeoutCause(ctx, 3*time.Minute, errors.New("three minutes are over"))
	defer cancel()
	b := newBooks(all)
	if err := b.watch(ctx, process, aws.Queue(queue), newProgress(diag, b.records())); err != nil {
		return err
	}
	if _, err := process.Stop(20 * time.Second); err != nil {
		return err
	}

	fmt.Fprintf(out, "\nThe queue is empty and every lease settled.\n\n")
	b.print(out)
	if err := explain(ctx, out, setup); err != nil {
		return err
	}
	if err := show(ctx, out, cluster); err != nil {
		return err
	}
	fmt.Fprintf(out, "\nQuery more:\n\n  curl -s '%s/log-*/_search?pretty&size=1&q=source.geo.city_name:London'\n\n", cluster.URL)
	fmt.Fprintf(out, "Configuration and log of the run: build/demo. OpenSearch goes on; test/services/services stop ends it.\n")
	return view(ctx, out, root, cluster)
}

// setUp makes the templates, as `fluent-siem setup apply` does for everybody.
// They count for indexes that begin after, so what an earlier demo has left
// empty goes.
func setUp(ctx context.Context, root, dir string, cluster rig.Cluster, diag io.Writer) error {
	file := filepath.Join(dir, "setup.yaml")
	if err := os.WriteFile(file, []byte("replicas: 0\n"), 0o644); err != nil {
		return err
	}
	for _, t := range corpus.Types {
		if err := cluster.DropEmpty(ctx, t.Index+"-*"); err != nil {
			return err
		}
	}
	apply := exec.CommandContext(ctx, filepath.Join(root, "build/fluent-siem"), "setup", "apply",
		"--endpoint", cluster.URL, "--settings", file, "--backup", filepath.Join(dir, "setup-backup"))
	said, err := apply.CombinedOutput()
	if err != nil {
		return fmt.Errorf("setup apply: %w: %s", err, said)
	}
	lines := strings.Split(strings.TrimSpace(string(said)), "\n")
	fmt.Fprintf(diag, "fluent-siem setup apply: %s\n", lines[len(lines)-1])
	return nil
}

// openSearch starts the cluster, or takes the one named by OPENSEARCH_URL.
func openSearch(ctx context.Context, root string, diag io.Writer) (rig.Cluster, error) {
	start := exec.CommandContext(ctx, filepath.Join(root, "test/services/services"), "start", "opensearch")
	var lines bytes.Buffer
	start.Stdout, start.Stderr = &lines, diag
	if err := start.Run(); err != nil {
		return rig.Cluster{}, fmt.Errorf("OpenSearch did not start: %w; the lines above say why", err)
	}
	_, url, ok := strings.Cut(strings.TrimSpace(lines.String()), "OPENSEARCH_URL=")
	if !ok {
		return rig.Cluster{}, fmt.Errorf("OpenSearch did not say where it is: %q", lines.String())
	}
	return rig.Cluster{URL: strings.TrimSuffix(url, "/")}, nil
}

// objects are the samples, and some more of each type.
func objects(root string) ([]corpus.Object, error) {
	all, err := corpus.Samples(filepath.Join(root, "test/samples"), 0)
	const each, size = 5, 1000
	for _, t := range corpus.Types {
		for i := range each {
			all = append(all, t.Object(i*size, size))
		}
	}
	return all, err
}

// explain prints why a record could not be stored, when there is one.
func explain(ctx context.Context, out io.Writer, setup rig.Setup) error {
	letters, err := setup.Letters(ctx)
	if err != nil || len(letters) == 0 {
		return err
	}
	fmt.Fprintf(out, "\nA dead letter is a record that OpenSearch refuses for what it is. It waits in build/demo/dead-letters with its reason (fluent-siem deadletter list), here:\n%s %s: %s\n",
		letters[0].Index, letters[0].ID, letters[0].Reason)
	return nil
}

// show prints one document with everything that was added to it.
func show(ctx context.Context, out io.Writer, cluster rig.Cluster) error {
	var best rig.Document
	err := cluster.Each(ctx, bucket, func(doc rig.Document) {
		if best.Source == nil && strings.HasPrefix(doc.Index, "log-aws-elb") && bytes.Contains(doc.Source, []byte(`"city_name":"London"`)) {
			best = doc
		}
	})
	if err != nil {
		return err
	}
	if best.Source == nil {
		return errors.New("no document has the place of its source address; it should have")
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, best.Source, "  ", "  "); err != nil {
		return err
	}
	fmt.Fprintf(out, "\nOne of the documents, %s/_doc/%s:\n\n  %s\n", best.Index, best.ID, pretty.String())
	return nil
}
