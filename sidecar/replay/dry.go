package replay

import (
	"context"

	"github.com/fluent-siem/fluent-siem/internal/deadletter"
	"github.com/fluent-siem/fluent-siem/internal/event"
	"github.com/fluent-siem/fluent-siem/internal/lease"
)

// dry stands for the output in a dry run: what is a document would be sent.
type dry struct{ in *input }

// Write gives each event its verdict.
func (d dry) Write(_ context.Context, _ string, chunk []byte) error {
	for len(chunk) > 0 {
		ev, rest, err := event.Next(chunk)
		if err != nil {
			return err
		}
		chunk = rest
		o := d.in.p.Leases.Object(ev.Origin.Object)
		if o == nil {
			continue
		}
		outcome := lease.Stored
		if op := ev.Target.Op; op.Refused() {
			outcome = lease.Unreadable
			if err := d.in.refused([]deadletter.Letter{{Outcome: op.String(), Class: string(ev.Target.Class), Reason: string(ev.Target.Reason), Object: o.ID}}); err != nil {
				return err
			}
		}
		o.Judge(ev.Origin.Record, ev.Origin.Size, outcome)
	}
	return nil
}

// Close does nothing.
func (dry) Close() error { return nil }
