package opensearch

import (
	"context"
	"errors"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fluent-siem/fluent-siem/internal/event"
	"github.com/fluent-siem/fluent-siem/internal/lease"
	"github.com/fluent-siem/fluent-siem/internal/process"
)

// Write returns nil only when each document of the chunk has a final verdict.
func TestEachDocumentHasAFinalVerdict(t *testing.T) {
	c := &cluster{}
	r := newRig(t, c)
	chunk, l, o := r.chunkOf(1000, one("log"))
	if err := r.Write(t.Context(), "siem", chunk); err != nil {
		t.Fatal(err)
	}
	if c.count("log") != 1000 || !settled(l) || o.Totals().Of(lease.Stored) != 1000 {
		t.Errorf("%d documents, settled %v, books %+v", c.count("log"), settled(l), o.Totals())
	}
	if want := `{"@message":"line 7","n":"7"}`; c.docs["log"]["d7"] != want && c.docs["log"]["d7"] != `{"n":"7","@message":"line 7"}` {
		t.Errorf("document d7 is %s", c.docs["log"]["d7"])
	}
	if n := observed(t, r.p, "siem_output_lag_seconds"); n != 1000 {
		t.Errorf("the lag of %d documents was observed", n)
	}
}

// observed returns how many values a histogram of p has.
func observed(t *testing.T, p *process.Process, name string) (n uint64) {
	t.Helper()
	families, err := p.Metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			for _, m := range f.Metric {
				n += m.Histogram.GetSampleCount()
			}
		}
	}
	return n
}

// 429 on half the items and one unmappable record in 10,000: nothing is lost,
// the one record is a dead letter, its neighbours are stored.
func TestBadDocumentHarmsNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		busy := map[string]bool{}
		c := &cluster{}
		turn := 0
		c.item = func(d sent) (int, string, string) {
			if d.id == "d4321" {
				return 400, "mapper_parsing_exception", "failed to parse field [n] of type [ip]"
			}
			if turn++; turn%2 == 0 {
				busy[d.id] = true
				return 429, "es_rejected_execution_exception", "rejected execution of coordinating operation"
			}
			return 0, "", ""
		}
		r := newRig(t, c, func(c *Config) { c.BulkSize = 256 << 10 })
		chunk, l, o := r.chunkOf(10000, one("log"))
		if err := r.Write(t.Context(), "siem", chunk); err != nil {
			t.Fatal(err)
		}
		books := o.Totals()
		if c.count("log") != 9999 || books.Of(lease.Stored) != 9999 || books.Of(lease.DeadLettered) != 1 || !settled(l) {
			t.Errorf("%d documents, books %+v", c.count("log"), books)
		}
		letters := lettersIn(t, r.dir)
		if len(letters) != 1 {
			t.Fatalf("%d dead letters", len(letters))
		}
		got := letters[0]
		if got.Class != "mapping_conflict" || got.Status != 400 || got.Type != "mapper_parsing_exception" || got.ID != "d4321" ||
			got.Index != "log" || got.Record != 4322 || got.Bucket != "trail" || got.Key != "a/b.json.gz" || got.Version != "v1" ||
			got.Message != "line 4321" || got.Op != "create" || got.Attempts < 1 || got.Tag != "siem" || got.Time.IsZero() || len(got.Document) == 0 {
			t.Errorf("the dead letter is %+v", got)
		}
		if took := time.Since(begun); took > 5*time.Second {
			t.Errorf("it took %v of pauses, although every request got half of its documents in", took)
		}
		if len(busy) < 1000 {
			t.Errorf("only %d documents met a busy cluster", len(busy))
		}
	})
}

// A request that OpenSearch refuses for one of its documents is halved until
// the one is found.
func TestRefusedRequestIsHalved(t *testing.T) {
	c := &cluster{}
	c.request = func(_ *http.Request, body []byte, _ []sent) (int, string) {
		if strings.Contains(string(body), `"_id":"d77"`) {
			return 400, `{"error":{"type":"action_request_validation_exception","reason":"Validation Failed: 1: something;"},"status":400}`
		}
		return 0, ""
	}
	r := newRig(t, c)
	chunk, l, o := r.chunkOf(500, one("log"))
	if err := r.Write(t.Context(), "siem", chunk); err != nil {
		t.Fatal(err)
	}
	if letters := lettersIn(t, r.dir); len(letters) != 1 || letters[0].ID != "d77" || letters[0].Type != "action_request_validation_exception" {
		t.Errorf("dead letters: %+v", letters)
	}
	if c.count("log") != 499 || o.Totals().Of(lease.DeadLettered) != 1 || !settled(l) {
		t.Errorf("%d documents, books %+v", c.count("log"), o.Totals())
	}
	if c.requests > 25 {
		t.Errorf("%d requests to find one of 500", c.requests)
	}
}

