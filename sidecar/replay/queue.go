package replay

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/fluent-siem/fluent-siem/internal/process"
	"github.com/fluent-siem/fluent-siem/internal/settings"
	"github.com/fluent-siem/fluent-siem/outputs/opensearch"
	"github.com/fluent-siem/fluent-siem/plugins/s3sqs"
	"github.com/fluent-siem/fluent-siem/sidecar/hostconfig"
	"github.com/fluent-siem/fluent-siem/sidecar/pipeline"
)

// QueueBooks are what became of the messages of a queue.
type QueueBooks struct {
	Settled uint64 `json:"settled"` // messages deleted: every record of them has its verdict
	Left    int    `json:"left"`    // messages that stay in the queue
}

// patience is how long a queue may bring no progress before a replay of it ends:
// what is left then is not understood, or cannot be read now.
const patience = 90 * time.Second

// Queue loads what the messages of a queue of dead letters announce: those of
// a redrive policy, and those that AWS Lambda sends when it gives up. It returns
// when the queue is empty, or brings nothing any more. Messages that are not
// understood, or whose objects cannot be read, stay.
func Queue(ctx context.Context, file *hostconfig.File, url string, log *slog.Logger) (books QueueBooks, err error) {
	some := ours(file)
	var section *hostconfig.Section
	for i := range file.Inputs {
		if file.Inputs[i].Name() == "s3_sqs" {
			section = &file.Inputs[i]
			break
		}
	}
	if section == nil {
		return books, fmt.Errorf("the configuration has no input s3_sqs, which says how to read queue and objects")
	}
	with := *section
	at := section.At
	with.Properties = append([]hostconfig.Property{{Key: "queue_url", Value: url, At: at}, {Key: "acknowledge", Value: "indexed", At: at}}, section.Properties...)
	some.Inputs = []hostconfig.Section{with}
	cfg := s3sqs.Defaults()
	if err := settings.Load(&cfg, with.Get); err != nil {
		return books, fmt.Errorf("input s3_sqs:\n%w", err)
	}
	p := process.New()
	asking, err := s3sqs.New(cfg, process.New(), s3sqs.WithLogger(log))
	if err != nil {
		return books, err
	}
	reader, err := asking.Reader(ctx)
	if err != nil {
		return books, err
	}
	if books.Left, err = reader.Messages(ctx, url); err != nil {
		return books, fmt.Errorf("the queue %s cannot be asked: %w", url, err)
	}
	pl, err := pipeline.New(some, pipeline.SIEM(p, io.Discard, opensearch.WithLogger(log)), pipeline.WithLog(log), pipeline.WithStopping(p.Stopping.Store))
	if err != nil {
		return books, err
	}
	inner, stop := context.WithCancel(ctx)
	defer stop()
	ran := make(chan error, 1)
	go func() { ran <- pl.Run(inner) }()
	err = drained(ctx, reader, url, p, &books)
	stop()
	if e := <-ran; err == nil {
		err = e
	}
	books.Settled = p.Leases.Settled()
	return books, err
}

// drained waits until the queue says three times in a row that it is empty, or
// brings nothing any more.
func drained(ctx context.Context, reader *s3sqs.Reader, url string, p *process.Process, books *QueueBooks) error {
	tick := time.NewTicker(300 * time.Millisecond)
	defer tick.Stop()
	settled, since := uint64(0), time.Now()
	for empty := 0; empty < 3; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		n, err := reader.Messages(ctx, url)
		if err != nil {
			continue // the input says in its log what is wrong
		}
		books.Left = n
		if empty++; n > 0 {
			empty = 0
		}
		if now := p.Leases.Settled(); now != settled || active(p) {
			settled, since = now, time.Now()
		}
		if time.Since(since) > patience {
			return fmt.Errorf("%d messages stay in the queue: they are not understood, or what they name cannot be read now (the lines above say which); nothing of them is lost", n)
		}
	}
	return nil
}

// active reports whether some lease has shown a sign lately.
func active(p *process.Process) bool {
	for _, l := range p.Leases.Leases() {
		if time.Since(l.LastSign()) < patience/2 {
			return true
		}
	}
	return false
}
