package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/schollz/progressbar/v3"

	"github.com/fluent-siem/fluent-siem/test/corpus"
	"github.com/fluent-siem/fluent-siem/test/rig"
	"github.com/fluent-siem/fluent-siem/test/services/awsemu"
)

// row is what became of the objects of one log type.
type row struct {
	name           string
	objects        int
	records        int // put into the bucket
	stored         float64
	excluded, dead float64
	settled        time.Duration // since the start, when all records had a verdict
}

func (r *row) judged() float64 { return r.stored + r.excluded + r.dead }

// books are the rows of the table.
type books struct{ rows []*row }

func newBooks(objects []corpus.Object) *books {
	b := &books{}
	for _, t := range corpus.Types {
		r := &row{name: t.Name}
		for _, o := range objects {
			if o.Type == t.Name {
				r.objects++
				r.records += o.Records
			}
		}
		b.rows = append(b.rows, r)
	}
	return b
}

func (b *books) records() (n int) {
	for _, r := range b.rows {
		n += r.records
	}
	return n
}

// watch keeps the books until the queue is empty and every lease settled.
func (b *books) watch(ctx context.Context, p *rig.Process, q *awsemu.Queue, show *progress) error {
	began := time.Now()
	defer show.end()
	return p.Await(ctx, func() error {
		m, err := p.Metrics(ctx)
		if err != nil {
			return fmt.Errorf("it does not answer for its metrics: %w", err)
		}
		judged := 0.0
		for _, r := range b.rows {
			of := func(verdict string) float64 {
				return m.Sum("siem_input_verdicts_total", `log_type="`+r.name+`"`, `verdict="`+verdict+`"`)
			}
			r.stored, r.excluded, r.dead = of("stored")+of("duplicate"), of("excluded"), of("dead-lettered")+of("unreadable")
			judged += r.judged()
			if r.settled == 0 && r.judged() >= float64(r.records) {
				r.settled = time.Since(began)
			}
		}
		show.at(int(judged))
		stats, open := q.Stats(), m.Sum("siem_leases_open")
		if !stats.Empty() || open > 0 {
			return fmt.Errorf("%d messages are in the queue, %v leases are open", stats.Visible+stats.InFlight, open)
		}
		return nil
	})
}

func (b *books) print(out io.Writer) {
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "log type\tobjects\trecords\tdocuments\texcluded\tdead letters\tseconds\t")
	var sum row
	for _, r := range append(b.rows, &sum) {
		if r != &sum {
			sum.objects, sum.records = sum.objects+r.objects, sum.records+r.records
			sum.stored, sum.excluded, sum.dead = sum.stored+r.stored, sum.excluded+r.excluded, sum.dead+r.dead
			sum.settled = max(sum.settled, r.settled)
			sum.name = "all"
		}
		fmt.Fprintf(w, "%s\t%d\t%d\t%.0f\t%.0f\t%.0f\t%.1f\t\n", r.name, r.objects, r.records, r.stored, r.excluded, r.dead, r.settled.Seconds())
	}
	w.Flush()
}

// progress shows how many records have their verdict: a bar on a terminal, a
// line every other second elsewhere.
type progress struct {
	bar   *progressbar.ProgressBar
	diag  io.Writer
	total int
	last  time.Time
}

func newProgress(diag io.Writer, total int) *progress {
	p := &progress{diag: diag, total: total, last: time.Now()}
	if f, ok := diag.(*os.File); ok && isatty.IsTerminal(f.Fd()) {
		p.bar = progressbar.NewOptions(total, progressbar.OptionSetWriter(diag), progressbar.OptionSetDescription("records with a verdict"),
			progressbar.OptionShowCount(), progressbar.OptionSetWidth(30), progressbar.OptionClearOnFinish())
	}
	return p
}

func (p *progress) at(n int) {
	if p.bar != nil {
		p.bar.Set(min(n, p.total))
	} else if time.Since(p.last) > 2*time.Second {
		p.last = time.Now()
		fmt.Fprintf(p.diag, "%d of %d records have their verdict\n", n, p.total)
	}
}

func (p *progress) end() {
	if p.bar != nil {
		p.bar.Finish()
	}
}
