package s3sqs

import (
	"context"
	"errors"
	"net"
	"testing"

	"go.uber.org/goleak"
)

// TestNothingIsLeftBehind: when Run has returned there is no goroutine of it,
// and none of the SDK's connections.
func TestNothingIsLeftBehind(t *testing.T) {
	r := newRig(t, 30, nil)
	others := goleak.IgnoreCurrent()
	for i := range 5 {
		r.put(key(string(rune('a'+i))), trail("a", 3))
	}
	r.start()
	r.untilEmpty()
	r.stop()
	if err := goleak.Find(others); err != nil {
		t.Error(err)
	}
}

// TestDialedTooLate: a connection that comes when its client is closed already is closed, too.
func TestDialedTooLate(t *testing.T) {
	here, there := net.Pipe()
	defer there.Close()
	var c conns
	d := c.through(func(context.Context, string, string) (net.Conn, error) { c.close(); return here, nil })
	if _, err := d(t.Context(), "tcp", ""); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a connection: %v", err)
	}
	if _, err := there.Write([]byte("a")); err == nil {
		t.Error("the connection is open")
	}
}
