package extend

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/fluent-siem/fluent-siem/extension"
)

const (
	// largestMessage is the most that an extension may answer at once, in bytes.
	largestMessage = 16 << 20
	// farewell is how long an extension that is asked to end may take.
	farewell = 2 * time.Second
)

// process is one run of an extension that is ready.
type process struct {
	client *plugin.Client
	conn   *grpc.ClientConn
	child  *child
}

// launch starts an extension and waits until it is ready, at most
// cfg.StartTimeout, or until ctx is done.
func launch(ctx context.Context, cfg Config, log *slog.Logger) (*process, error) {
	out := newLines(log)
	p := &process{}
	ready := make(chan struct{})
	defer close(ready)
	late := fmt.Errorf("it was not ready within start_timeout, %v", cfg.StartTimeout)
	p.client = plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig:  extension.Handshake,
		Plugins:          extension.Plugins(),
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		StartTimeout:     cfg.StartTimeout,
		SkipHostEnv:      true,
		Logger:           hclog.NewNullLogger(),
		Stderr:           out, SyncStdout: out, SyncStderr: out,
		RunnerFunc: func(_ hclog.Logger, cmd *exec.Cmd, dir string) (runner.Runner, error) {
			p.child = newChild(cfg, cmd.Env, dir, out)
			go func() { // go-plugin's own waiting has no end after the handshake
				timer := time.NewTimer(cfg.StartTimeout)
				defer timer.Stop()
				select {
				case <-ready:
				case <-timer.C:
					p.child.kill(late)
				case <-ctx.Done():
					p.child.kill(context.Cause(ctx))
				}
			}()
			return p.child, nil
		},
	})
	err := p.connect(ctx, cfg)
	if err == nil {
		return p, nil
	}
	if strings.Contains(err.Error(), "incompatible API version") { // go-plugin has no type for it
		err = fmt.Errorf("it speaks another version of the protocol than %d, which is ours; build it with the package extension of this version (%w)", extension.Version, err)
	}
	if p.child != nil && p.child.ID() != "none" {
		p.child.kill(err)
		err = p.child.cause()
	}
	p.client.Kill() // the folder of its socket
	return nil, err
}

// connect does the handshake and asks the extension whether it is well.
func (p *process) connect(ctx context.Context, cfg Config) error {
	if _, err := p.client.Start(); err != nil {
		return err
	}
	c, err := p.client.Client()
	if err != nil {
		return err
	}
	p.conn = c.(*plugin.GRPCClient).Conn
	ctx, cancel := context.WithTimeout(ctx, cfg.StartTimeout)
	defer cancel()
	return p.ping(ctx)
}

// ping asks the extension whether it is well, as go-plugin wants it to answer.
func (p *process) ping(ctx context.Context) error {
	answer, err := grpc_health_v1.NewHealthClient(p.conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: plugin.GRPCServiceName}, grpc.WaitForReady(true))
	switch {
	case err != nil:
		return fmt.Errorf("it does not say that it is well: %w", err)
	case answer.Status != grpc_health_v1.HealthCheckResponse_SERVING:
		return fmt.Errorf("it says that it is not well: %v", answer.Status)
	}
	return nil
}

// stop asks the process to end, kills it if it does not, and cleans up.
func (p *process) stop() {
	p.child.terminate()
	timer := time.NewTimer(farewell)
	defer timer.Stop()
	select {
	case <-p.child.ended:
	case <-timer.C:
	}
	p.discard(errors.New("it was asked to end and did not"))
}

// discard kills the process, if it is there, and cleans up. go-plugin would ask it
// first, and wait for the answer without a limit.
func (p *process) discard(reason error) {
	p.child.kill(reason)
	<-p.child.ended
	p.client.Kill()
}
