package s3sqs

import (
	"context"
	"errors"
	"fmt"

	"github.com/fluent-siem/fluent-siem/internal/lease"
	"github.com/fluent-siem/fluent-siem/plugins/s3sqs/split"
)

// Reader reads single objects with an Input's settings, outside of its queues:
// those of dead letters. It may be shared.
type Reader struct{ run *run }

// Reader returns one; credentials are fetched when they are needed.
func (in *Input) Reader(ctx context.Context) (*Reader, error) {
	clients, err := newClients(ctx, in.cfg)
	if err != nil {
		return nil, fmt.Errorf("the AWS configuration cannot be read: %w", err)
	}
	return &Reader{&run{in: in, clients: clients, gate: newGate(in), limits: in.limits}}, nil
}

// Records calls emit for each record of an object, cut as the log type
// src.LogType says, from src.First to src.Last. An error of emit is returned as it is.
func (r *Reader) Records(ctx context.Context, src lease.Source, emit func(split.Record) error) error {
	t := r.run.in.p.LogTypes.Set().Type(src.LogType)
	if t == nil {
		return fmt.Errorf("there is no log type %q", src.LogType)
	}
	content, err := r.run.open(ctx, announced{bucket: src.Bucket, key: src.Key, version: src.Version, region: src.Region, size: -1})
	if err != nil {
		return err
	}
	defer content.Close()
	f := t.Framing()
	f.First, f.Last = src.First, src.Last
	_, err = split.Records(content, f, r.run.limits, emit)
	return err
}

// ClassOf is the class of an error of [Reader.Records], as dead letters and
// metrics have it; "" when the object is not to blame.
func ClassOf(err error) string {
	var content *split.Error
	var service *fault
	switch {
	case errors.As(err, &content):
		return string(content.Reason)
	case errors.As(err, &service):
		return string(service.class)
	}
	return ""
}

// Messages is how many messages a queue holds, those included that somebody
// has received or that are delayed. SQS counts roughly.
func (r *Reader) Messages(ctx context.Context, queueURL string) (int, error) {
	numbers, err := depthOf(ctx, r.run.clients.queue(queueURL), queueURL)
	sum := 0
	for _, n := range numbers {
		sum += n
	}
	return sum, err
}