// 413 splits a request; a document that is too large alone is a dead letter;
// later requests are smaller.
func TestTooLargeRequestIsHalved(t *testing.T) {
	const limit = 100 << 10
	c := &cluster{}
	c.request = func(_ *http.Request, body []byte, _ []sent) (int, string) {
		if len(body) > limit {
			return 413, "<html>Request Entity Too Large</html>"
		}
		return 0, ""
	}
	r := newRig(t, c)
	chunk, l, o := r.chunkOf(5000, one("log"))
	giant := lease.Source{Bucket: "b", Key: "giant"}
	l2 := r.p.Leases.Open(lease.NewCredit(1 << 30))
	o2 := l2.Add(giant)
	l2.Seal()
	o2.Read(1, 10)
	o2.Seal(nil)
	chunk = appendEvent(chunk, &event.Origin{Object: o2.ID, Record: 1, Size: 10}, event.Target{Index: []byte("log"), ID: []byte("giant")},
		map[string]string{"x": strings.Repeat("x", limit+1)})
	if err := r.Write(t.Context(), "siem", chunk); err != nil {
		t.Fatal(err)
	}
	if c.count("log") != 5000 || o.Totals().Of(lease.Stored) != 5000 || !settled(l) || !settled(l2) {
		t.Errorf("%d documents, books %+v", c.count("log"), o.Totals())
	}
	if letters := lettersIn(t, r.dir); len(letters) != 1 || letters[0].ID != "giant" || letters[0].Class != "too_large" {
		t.Errorf("dead letters: %d", len(letters))
	}
	c.largest = 0
	more, _, _ := r.chunkOf(5000, one("log2"))
	if err := r.Write(t.Context(), "siem", more); err != nil {
		t.Fatal(err)
	}
	if c.largest > limit {
		t.Errorf("after a 413, a request of %d bytes was sent", c.largest)
	}
}

// A sick index holds up no other, and what has its verdict is not sent again.
func TestSickIndexHoldsUpNoOther(t *testing.T) {
	for _, sick := range []struct {
		status       int
		kind, reason string
	}{
		{403, "security_exception", "no permissions for [indices:data/write/bulk[s]]"},
		{404, "index_not_found_exception", "no such index [sick]"},
		{403, "cluster_block_exception", "index [sick] blocked by: [FORBIDDEN/8/index write (api)];"},
		{429, "cluster_block_exception", "index [sick] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark, index has read-only-allow-delete block];"},
		{400, "index_closed_exception", "closed"},
	} {
		t.Run(sick.kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var ill atomic.Bool
				ill.Store(true)
				c := &cluster{item: func(d sent) (int, string, string) {
					if d.index == "sick" && ill.Load() {
						return sick.status, sick.kind, sick.reason
					}
					return 0, "", ""
				}}
				r := newRig(t, c, func(c *Config) { c.Detour = false })
				chunk, l, o := r.chunkOf(100, func(i int) string {
					if i%10 == 3 {
						return "sick"
					}
					return "well"
				})
				begun := time.Now()
				err := r.Write(t.Context(), "siem", chunk)
				var retry *RetryError
				if !errors.As(err, &retry) || retry.Waiting != 10 || retry.Total != 100 {
					t.Fatalf("want a retry of 10 of 100, got %v", err)
				}
				if c.count("well") != 90 || o.Totals().Of(lease.Stored) != 90 || time.Since(begun) > 10*time.Second {
					t.Errorf("%d documents of the healthy index after %v, books %+v", c.count("well"), time.Since(begun), o.Totals())
				}
				if log := r.log.String(); !strings.Contains(log, "index=sick") || !strings.Contains(log, "count=10") || !strings.Contains(log, "todo=") {
					t.Errorf("the log does not tell what to do:\n%s", log)
				}
				// The host offers it again: one attempt, only the open ones.
				c.order, begun = nil, time.Now()
				if err := r.Write(t.Context(), "siem", chunk); err == nil || time.Since(begun) > time.Second {
					t.Errorf("a known trouble occupied the worker for %v: %v", time.Since(begun), err)
				}
				if len(c.order) != 10 {
					t.Errorf("%d documents were sent again, 10 are open", len(c.order))
				}
				ill.Store(false)
				if err := r.Write(t.Context(), "siem", chunk); err != nil {
					t.Fatal(err)
				}
				if c.count("sick") != 10 || !settled(l) || r.trouble.count.Load() != 0 {
					t.Errorf("after the repair: %d documents, settled %v", c.count("sick"), settled(l))
				}
			})
		})
	}
}

