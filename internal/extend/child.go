package extend

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/hashicorp/go-plugin"
)

// child is the operating system's side of an extension: go-plugin's
// runner.Runner. go-plugin's own gives the process our standard input, and lets
// it live on when we are killed.
type child struct {
	cfg    Config
	dir    string // of its socket
	cmd    *exec.Cmd
	stdout io.ReadCloser
	stderr io.ReadCloser
	out    *lines

	ended chan struct{} // closed when the process is gone and was waited for
	state *os.ProcessState

	mu     sync.Mutex
	pid    int   // 0 until it was started
	reason error // why we killed it
}

// newChild prepares a process. env is what go-plugin wants it to know.
func newChild(cfg Config, env []string, dir string, out *lines) *child {
	c := &child{cfg: cfg, dir: dir, out: out, ended: make(chan struct{})}
	c.cmd = exec.Command(cfg.Command, cfg.Args...)
	c.cmd.Dir = filepath.Dir(cfg.Command)
	c.cmd.Env = append([]string{"PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8"}, env...)
	for _, name := range cfg.Environment {
		if value, ok := os.LookupEnv(name); ok {
			c.cmd.Env = append(c.cmd.Env, name+"="+value)
		}
	}
	return c
}

// verify refuses a file that is not the one that the configuration means.
func (c *child) verify() error {
	for _, path := range []string{c.cfg.Command, filepath.Dir(c.cfg.Command)} {
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		if mode := info.Mode(); mode.Perm()&0o022 != 0 && mode&os.ModeSticky == 0 {
			return fmt.Errorf("%s may be written by others (%v): take the right away from them, for who can write it says what we run", path, mode.Perm())
		}
		if !trusted(info) {
			return fmt.Errorf("%s belongs to another user than us or root, who can write it and so say what we run", path)
		}
	}
	sum, err := hex.DecodeString(c.cfg.SHA256)
	if err != nil {
		return err
	}
	ok, err := (&plugin.SecureConfig{Checksum: sum, Hash: sha256.New()}).Check(c.cfg.Command)
	if err == nil && !ok {
		err = fmt.Errorf("%s has another SHA-256 than the configuration says: if the file was changed on purpose, write what sha256sum prints", c.cfg.Command)
	}
	return err
}

// Start implements runner.Runner.
func (c *child) Start(context.Context) error {
	if err := c.verify(); err != nil {
		return err
	}
	out, outEnd, err := os.Pipe()
	if err != nil {
		return err
	}
	errs, errsEnd, err := os.Pipe()
	if err != nil {
		return errors.Join(err, out.Close(), outEnd.Close())
	}
	c.stdout, c.stderr = &firstLine{in: out, rest: c.out}, &toTheEnd{ReadCloser: errs, end: make(chan struct{})}
	c.cmd.Stdout, c.cmd.Stderr = outEnd, errsEnd
	confine(c.cmd)
	started := make(chan error, 1)
	go func() {
		// The process is killed when the thread that started it ends (Linux's
		// parent death signal), so that thread is kept as long as the process lives.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		hideFiles()
		c.mu.Lock()
		err := c.cmd.Start()
		if err == nil {
			c.pid = c.cmd.Process.Pid
		}
		c.mu.Unlock()
		started <- err
		if err == nil {
			c.state, _ = c.cmd.Process.Wait()
			killGroup(c.pid) // what it started and left behind
		}
		close(c.ended)
		c.readOut()
		_, _ = out.Close(), errs.Close()
	}()
	return errors.Join(<-started, outEnd.Close(), errsEnd.Close())
}

// readOut waits until what it wrote was read, or a second: what it started may
// live on outside of its group and hold the pipe open.
func (c *child) readOut() {
	timer := time.NewTimer(time.Second)
	defer timer.Stop()
	select {
	case <-c.stderr.(*toTheEnd).end:
	case <-timer.C:
	}
}

