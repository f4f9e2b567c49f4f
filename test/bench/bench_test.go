package main

import (
	"slices"
	"testing"

	"github.com/fluent-siem/fluent-siem/filters/logtype"
)

// TestEveryTypeWasFastEnough: what was measured last has a row for each shipped
// type, and each reaches 20,000 events/s or 30 MB/s.
func TestEveryTypeWasFastEnough(t *testing.T) {
	r, err := readRates("../..")
	if err != nil {
		t.Fatal(err)
	}
	registry, err := logtype.NewRegistry()
	if err != nil {
		t.Fatal(err)
	}
	for _, lt := range registry.Set().Types() {
		switch row, ok := r.Convert[lt.Name]; {
		case !ok:
			t.Errorf("%s was not measured: go run ./test/bench -only convert -save -type %[1]s", lt.Name)
		case row.Events < 20000 && row.MB < 30:
			t.Errorf("%s: %.0f events/s, %.0f MB/s", lt.Name, row.Events, row.MB)
		}
	}
	for name := range r.Convert {
		if registry.Set().Type(name) == nil {
			t.Errorf("%s is in %s, and no log type", name, ratesFile)
		}
	}
}

// TestEveryTypeHasAnObject: an object can be made of each type's samples, the
// same each time, and of as many records as are asked for.
func TestEveryTypeHasAnObject(t *testing.T) {
	registry, err := logtype.NewRegistry()
	if err != nil {
		t.Fatal(err)
	}
	for _, lt := range registry.Set().Types() {
		in, err := fromSamples("../..", lt, 20, 1)
		if err != nil {
			t.Error(err)
			continue
		}
		again, err := fromSamples("../..", lt, 20, 1)
		if err != nil || !slices.Equal(in.packed, again.packed) {
			t.Errorf("%s: two objects of the same samples differ (%v)", lt.Name, err)
		}
		if in.n < 20 || in.size == 0 {
			t.Errorf("%s: %d records, %d bytes", lt.Name, in.n, in.size)
		}
		if _, err := convert("../..", in, 1); err != nil {
			t.Errorf("%s: %v", lt.Name, err)
		}
	}
}
