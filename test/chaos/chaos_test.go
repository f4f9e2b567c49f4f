package main

import (
	"math/rand/v2"
	"testing"
)

// TestShortRunHasEveryFault: 60 faults with seed 155, which continuous integration
// runs, are of all kinds. Whoever changes the table looks for another seed.
func TestShortRunHasEveryFault(t *testing.T) {
	plan := rand.New(rand.NewPCG(155, 0))
	happened := make([]int, len(faults))
	for range 60 {
		kind, _ := draw(plan)
		happened[kind]++
	}
	for kind, n := range happened {
		if n == 0 {
			t.Errorf("not once: %s", faults[kind].name)
		}
	}
}

func TestJudge(t *testing.T) {
	for _, test := range []struct {
		stored int
		dead   bool
		lost   bool
		more   int
	}{{1, false, false, 0}, {0, true, false, 0}, {0, false, true, 0}, {3, false, false, 2}, {2, true, false, 1}} {
		if lost, more := judge(test.stored, test.dead); lost != test.lost || more != test.more {
			t.Errorf("stored %d times, dead letter %v: lost %v, %d more", test.stored, test.dead, lost, more)
		}
	}
}
