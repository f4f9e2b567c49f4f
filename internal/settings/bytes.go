package settings

import (
	"fmt"
	"strconv"
	"strings"
)

// Bytes is an amount of memory or disk: "64MB", "5MiB", "100k", or a plain
// number of bytes. As in Fluent Bit, MB and MiB are the same, 1<<20 bytes.
type Bytes int64

var byteUnits = []struct {
	name string
	size int64
}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}}

// ParseBytes reads an amount. Negative ones are refused.
func ParseBytes(text string) (Bytes, error) {
	refused := fmt.Errorf("is not an amount of bytes; write a number with a unit, like 64MB, 512KB or 2GB")
	number := strings.TrimRight(text, "kKmMgGtTiIbB ")
	unit := strings.ToLower(strings.TrimSpace(text[len(number):]))
	var size int64
	switch strings.TrimSuffix(strings.TrimSuffix(unit, "b"), "i") {
	case "":
		size = 1
	case "k":
		size = 1 << 10
	case "m":
		size = 1 << 20
	case "g":
		size = 1 << 30
	case "t":
		size = 1 << 40
	default:
		return 0, refused
	}
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || !(n >= 0 && n*float64(size) < 1<<62) {
		return 0, refused
	}
	return Bytes(n * float64(size)), nil
}

// UnmarshalText is [ParseBytes] for [Load].
func (b *Bytes) UnmarshalText(text []byte) error {
	n, err := ParseBytes(string(text))
	if err == nil {
		*b = n
	}
	return err
}

// String is the amount in the largest unit that divides it: "64MiB", "1500B".
func (b Bytes) String() string {
	for _, u := range byteUnits {
		if int64(b) >= u.size && int64(b)%u.size == 0 {
			return strconv.FormatInt(int64(b)/u.size, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(b), 10) + "B"
}
