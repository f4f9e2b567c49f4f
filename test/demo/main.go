// Command demo shows the pipeline at work on this machine: it starts a real
// OpenSearch and sets it up, starts an emulator of S3 and SQS, puts logs of three
// types into a bucket, loads them (inside Fluent Bit where there is one, else by
// `fluent-siem pipeline`), waits until the queue is empty and every lease
// settled, and prints what became of them.
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
	if err := (demo{bucket: "siem-demo"}).run(ctx, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

const queue = "siem-logs"

// demo is what differs between the demo and its test.
type demo struct {
	bucket string
	salt   uint32 // of event ids, so that a test's events are not the demo's
	prefix string // of index names, so that a test's templates are not the demo's
}

// run is the demo. Results go to out, progress to diag.
func (d demo) run(ctx context.Context, out, diag io.Writer) error {
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
	if err := cluster.Forget(ctx, d.bucket); err != nil {
		return err
	}
	queueURL, err := aws.Pipe(d.bucket, queue)
	if err != nil {
		return err
	}
	objects, err := d.objects(root)
	if err != nil {
		return err
	}

	dir := filepath.Join(root, "build/demo")
	if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o755)); err != nil {
		return err
	}
	if err := d.setUp(ctx, root, dir, cluster, diag); err != nil {
		return err
	}
	setup := rig.Setup{
		Dir: dir, Endpoint: aws.URL, QueueURL: queueURL, OpenSearch: cluster.URL,
		Filter: rig.Settings{"geoip_dir": filepath.Join(root, "filters/enrich/testdata/mmdb")},
	}
	if d.prefix != "" {
		setup.Filter["logtypes_dir"] = filepath.Join(dir, "types")
	}
	host, err := rig.FluentBit(root)
	where := "inside " + host.Version
	if err != nil {
		host, where = rig.Pipeline(root), "by `fluent-siem pipeline` ("+err.Error()+")"
	}

	for _, o := range objects {
		if _, err := aws.Put(d.bucket, o.Key, o.Body); err != nil {
			return err
		}
	}
	fmt.Fprintf(diag, "%d objects are in s3://%s; they are loaded %s\n", len(objects), d.bucket, where)
	process, err := setup.Start(host)
	if err != nil {
		return err
	}
	defer process.Kill()
	ctx, cancel := context.WithTimeoutCause(ctx, 3*time.Minute, errors.New("three minutes are over"))
	defer cancel()
	b := newBooks(objects)
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
	if err := d.show(ctx, out, cluster); err != nil {
		return err
	}
	fmt.Fprintf(out, "\nQuery more:\n\n  curl -s '%s/log-*/_search?pretty&size=1&q=source.geo.city_name:London'\n\n", cluster.URL)
	fmt.Fprintf(out, "Configuration and log of the run: build/demo. OpenSearch goes on; test/services/services stop ends it.\n")
	return nil
}

// setUp makes the templates, as `fluent-siem setup apply` does for everybody.
// They count for indexes that begin after, so what an earlier demo has left
// empty goes.
func (d demo) setUp(ctx context.Context, root, dir string, cluster rig.Cluster, diag io.Writer) error {
	settings := "replicas: 0\n"
	if d.prefix != "" {
		settings += "name: " + d.bucket + "\nindex_prefix: " + d.prefix + "\n"
	}
	file := filepath.Join(dir, "setup.yaml")
	if err := os.WriteFile(file, []byte(settings), 0o644); err != nil {
		return err
	}
	for name, index := range map[string]string{"cloudtrail": "log-aws-cloudtrail", "vpcflowlogs": "log-aws-vpcflowlogs", "alb": "log-aws-elb"} {
		if d.prefix != "" {
			if err := d.logType(dir, name, index); err != nil {
				return err
			}
		} else if err := cluster.DropEmpty(ctx, index+"-*"); err != nil {
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

// logType gives a shipped log type an index of the test's own.
func (d demo) logType(dir, name, index string) error {
	types := filepath.Join(dir, "types")
	if err := os.MkdirAll(types, 0o755); err != nil {
		return err
	}
	text := fmt.Sprintf("name: %s\nextends: %s\nindex: {name: %s%s}\n", name, name, d.prefix, index)
	return os.WriteFile(filepath.Join(types, name+".yaml"), []byte(text), 0o644)
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
func (d demo) objects(root string) ([]corpus.Object, error) {
	all, err := corpus.Samples(filepath.Join(root, "test/samples"), d.salt)
	const each, size = 5, 1000
	for _, t := range corpus.Salted(d.salt) {
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
func (d demo) show(ctx context.Context, out io.Writer, cluster rig.Cluster) error {
	var best rig.Document
	err := cluster.Each(ctx, d.bucket, func(doc rig.Document) {
		if best.Source == nil && strings.HasPrefix(doc.Index, d.prefix+"log-aws-elb") && bytes.Contains(doc.Source, []byte(`"city_name":"London"`)) {
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
