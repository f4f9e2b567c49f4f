package opensearch

import (
	"errors"
	"testing"
	"time"

	"github.com/fluent-siem/fluent-siem/internal/lease"
	"github.com/fluent-siem/fluent-siem/test/services"
)

// TestLateDocumentsGoToANeighbour on a real node: of an index that was made
// read-only or closed, and on to the next when that is, too. What the index has
// is not stored again.
func TestLateDocumentsGoToANeighbour(t *testing.T) {
	n := plainNode(t)
	for name, test := range map[string]struct {
		stop        func(index string)
		stored, had uint64
	}{
		"write block": {func(i string) { n.must("PUT", "/"+i+"/_settings", `{"index.blocks.write":true}`) }, 6, 4},
		"read-only":   {func(i string) { n.must("PUT", "/"+i+"/_settings", `{"index.blocks.read_only":true}`) }, 6, 4},
		"closed":      {func(i string) { n.must("POST", "/"+i+"/_close", "") }, 10, 0},
	} {
		t.Run(name, func(t *testing.T) {
			n := n
			n.t = t
			index := n.drop(services.Name("out-late"))
			n.drop(index + "_01")
			n.drop(index + "_02")
			r := newRig(t, nil, func(c *Config) { c.Endpoint = []string{n.url} })
			load := func(k int) lease.Totals {
				t.Helper()
				chunk, l, o := r.chunkOf(k, one(index))
				if err := r.Write(t.Context(), "siem", chunk); err != nil {
					t.Fatal(err)
				}
				if !settled(l) {
					t.Error("a document has no verdict")
				}
				return o.Totals()
			}
			load(4)
			test.stop(index)
			t.Cleanup(func() {
				for _, i := range []string{index, index + "_01"} {
					n.do("PUT", "/"+i+"/_settings", `{"index.blocks.read_only":null,"index.blocks.write":null}`)
				}
			})
			if got := load(10); got.Of(lease.Stored) != test.stored || got.Of(lease.Duplicate) != test.had {
				t.Errorf("books %+v", got)
			}
			if got := n.count(index + "_01"); got != int(test.stored) {
				t.Errorf("the neighbour has %d documents, want %d", got, test.stored)
			}
			n.must("PUT", "/"+index+"_01/_settings", `{"index.blocks.write":true}`)
			if got := load(13); got.Of(lease.Stored) != 3 || n.count(index+"_02") != 3 {
				t.Errorf("the second neighbour has %d documents, books %+v", n.count(index+"_02"), got)
			}
		})
	}
}

// TestAFullDiskIsNoReasonForADetour: the neighbour would lie on the same disk.
func TestAFullDiskIsNoReasonForADetour(t *testing.T) {
	n := plainNode(t)
	index := n.drop(services.Name("out-full"))
	n.must("PUT", "/"+index, `{"settings":{"index.blocks.read_only_allow_delete":true}}`)
	r := newRig(t, nil, func(c *Config) { c.Endpoint, c.Patience = []string{n.url}, 2*time.Second })
	chunk, _, _ := r.chunkOf(3, one(index))
	var retry *RetryError
	if err := r.Write(t.Context(), "siem", chunk); !errors.As(err, &retry) || retry.Waiting != 3 {
		t.Errorf("%v", err)
	}
	if status, _ := n.do("GET", "/"+index+"_01", ""); status != 404 {
		t.Errorf("the neighbour was made: status %d", status)
	}
}

func TestNeighbours(t *testing.T) {
	for index, want := range map[string]string{
		"log-aws-elb-2024-05": "log-aws-elb-2024-05_01", "log-aws-elb-2024-05_01": "log-aws-elb-2024-05_02", "log-a_b": "log-a_b_01", "x_08": "x_09", "x_09": "",
	} {
		if got, ok := Neighbour(index); ok != (want != "") || ok && got != want {
			t.Errorf("the neighbour of %s is %s %v, want %s", index, got, ok, want)
		}
	}
}
