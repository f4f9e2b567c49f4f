package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
)

// ratesFile holds what was measured last, so that the manual is made of data.
const ratesFile = "test/bench/results.json"

// rates is the file. Rates are those of one core of the machine that measured:
// compare types with each other, not machines.
type rates struct {
	Note    string          `json:"note"`
	Convert map[string]rate `json:"convert"` // by log type
}

type rate struct {
	Events float64 `json:"events_per_s"`
	MB     float64 `json:"mb_per_s"` // of uncompressed input, 10⁶ bytes
}

func readRates(root string) (r rates, err error) {
	text, err := os.ReadFile(filepath.Join(root, ratesFile))
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	return r, err
}

// saveRates writes the rates of the rows, beside those of types that were not
// measured this time.
func saveRates(root string, rows []result) error {
	r, err := readRates(root)
	if err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("%s: %w", ratesFile, err)
	}
	r.Note = "go run ./test/bench -only convert -save: from a compressed object to bulk bodies, per second of CPU on one core of the machine that measured"
	if r.Convert == nil {
		r.Convert = map[string]rate{}
	}
	for _, row := range rows {
		r.Convert[row.Type] = rate{round(row.Events), round(row.MB)}
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(root, ratesFile), append(text, '\n'), 0o644)
}

// round leaves two digits that count: the rest is noise.
func round(f float64) float64 {
	if f <= 0 {
		return 0
	}
	unit := math.Pow(10, math.Floor(math.Log10(f))-1)
	return math.Round(f/unit) * unit
}
