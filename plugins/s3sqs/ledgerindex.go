package s3sqs

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/zeebo/xxh3"

	"github.com/fluent-siem/fluent-siem/internal/code"
	"github.com/fluent-siem/fluent-siem/internal/event"
	"github.com/fluent-siem/fluent-siem/internal/ledger"
)

// copies is how many batches of ledger records may wait for the host; what comes
// then is left out of the index, for the ledger waits for nobody.
const copies = 64

// copyLedger listens to the ledger and returns what hands each record of an ended
// object to the host, as a document for the index that ledger_index names, until
// ctx is done.
func (r *run) copyLedger(ctx context.Context, sink Sink) (copy func()) {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	batches := make(chan []ledger.Record, copies)
	r.ledger.Listen(func(records []ledger.Record) {
		select {
		case batches <- records:
		default:
			if r.in.lines.allow("ledger index") {
				r.in.log.Warn("the host does not take the records of the ledger in time; these are missing in the index, the ledger itself has them", "records", len(records), code.LedgerIndex.Attr())
			}
		}
	})
	return func() {
		defer r.ledger.Listen(nil)
		var events []byte
		for {
			select {
			case records := <-batches:
				events = events[:0]
				for _, record := range records {
					events = appendLedgerDocument(events, r.in.cfg.LedgerIndex, host, record)
				}
				if err := sink.Append(ctx, r.in.tag+".ledger", len(records), events); err != nil && ctx.Err() == nil && r.in.lines.allow("ledger index") {
					r.in.log.Warn("the host does not take the records of the ledger; these are missing in the index, the ledger itself has them", "records", len(records), "error", err, code.LedgerIndex.Attr())
				}
			case <-ctx.Done():
				return
			}
		}
	}
}

// appendLedgerDocument appends the event of a record. Its id is the same each
// time, so the newest state replaces the older ones; each host has its own. took is
// the milliseconds from the announcement to the end.
func appendLedgerDocument(dst []byte, index, host string, r ledger.Record) []byte {
	text, err := json.Marshal(r)
	if err != nil {
		return dst // cannot be: strings, numbers and times only
	}
	name, err := json.Marshal(host)
	if err != nil {
		return dst
	}
	id := xxh3.HashString128(fmt.Sprintf("%s\x00%s\x00%s\x00%s\x00%d", host, r.Bucket, r.Key.Key, r.Version, r.First)).Bytes()
	target := event.Target{Index: []byte(index + r.Began.UTC().Format("-2006-01")), ID: hex.AppendEncode(nil, id[:]), Op: event.OpIndex}
	document := fmt.Appendf(nil, `{"@timestamp":%q,"took":%d,"host":{"name":%s},`, r.Last.UTC().Format(time.RFC3339Nano), r.Last.Sub(r.Began).Milliseconds(), name)
	dst = event.AppendTarget(dst, r.Last, nil, target, nil, nil)
	return event.AppendDocument(dst, append(document, bytes.TrimPrefix(text, []byte("{"))...))
}
