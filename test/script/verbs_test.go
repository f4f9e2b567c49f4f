package script_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// longest is how long a script waits for anything.
const longest = 30 * time.Second

func of(ts *testscript.TestScript) *world { return ts.Value(key{}).(*world) }

func s3put(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: s3put KEY FILE")
	}
	_, err := of(ts).services.Put(bucket, args[0], []byte(ts.ReadFile(args[1])))
	ts.Check(err)
}

func s3putQuiet(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: s3put-quiet KEY FILE")
	}
	ts.Check(of(ts).services.PutQuietly(bucket, args[0], []byte(ts.ReadFile(args[1]))))
}

func s3putPlain(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: s3put-plain KEY FILE")
	}
	ts.Check(of(ts).services.PutRepeated(bucket, args[0], []byte(ts.ReadFile(args[1])), nil, 0, nil))
}

// program is a pipeline that runs.
type program struct {
	cmd    *exec.Cmd
	out    bytes.Buffer
	err    lockedBuffer
	exited chan struct{} // closed when it has ended; status is set then
	status error
}

// lockedBuffer may be read while the program writes.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (p *program) kill() {
	if p != nil {
		_ = p.cmd.Process.Kill()
		<-p.exited
	}
}

// pipeline runs the program until a condition holds, or starts or stops it.
func pipeline(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: pipeline until CONDITION | start | stop")
	}
	switch args[0] {
	case "start":
		start(ts)
	case "stop":
		stop(ts)
	case "until":
		start(ts)
		until(ts, args[1:])
		stop(ts)
	default:
		ts.Fatalf("unknown: pipeline %s", args[0])
	}
}

// hangup sends SIGHUP and waits for a condition.
func hangup(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || args[0] != "until" {
		ts.Fatalf("usage: hangup until CONDITION")
	}
	ts.Check(of(ts).running.cmd.Process.Signal(syscall.SIGHUP))
	until(ts, args[1:])
}

func start(ts *testscript.TestScript) {
	binary := ""
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		if name := filepath.Join(dir, "fluent-siem"); binary == "" {
			if _, err := os.Stat(name); err == nil {
				binary = name
			}
		}
	}
	p := &program{cmd: exec.Command(binary, "pipeline", "-c", "pipeline.yaml"), exited: make(chan struct{})}
	p.cmd.Dir = ts.Getenv("WORK")
	for _, name := range []string{"PATH", "HOME", "WORK", "TMPDIR", "QUEUE", "ENDPOINT", "OPENSEARCH", "INDEX", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_EC2_METADATA_DISABLED"} {
		p.cmd.Env = append(p.cmd.Env, name+"="+ts.Getenv(name))
	}
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.err
	ts.Check(p.cmd.Start())
	of(ts).running = p
	go func() {
		p.status = p.cmd.Wait()
		close(p.exited)
	}()
	until(ts, []string{"said", "pipeline started"}) // a signal before would end it
}

// stop ends the program with SIGTERM and hands over what it has said.
func stop(ts *testscript.TestScript) {
	p := of(ts).running
	of(ts).running = nil
	ts.Check(p.cmd.Process.Signal(syscall.SIGTERM))
	select {
	case <-p.exited:
	case <-time.After(longest):
		p.kill()
		ts.Fatalf("the pipeline did not end within %v of SIGTERM\n%s", longest, p.err.String())
	}
	_, _ = ts.Stdout().Write(p.out.Bytes()) // a buffer: cannot fail
	_, _ = ts.Stderr().Write([]byte(p.err.String()))
	if p.status != nil {
		ts.Fatalf("the pipeline ended with: %v\n%s", p.status, p.err.String())
	}
}

