package extend

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	"github.com/fluent-siem/fluent-siem/extension"
)

// mostIndicators is how many a feed source may send, and longestMark how long its
// mark may be, in bytes.
const (
	mostIndicators = 20_000_000
	longestMark    = 64 << 10
)

// Fetch starts a feed source, gives its indicators to add, and ends it. All of it
// takes at most cfg.Timeout. changed is false when nothing changed since mark, which
// is what the call before returned as next. On an error, or one of add, what was
// added is worth nothing.
func Fetch(ctx context.Context, cfg Config, log *slog.Logger, mark string, add func(*extension.Indicator) error) (next string, changed bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, cfg.Timeout)
	defer cancel()
	p, err := launch(ctx, cfg, log.With("extension", cfg.Name))
	if err != nil {
		return "", false, err
	}
	defer p.stop()
	end, err := p.fetch(ctx, mark, add)
	if err != nil {
		if expired(ctx) {
			err = fmt.Errorf("it took longer than timeout, %v", cfg.Timeout)
		} else if s, ok := status.FromError(err); ok {
			err = errors.New(cut(s.Message()))
		}
		p.child.kill(err) // it has not kept to the protocol, or nobody waits for it
		return "", false, err
	}
	return end.Mark, !end.Unchanged, nil
}

func (p *process) fetch(ctx context.Context, mark string, add func(*extension.Indicator) error) (*extension.End, error) {
	stream, err := extension.NewFeedClient(p.conn).Fetch(ctx, &extension.FetchRequest{Mark: mark}, grpc.MaxCallRecvMsgSize(largestMessage))
	if err != nil {
		return nil, err
	}
	var end *extension.End
	for n := 0; ; {
		message, err := stream.Recv()
		switch {
		case err == io.EOF && end == nil:
			return nil, fmt.Errorf("it broke off after %d indicators, without its end", n)
		case err == io.EOF:
			return end, nil
		case err != nil:
			return nil, err
		case end != nil:
			return nil, errors.New("it goes on after its end")
		case n == mostIndicators:
			return nil, fmt.Errorf("it has more than %d indicators", mostIndicators)
		}
		switch item := message.Item.(type) {
		case *extension.FetchResponse_Indicator:
			n++
			if err := add(item.Indicator); err != nil {
				return nil, err
			}
		case *extension.FetchResponse_End:
			if end = item.End; len(end.Mark) > longestMark || end.Unchanged && n > 0 {
				return nil, errors.New("its end is none: the mark is too long, or it says unchanged after indicators")
			}
		default:
			return nil, errors.New("it sends what is neither an indicator nor an end")
		}
	}
}
