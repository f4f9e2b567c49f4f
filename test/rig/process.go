package rig

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Process is a running host.
type Process struct {
	cmd    *exec.Cmd
	setup  Setup
	output string // file
	client *http.Client
	done   chan struct{} // closed when it has ended
	err    error         // how, valid then
}

// Start starts h with the setup. Credentials are invented ones.
func (s Setup) Start(h Host) (*Process, error) {
	config, err := s.Config(h)
	if err != nil {
		return nil, err
	}
	return s.StartWith(h, config)
}

// StartWith starts h with a configuration of the caller's, whose state_dir is
// the setup's, and more variables (NAME=value) in its environment.
func (s Setup) StartWith(h Host, config string, env ...string) (*Process, error) {
	env = append(append(os.Environ(), "AWS_ACCESS_KEY_ID=AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY=secret", "AWS_EC2_METADATA_DISABLED=true", "NO_COLOR=1"), env...)
	if h.flat {
		var err error
		if config, err = flatten(config, env); err != nil {
			return nil, err
		}
	}
	p := &Process{setup: s, output: filepath.Join(s.Dir, h.Name+".out"), done: make(chan struct{})}
	out, err := os.OpenFile(p.output, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	p.cmd = exec.Command(h.Program, h.args(config)...)
	p.cmd.Stdout, p.cmd.Stderr, p.cmd.Env = out, out, env
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s does not start: %w; `make build` makes it", h.Name, err)
	}
	socket := filepath.Join(s.StateDir(), fmt.Sprintf("fluent-siem-%d.sock", p.cmd.Process.Pid))
	p.client = &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Kill ends the process and its children at once, as `kill -9` does, and waits for it.
func (p *Process) Kill() {
	select {
	case <-p.done:
		return // its number may be another's by now
	default:
	}
	syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // an error says that it has ended
	<-p.done
}

// Stop asks the process to end (SIGTERM) and waits up to limit. It returns how
// long that took; an error when it had to be killed or ended with one.
func (p *Process) Stop(limit time.Duration) (time.Duration, error) {
	began := time.Now()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return 0, p.fail(fmt.Errorf("it had ended before it was asked to: %w", err))
	}
	select {
	case <-p.done:
		took := time.Since(began)
		if p.err != nil {
			return took, p.fail(p.err)
		}
		return took, nil
	case <-time.After(limit):
		p.Kill()
		return time.Since(began), p.fail(fmt.Errorf("it did not end within %v of SIGTERM", limit))
	}
}

// fail adds what the process wrote last.
func (p *Process) fail(err error) error {
	lines := strings.Split(strings.TrimSpace(p.Output()), "\n")
	if len(lines) > 40 {
		lines = lines[len(lines)-40:]
	}
	return fmt.Errorf("%w; it wrote last:\n  %s", err, strings.Join(lines, "\n  "))
}

// Output is what the process, and those before it in the same folder, wrote.
func (p *Process) Output() string {
	b, err := os.ReadFile(p.output)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// PeakRSS is the most memory that the process has had resident, in bytes.
func (p *Process) PeakRSS() (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(b) {
		if kb, ok := bytes.CutPrefix(line, []byte("VmHWM:")); ok {
			n, err := strconv.ParseInt(string(bytes.Fields(kb)[0]), 10, 64)
			return n << 10, err
		}
	}
	return 0, errors.New("no VmHWM in /proc")
}

// Metrics are samples of a Prometheus page: `name{labels}` → value.
type Metrics map[string]float64

// Sum adds the samples of a name that have all of the labels, each as `key="value"`.
func (m Metrics) Sum(name string, labels ...string) (sum float64) {
next:
	for sample, v := range m {
		base, rest, _ := strings.Cut(sample, "{")
		if base != name {
			continue
		}
		for _, l := range labels {
			if !strings.Contains("{,"+rest, l) {
				continue next
			}
		}
		sum += v
	}
	return sum
}

// Metrics asks the process for its metrics.
func (p *Process) Metrics(ctx context.Context) (Metrics, error) {
	body, err := p.get(ctx, "/metrics")
	if err != nil {
		return nil, err
	}
	m := Metrics{}
	for s := bufio.NewScanner(strings.NewReader(body)); s.Scan(); {
		sample, value, ok := cutLast(s.Text(), " ")
		if !ok || strings.HasPrefix(sample, "#") {
			continue
		}
		if v, err := strconv.ParseFloat(value, 64); err == nil {
			m[sample] = v
		}
	}
	return m, nil
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

func (p *Process) get(ctx context.Context, path string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://socket"+path, nil)
	if err != nil {
		return "", err
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}

// Await asks check every 50 ms until it says nil, the process ends, or ctx does.
func (p *Process) Await(ctx context.Context, check func() error) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-p.done:
			return p.fail(fmt.Errorf("the process has ended (%v) while %w", p.err, err))
		case <-ctx.Done():
			return p.fail(fmt.Errorf("%w, and still: %w", context.Cause(ctx), err))
		}
	}
}

// Settled waits until no lease is open and at least one was settled.
func (p *Process) Settled(ctx context.Context) error {
	return p.Await(ctx, func() error {
		m, err := p.Metrics(ctx)
		if err != nil {
			return fmt.Errorf("no metrics: %w", err)
		}
		if open, settled := m.Sum("siem_leases_open"), m.Sum("siem_leases_settled_total"); open > 0 || settled == 0 {
			return fmt.Errorf("%v leases are open, %v settled", open, settled)
		}
		return nil
	})
}

// PID is the process's number.
func (p *Process) PID() int { return p.cmd.Process.Pid }
