package opensearch

import (
	"errors"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fluent-siem/fluent-siem/internal/lease"
)

// 30 s of refused connections lose nothing: the host offers the chunk again,
// and soon after they are over all is stored.
func TestRefusedConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		c := &cluster{broken: func(int) (error, bool) {
			if time.Since(begun) < 30*time.Second {
				return &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, false
			}
			return nil, false
		}}
		r := newRig(t, c)
		chunk, l, o := r.chunkOf(100, one("log"))
		for r.Write(t.Context(), "siem", chunk) != nil {
			time.Sleep(6 * time.Second) // of the bubble, as the host does
		}
		if took := time.Since(begun); took < 30*time.Second || took > 36*time.Second {
			t.Errorf("delivered %v after the cluster went away for 30 s", took)
		}
		if c.count("log") != 100 || !settled(l) || o.Totals().Of(lease.Stored) != 100 {
			t.Errorf("%d documents, books %+v", c.count("log"), o.Totals())
		}
		if n := strings.Count(r.log.String(), "\n"); n < 1 || n > 6 {
			t.Errorf("%d log lines in 30 s of outage, want one every ten seconds:\n%s", n, r.log)
		}
	})
}

// A wrong password loses nothing, is told by health, and is over when repaired.
func TestRefusedLoginHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var wrong atomic.Bool
		wrong.Store(true)
		c := &cluster{request: func(*http.Request, []byte, []sent) (int, string) {
			if wrong.Load() {
				return 401, "Unauthorized"
			}
			return 0, ""
		}}
		r := newRig(t, c, func(c *Config) { c.Patience = time.Minute })
		var health atomic.Value
		r.trouble.report = func(p string) { health.Store(p) }
		chunk, l, _ := r.chunkOf(10, one("log"))
		err := r.Write(t.Context(), "siem", chunk)
		var retry *RetryError
		if !errors.As(err, &retry) || retry.Waiting != 10 {
			t.Fatalf("want a retry of 10 documents, got %v", err)
		}
		if h, _ := health.Load().(string); !strings.Contains(h, "401") || !strings.Contains(h, "password_file") {
			t.Errorf("health says %q", h)
		}
		if settled(l) || len(lettersIn(t, r.dir)) != 0 {
			t.Error("documents were given up")
		}
		go func() { time.Sleep(10 * time.Second); wrong.Store(false) }()
		if err := r.Write(t.Context(), "siem", chunk); err != nil {
			t.Fatal(err)
		}
		if h, _ := health.Load().(string); c.count("log") != 10 || !settled(l) || h != "" {
			t.Errorf("after the repair: %d documents, settled %v, health %q", c.count("log"), settled(l), h)
		}
	})
}

// hangs.
func TestStoppingEndsPatience(t *testing.T) {
	for name, c := range map[string]*cluster{
		"waiting": {broken: func(int) (error, bool) { return &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, false }},
		"hanging": {request: func(r *http.Request, _ []byte, _ []sent) (int, string) { <-r.Context().Done(); return 500, "" }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, c)
				chunk, _, _ := r.chunkOf(10, one("log"))
				go func() { time.Sleep(10 * time.Second); r.p.Stopping.Store(true) }()
				begun := time.Now()
				if err := r.Write(t.Context(), "siem", chunk); err == nil {
					t.Fatal("nothing was stored, yet the chunk is done")
				}
				if took := time.Since(begun) - 10*time.Second; took > r.cfg.StopPatience+time.Second {
					t.Errorf("answered %v after the host began to stop", took)
				}
			})
		})
	}
}

// Patience ends, and the lease has heard from us all the time.
func TestPatienceEndsAndLeaseIsTouched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &cluster{request: func(*http.Request, []byte, []sent) (int, string) { return 429, `{"status":429}` }}
		r := newRig(t, c)
		chunk, l, _ := r.chunkOf(10, one("log"))
		begun := time.Now()
		if err := r.Write(t.Context(), "siem", chunk); err == nil {
			t.Fatal("nothing was stored, yet the chunk is done")
		}
		if took := time.Since(begun); took < r.cfg.Patience-6*time.Second || took > r.cfg.Patience+time.Second {
			t.Errorf("tried for %v, want about %v", took, r.cfg.Patience)
		}
		if quiet := time.Since(l.LastSign()); quiet > 6*time.Second {
			t.Errorf("no sign for %v", quiet)
		}
	})
}

// Bulk bodies stay below their size, and not more than Requests are in flight.
func TestBodiesAndRequestsAreBounded(t *testing.T) {
	var now, most atomic.Int32
	c := &cluster{request: func(*http.Request, []byte, []sent) (int, string) {
		most.Store(max(most.Load(), now.Add(1)))
		defer now.Add(-1)
		return 0, ""
	}}
	r := newRig(t, c, func(c *Config) { c.BulkSize, c.Requests = 64<<10, 3 })
	chunk, l, _ := r.chunkOf(20000, one("log"))
	if err := r.Write(t.Context(), "siem", chunk); err != nil {
		t.Fatal(err)
	}
	if c.largest > 64<<10 || most.Load() > 3 || !settled(l) || c.count("log") != 20000 {
		t.Errorf("largest body %d, %d in flight, %d documents", c.largest, most.Load(), c.count("log"))
	}
}

// Close ends what is under way, soon and without loss, and may come twice.
func TestCloseEndsWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, &cluster{request: func(*http.Request, []byte, []sent) (int, string) { return 503, "" }})
		chunk, l, _ := r.chunkOf(10, one("log"))
		go func() { time.Sleep(3 * time.Second); r.Close() }()
		begun := time.Now()
		if err := r.Write(t.Context(), "siem", chunk); err == nil || time.Since(begun) > 4*time.Second || settled(l) {
			t.Errorf("err %v after %v", err, time.Since(begun))
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if err := r.Write(t.Context(), "siem", chunk); !errors.Is(err, errClosed) {
			t.Errorf("after Close: %v", err)
		}
		if h := r.p.Health(); len(h) != 0 {
			t.Errorf("a closed output is still in health: %v", h)
		}
	})
}
