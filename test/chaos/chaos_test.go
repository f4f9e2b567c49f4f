package main

import "testing"

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