// Events of other inputs have no lease; what has a verdict is not sent again
// for them either, and an answer that got lost does not store them twice.
func TestOtherInputsAreNotDoubled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ill atomic.Bool
		ill.Store(true)
		c := &cluster{
			item: func(d sent) (int, string, string) {
				if strings.Contains(d.doc, `"n":3`) && ill.Load() {
					return 403, "security_exception", "no"
				}
				return 0, "", ""
			},
			broken: func(n int) (error, bool) {
				if n == 1 { // stored, but the answer is lost
					return errors.New("connection reset by peer"), true
				}
				return nil, false
			},
		}
		r := newRig(t, c)
		var chunk []byte
		for i := range 10 {
			chunk = plain(chunk, time.Unix(1700000000, 0), map[string]any{"n": i})
		}
		if err := r.Write(t.Context(), "other", chunk); err == nil {
			t.Fatal("one document is held, yet the chunk is done")
		}
		ill.Store(false)
		if err := r.Write(t.Context(), "other", chunk); err != nil {
			t.Fatal(err)
		}
		if c.count("log-other") != 10 {
			t.Errorf("%d documents of 10", c.count("log-other"))
		}
		if err := r.Write(t.Context(), "other", chunk); err != nil { // ten new events that look the same
			t.Fatal(err)
		}
		if c.count("log-other") != 20 {
			t.Errorf("%d documents after 10 more like them", c.count("log-other"))
		}
	})
}

// A conflict after a lost answer is our own document; otherwise a duplicate.
func TestConflictIsStoredOrDuplicate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &cluster{broken: func(n int) (error, bool) {
			if n == 1 {
				return context.DeadlineExceeded, true
			}
			return nil, false
		}}
		r := newRig(t, c)
		chunk, l, o := r.chunkOf(10, one("log"))
		if err := r.Write(t.Context(), "siem", chunk); err != nil {
			t.Fatal(err)
		}
		if b := o.Totals(); b.Of(lease.Stored) != 10 || !settled(l) {
			t.Errorf("after a lost answer the books say %+v", b)
		}
		again, l, o := r.chunkOf(10, one("log")) // the notification came twice
		if err := r.Write(t.Context(), "siem", again); err != nil {
			t.Fatal(err)
		}
		if b := o.Totals(); b.Of(lease.Duplicate) != 10 || !settled(l) || c.count("log") != 10 {
			t.Errorf("loaded twice, the books say %+v", b)
		}
	})
}

// A conflict on index is no duplicate.
func TestConflictOnIndexIsADeadLetter(t *testing.T) {
	c := &cluster{item: func(sent) (int, string, string) { return 409, "version_conflict_engine_exception", "x" }}
	r := newRig(t, c)
	chunk := appendEvent(nil, nil, event.Target{Index: []byte("log"), ID: []byte("a"), Op: event.OpIndex}, map[string]string{"a": "b"})
	if err := r.Write(t.Context(), "siem", chunk); err != nil {
		t.Fatal(err)
	}
	if l := lettersIn(t, r.dir); len(l) != 1 || l[0].Class != "version_conflict" || l[0].Op != "index" {
		t.Errorf("dead letters: %+v", l)
	}
}

// While dead letters cannot be written their documents are held.
func TestUnwritableDeadLettersHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &cluster{item: func(d sent) (int, string, string) {
			if d.id == "d5" {
				return 400, "mapper_parsing_exception", "no"
			}
			return 0, "", ""
		}}
		r := newRig(t, c)
		if err := os.WriteFile(r.dir, []byte("a file where the folder should be"), 0o600); err != nil {
			t.Fatal(err)
		}
		chunk, l, o := r.chunkOf(10, one("log"))
		chunk = event.AppendRefusal(chunk, time.Unix(1, 0), event.Origin{Object: o.ID, Record: 11, Size: 1}, event.Refusal{Op: event.OpUnreadable, Class: "unreadable", Reason: "not JSON"}, []byte("{"))
		o.Read(1, 1) // too late for the seal, as far as the books go: the lease stays open for it
		err := r.Write(t.Context(), "siem", chunk)
		var retry *RetryError
		if !errors.As(err, &retry) || retry.Waiting != 2 || o.Totals().Of(lease.Stored) != 9 {
			t.Fatalf("want 2 of 11 waiting, got %v; books %+v", err, o.Totals())
		}
		if settled(l) || r.trouble.count.Load() == 0 {
			t.Error("a document without a kept dead letter was judged, or health does not know")
		}
		if err := os.Remove(r.dir); err != nil {
			t.Fatal(err)
		}
		if err := r.Write(t.Context(), "siem", chunk); err != nil {
			t.Fatal(err)
		}
		b := o.Totals()
		if b.Of(lease.DeadLettered) != 1 || b.Of(lease.Unreadable) != 1 || !settled(l) || r.trouble.count.Load() != 0 {
			t.Errorf("books %+v", b)
		}
		if n := len(lettersIn(t, r.dir)); n != 2 {
			t.Errorf("%d dead letters", n)
		}
	})
}

