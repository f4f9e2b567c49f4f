package lease

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func open(t *testing.T) (*Table, *Credit, *Lease) {
	t.Helper()
	table, credit := NewTable(), NewCredit(1<<20)
	return table, credit, table.Open(credit)
}

func settled(l *Lease) bool {
	select {
	case <-l.Settled():
		return true
	default:
		return false
	}
}

func take(t *testing.T, c *Credit, n int64) {
	t.Helper()
	if err := c.Take(context.Background(), n); err != nil {
		t.Fatal(err)
	}
}

// A lease settles only when every record of every object has a verdict.
func TestSettlesWhenEveryRecordIsJudged(t *testing.T) {
	table, credit, l := open(t)
	a, b := l.Add(Source{Key: "a"}), l.Add(Source{Key: "b"})
	l.Seal()
	take(t, credit, 30)
	a.Read(2, 20)
	b.Read(1, 10)
	a.Seal(nil)
	steps := []func(){
		func() { a.Judge(1, 10, Stored) },
		func() { a.Judge(2, 10, Excluded) },
		func() { b.Judge(1, 10, DeadLettered) },
		func() { b.Seal(nil) },
	}
	for i, step := range steps {
		if settled(l) {
			t.Fatalf("settled before step %d", i)
		}
		step()
	}
	if !settled(l) {
		t.Fatal("not settled although every record has a verdict")
	}
	if table.Object(a.ID) != nil || len(table.Leases()) != 0 {
		t.Error("a settled lease is still in the table")
	}
	if credit.Used() != 0 {
		t.Errorf("%d bytes of credit were not returned", credit.Used())
	}
}

func TestARecordIsJudgedOnce(t *testing.T) {
	_, credit, l := open(t)
	o := l.Add(Source{})
	take(t, credit, 20)
	o.Read(2, 20)
	if !o.Judge(7, 10, Stored) || o.Judge(7, 10, Duplicate) {
		t.Error("the first verdict must count and the second must not")
	}
	if got := credit.Used(); got != 10 {
		t.Errorf("credit used = %d, want 10: the second verdict must not return anything", got)
	}
	if n := o.JudgeAll([]Verdict{{7, 10, Stored}, {9, 10, Stored}}); n != 1 {
		t.Errorf("JudgeAll counted %d new verdicts, want 1", n)
	}
	if got := o.Totals(); got.Of(Stored) != 2 || got.Outstanding() != 0 {
		t.Errorf("totals = %+v", got)
	}
}

func TestGiveBackReturnsCreditAndIgnoresLateVerdicts(t *testing.T) {
	table, credit, l := open(t)
	o := l.Add(Source{})
	l.Seal()
	take(t, credit, 100)
	o.Read(3, 100)
	o.Judge(1, 30, Stored)
	if !l.GiveBack(errors.New("no verdict")) || l.GiveBack(nil) {
		t.Error("a lease ends once")
	}
	if credit.Used() != 0 {
		t.Errorf("credit used = %d after GiveBack", credit.Used())
	}
	if o.Judge(2, 30, Stored) || credit.Used() != 0 {
		t.Error("a late verdict counted")
	}
	take(t, credit, 10)
	o.Read(1, 10)
	if credit.Used() != 0 {
		t.Error("what is read after GiveBack must not hold credit")
	}
	o.Seal(nil)
	if settled(l) || table.Object(o.ID) != nil {
		t.Error("a lease that was given back settled")
	}
}

func TestAnEmptyObjectSettlesAtOnce(t *testing.T) {
	_, _, l := open(t)
	l.Add(Source{}).Seal(nil)
	if settled(l) {
		t.Fatal("settled although more objects may follow")
	}
	l.Seal()
	if !settled(l) {
		t.Fatal("not settled")
	}
}

func TestSplitPositionsNeedNoMemoryForWhatIsBefore(t *testing.T) {
	_, _, l := open(t)
	o := l.Add(Source{First: 1 << 40})
	o.Judge(1<<40+5, 0, Stored)
	if len(o.judged) != 1 {
		t.Errorf("%d words for one record", len(o.judged))
	}
}

// Through is the last mark before the first record that has no verdict, whatever
// gaps there are between positions.
func TestThrough(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range 300 {
		_, _, l := open(t)
		o := l.Add(Source{First: uint64(random.IntN(3) * 70)})
		position := max(o.Source.First, 1) - 1
		var marks, records, waiting []uint64
		for range random.IntN(8) {
			n := 1 + random.IntN(90)
			for range n {
				position += 1 + uint64(random.IntN(3))
				records = append(records, position)
			}
			o.Read(n, 0)
			o.Mark(position)
			marks = append(marks, position)
		}
		waiting = append(waiting, records...)
		random.Shuffle(len(waiting), func(i, j int) { waiting[i], waiting[j] = waiting[j], waiting[i] })
		if random.IntN(2) == 0 {
			slices.Sort(waiting)
		}
		for len(waiting) > 0 {
			n := 1 + random.IntN(len(waiting))
			for _, r := range waiting[:n] {
				o.Judge(r, 0, Stored)
			}
			waiting = waiting[n:]
			want := uint64(0)
			for _, m := range marks {
				if len(waiting) == 0 || m < slices.Min(waiting) {
					want = m
				}
			}
			if got, all := o.Through(); got != want || all {
				t.Fatalf("through %d (all: %v), want %d: marks %v, without verdict %v", got, all, want, marks, waiting)
			}
		}
		o.Seal(nil)
		if _, all := o.Through(); !all {
			t.Fatal("everything is judged, and it is not all")
		}
	}
}

func TestCreditIsABound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewCredit(100)
		take(t, c, 80)
		got := make(chan struct{})
		go func() { take(t, c, 30); close(got) }()
		synctest.Wait()
		select {
		case <-got:
			t.Fatal("took more than the limit")
		default:
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := c.Take(ctx, 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("overtook a waiting taker: %v", err)
		}
		c.Give(80)
		<-got
		c.Give(30)
		take(t, c, 1000) // larger than the whole: passes alone
		if c.Used() != 1000 {
			t.Errorf("used = %d", c.Used())
		}
	})
}

// Whatever the order of reads, verdicts and ends, no credit is lost.
func TestCreditBalances(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	table, credit := NewTable(), NewCredit(1000)
	var wg sync.WaitGroup
	for range 200 {
		l := table.Open(credit)
		o := l.Add(Source{})
		l.Seal()
		n, drop := 1+rnd.IntN(50), rnd.IntN(3) == 0
		wg.Go(func() {
			for range n {
				take(t, credit, 10)
				o.Read(1, 10)
			}
			o.Seal(nil)
		})
		wg.Go(func() {
			for i := range n {
				for o.Totals().Read <= uint64(i) && l.GivenBack() == nil {
					time.Sleep(time.Microsecond)
				}
				if drop && i == n/2 {
					l.GiveBack(errors.New("dropped"))
				}
				o.Judge(uint64(i+1), 10, Stored)
				o.Judge(uint64(i+1), 10, Duplicate)
			}
		})
	}
	wg.Wait()
	if credit.Used() != 0 || len(table.Leases()) != 0 {
		t.Errorf("credit used %d, open leases %d", credit.Used(), len(table.Leases()))
	}
}