// kill ends the process, for a reason that is kept if it is the first.
func (c *child) kill(reason error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reason == nil {
		c.reason = reason
	}
	select {
	case <-c.ended:
	default:
		if c.pid != 0 {
			killGroup(c.pid)
		}
	}
}

// cause says why the process ended.
func (c *child) cause() error {
	<-c.ended
	c.readOut()
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.reason
	if err == nil {
		err = errors.New("it ended")
		if c.state != nil {
			err = fmt.Errorf("it ended: %v", c.state)
		}
	}
	if last := c.out.end(); last != "" {
		err = fmt.Errorf("%w; it wrote last: %s", err, last)
	}
	return err
}

// Kill implements runner.AttachedRunner.
func (c *child) Kill(context.Context) error {
	c.kill(nil)
	return nil
}

// Wait implements runner.AttachedRunner.
func (c *child) Wait(context.Context) error {
	<-c.ended
	return nil
}

// ID implements runner.AttachedRunner. It is never empty, so go-plugin removes the
// folder of the socket of a process that could not be started, too.
func (c *child) ID() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pid == 0 {
		return "none"
	}
	return strconv.Itoa(c.pid)
}

// terminate asks the process to end.
func (c *child) terminate() {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.ended:
	default:
		terminate(c.cmd.Process)
	}
}

// Name implements runner.Runner.
func (c *child) Name() string { return c.cfg.Command }

// Stdout implements runner.Runner.
func (c *child) Stdout() io.ReadCloser { return c.stdout }

// Stderr implements runner.Runner.
func (c *child) Stderr() io.ReadCloser { return c.stderr }

// Diagnose implements runner.Runner.
func (c *child) Diagnose(context.Context) string {
	return "what it writes first must be the line of go-plugin's handshake, such as 1|1|unix|/path/of/socket|grpc"
}

// PluginToHost implements runner.AddrTranslator: it accepts a socket in the
// folder that was made for it, which nobody else can open or replace.
func (c *child) PluginToHost(network, address string) (string, string, error) {
	if network != "unix" || filepath.Dir(filepath.Clean(address)) != filepath.Clean(c.dir) {
		return "", "", fmt.Errorf("it listens at %s %.200q, where other users could speak to it or in its place; it must listen at a Unix socket in the folder that the variable PLUGIN_UNIX_SOCKET_DIR names", network, address)
	}
	return network, address, nil
}

// HostToPlugin implements runner.AddrTranslator.
func (c *child) HostToPlugin(network, address string) (string, string, error) {
	return network, address, nil
}

// toTheEnd tells when everything was read.
type toTheEnd struct {
	io.ReadCloser
	once sync.Once
	end  chan struct{}
}

// Read implements io.Reader.
func (r *toTheEnd) Read(b []byte) (int, error) {
	n, err := r.ReadCloser.Read(b)
	if err != nil {
		r.once.Do(func() { close(r.end) })
	}
	return n, err
}

// longestHandshake is more than go-plugin's line ever has, in bytes.
const longestHandshake = 8 << 10

// firstLine gives the first line to who reads, and the rest to the log: go-plugin
// would stop reading at a line that is too long for it, and the process would
// then hang.
type firstLine struct {
	in   io.ReadCloser
	rest io.Writer
	n    int
}

// Read implements io.Reader.
func (f *firstLine) Read(b []byte) (int, error) {
	if f.n < 0 {
		_, _ = io.Copy(f.rest, f.in)
		return 0, io.EOF
	}
	n, err := f.in.Read(b[:min(len(b), longestHandshake-f.n)])
	if end := bytes.IndexByte(b[:n], '\n'); end >= 0 {
		_, _ = f.rest.Write(b[end+1 : n])
		n, f.n = end+1, -1
	} else if f.n += n; f.n >= longestHandshake {
		b[n-1], f.n = '\n', -1
	}
	return n, err
}

// Close implements io.Closer.
func (f *firstLine) Close() error { return f.in.Close() }