// When the host stops, Write answers soon: while waiting, and while a request
// An answer that cannot be understood loses nothing.
func TestUnreadableAnswers(t *testing.T) {
	for _, answer := range []string{"", "<html>", `{"took":1}`, `{"errors":false,"items":[]}`, `{"errors":true,"items":[1,2,3,4,5,6,7,8,9,10]}`} {
		synctest.Test(t, func(t *testing.T) {
			c := &cluster{}
			c.request = func(_ *http.Request, _ []byte, docs []sent) (int, string) {
				if c.requests == 1 {
					c.store(docs)
					return 200, answer
				}
				return 0, ""
			}
			r := newRig(t, c)
			chunk, l, o := r.chunkOf(10, one("log"))
			if err := r.Write(t.Context(), "siem", chunk); err != nil {
				t.Fatal(err)
			}
			if c.count("log") != 10 || !settled(l) || o.Totals().Of(lease.Stored) != 10 {
				t.Errorf("after the answer %q: %d documents, books %+v", answer, c.count("log"), o.Totals())
			}
		})
	}
}

// What a proxy refuses as a whole is no document's fault, and neither is what
// OpenSearch refuses for every document: nothing goes to the dead letters but
// the few that it took to find out.
func TestRefusingEverythingHolds(t *testing.T) {
	for name, c := range map[string]struct {
		answer  string
		letters int
	}{
		"proxy":      {"<html>400 The plain HTTP request was sent to HTTPS port</html>", 0},
		"OpenSearch": {`{"error":{"type":"parse_exception","reason":"request body is required"},"status":400}`, maxAlone},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, &cluster{request: func(*http.Request, []byte, []sent) (int, string) { return 400, c.answer }})
				chunk, l, _ := r.chunkOf(1000, one("log"))
				if err := r.Write(t.Context(), "siem", chunk); err == nil || settled(l) {
					t.Errorf("err %v, settled %v", err, settled(l))
				}
				if n := len(lettersIn(t, r.dir)); n != c.letters {
					t.Errorf("%d dead letters, want %d", n, c.letters)
				}
				if len(r.p.Health()) == 0 {
					t.Error("health says that all is well")
				}
			})
		})
	}
}

// A damaged chunk: what can be read is stored, the rest is a dead letter, and
// the chunk is done.
func TestDamagedChunk(t *testing.T) {
	c := &cluster{}
	r := newRig(t, c)
	chunk, l, _ := r.chunkOf(10, one("log"))
	if err := r.Write(t.Context(), "siem", chunk[:len(chunk)-3]); err != nil {
		t.Fatal(err)
	}
	if c.count("log") != 9 || settled(l) {
		t.Errorf("%d documents, settled %v", c.count("log"), settled(l))
	}
	if l := lettersIn(t, r.dir); len(l) != 1 || l[0].Class != "broken_chunk" || len(l[0].Msgpack) == 0 {
		t.Errorf("dead letters: %+v", l)
	}
}

// Whatever the bytes, Write ends, and what it says it stored is there.
func FuzzWrite(f *testing.F) {
	seed := appendEvent(nil, nil, event.Target{Index: []byte("log"), ID: []byte("a")}, map[string]string{"a": "b"})
	f.Add(seed)
	f.Add(plain(seed, time.Unix(1, 0), map[string]any{"a": "\xff\n"}))
	f.Add([]byte{0x92, 0x01, 0xc0})
	c := &cluster{}
	r := newRig(f, c, func(c *Config) { c.Patience = 2 * time.Second })
	f.Fuzz(func(t *testing.T, chunk []byte) {
		c.order, c.docs = nil, nil
		if err := errors.Join(r.letters.Close(), os.RemoveAll(r.dir)); err != nil {
			t.Fatal(err)
		}
		if err := r.Write(t.Context(), "siem", chunk); err != nil {
			t.Fatal(err, r.log)
		}
		events, broken := 0, 0
		for rest := chunk; len(rest) > 0; {
			ev, next, err := event.Next(rest)
			if err != nil {
				broken = 1
				break
			}
			if rest = next; !ev.Group {
				events++
			}
		}
		if got := len(c.order) + len(lettersIn(t, r.dir)); got != events+broken {
			t.Errorf("%d documents and %d dead letters of %d events and %d broken ends", len(c.order), got-len(c.order), events, broken)
		}
	})
}

func TestRetryErrorSaysWhatBecameOfTheData(t *testing.T) {
	got := (&RetryError{Waiting: 3, Total: 10, Reason: "403 security_exception: no"}).Error()
	for _, want := range []string{"3 of 10", "nothing is lost", "tried again", "security_exception"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q does not contain %q", got, want)
		}
	}
}