// until waits for a condition.
func until(ts *testscript.TestScript, args []string) {
	p := of(ts).running
	var holds func() bool
	switch {
	case len(args) == 1 && args[0] == "queue-empty":
		holds = func() bool { return of(ts).services.Queue(queue).Stats().Empty() }
	case len(args) == 3 && args[0] == "lines":
		n, err := strconv.Atoi(args[2])
		ts.Check(err)
		holds = func() bool {
			text, err := os.ReadFile(ts.MkAbs(args[1]))
			return err == nil && bytes.Count(text, []byte("\n")) >= n
		}
	case len(args) == 2 && args[0] == "said":
		holds = func() bool { return strings.Contains(p.err.String(), args[1]) }
	default:
		ts.Fatalf("unknown condition %q", args)
	}
	deadline := time.Now().Add(longest)
	for !holds() {
		select {
		case <-p.exited:
			ts.Fatalf("the pipeline ended by itself: %v\n%s", p.status, p.err.String())
		case <-time.After(10 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%q did not come true within %v\n%s", args, longest, p.err.String())
		}
	}
}

func queueHolds(ts *testscript.TestScript, neg bool, args []string) { holds(ts, queue, neg, args) }

func dlqHolds(ts *testscript.TestScript, neg bool, args []string) { holds(ts, dlq, neg, args) }

func holds(ts *testscript.TestScript, queue string, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: queue-holds N")
	}
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	ctx, cancel := context.WithTimeout(context.Background(), longest)
	defer cancel()
	for {
		stats := of(ts).services.Queue(queue).Stats()
		if stats.Visible == n && stats.InFlight == 0 {
			return
		}
		select {
		case <-ctx.Done():
			ts.Fatalf("the queue holds %d messages, %d in flight; want %d and none", stats.Visible, stats.InFlight, n)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func dlqSend(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: dlq-send FILE")
	}
	of(ts).services.Queue(dlq).Send(ts.ReadFile(args[0]), 0)
}

func cluster(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: cluster METHOD PATH [FILE]")
	}
	body := ""
	if len(args) == 3 {
		body = ts.ReadFile(args[2])
	}
	answer, err := request(args[0], ts.Getenv("OPENSEARCH")+args[1], body)
	ts.Check(err)
	fmt.Fprintln(ts.Stdout(), answer)
}

// request asks the cluster; a status that is no success is an error.
func request(method, url, body string) (answer string, err error) {
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode > 299 {
		err = fmt.Errorf("%s %s: %s: %s", method, url, resp.Status, text)
	}
	return string(text), err
}

// fields prints the values at paths like event.action or _source.event.action
// of each line of a file; "-" where there is none.
func fields(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: fields FILE PATH…")
	}
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		var document any
		ts.Check(json.Unmarshal([]byte(line), &document))
		var cells []string
		for _, path := range args[1:] {
			value := document
			for _, name := range strings.Split(path, ".") {
				m, _ := value.(map[string]any)
				value = m[name]
			}
			switch v := value.(type) {
			case nil:
				cells = append(cells, "-")
			case string:
				cells = append(cells, v)
			default:
				b, err := json.Marshal(v)
				ts.Check(err)
				cells = append(cells, string(b))
			}
		}
		fmt.Fprintln(ts.Stdout(), strings.Join(cells, " "))
	}
}

// helpExamples runs what the help texts show after "$ ", in a shell.
func helpExamples(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: help-examples COMMAND…")
	}
	for _, command := range args {
		ts.Check(ts.Exec("fluent-siem", append(strings.Fields(command), "--help")...))
		found := 0
		for line := range strings.Lines(ts.ReadFile("stdout")) {
			example, ok := strings.CutPrefix(strings.TrimSpace(line), "$ ")
			if !ok {
				continue
			}
			found++
			ts.Logf("%s", example)
			ts.Check(ts.Exec("sh", "-c", example))
			if ts.ReadFile("stdout") == "" {
				ts.Fatalf("the example prints nothing: %s", example)
			}
		}
		if found == 0 {
			ts.Fatalf("the help of %s has no example", command)
		}
	}
}
