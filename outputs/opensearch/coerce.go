package opensearch

import (
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fastjson"
)

// coerce returns a value of the type kind that says the same as v, nil for a
// text that says nothing ("" or "-"); ok is false when there is none.
func coerce(v *fastjson.Value, kind string, a *fastjson.Arena) (to *fastjson.Value, ok bool) {
	if v.Type() != fastjson.TypeString {
		if kind == "boolean" && v.Type() == fastjson.TypeNumber {
			switch v.GetInt() {
			case 0:
				return a.NewFalse(), true
			case 1:
				return a.NewTrue(), true
			}
		}
		return nil, false
	}
	text := strings.TrimSpace(string(v.GetStringBytes()))
	switch kind {
	case "boolean", "long", "integer", "short", "byte", "unsigned_long", "float", "double", "half_float", "scaled_float", "ip", "date", "date_nanos", "geo_point":
		if text == "" || text == "-" {
			return nil, true
		}
	}
	switch kind {
	case "boolean":
		switch strings.ToLower(text) {
		case "true", "yes", "on", "1", "y", "t":
			return a.NewTrue(), true
		case "false", "no", "off", "0", "n", "f":
			return a.NewFalse(), true
		}
	case "long", "integer", "short", "byte", "unsigned_long":
		return number(text, a, func(s string) error { _, err := strconv.ParseInt(s, 0, 64); return err })
	case "float", "double", "half_float", "scaled_float":
		return number(text, a, func(s string) error { _, err := strconv.ParseFloat(s, 64); return err })
	case "ip":
		if ip, ok := address(text); ok {
			return a.NewString(ip), true
		}
	case "date", "date_nanos":
		if t, ok := date(text); ok {
			return a.NewString(t.UTC().Format(time.RFC3339Nano)), true
		}
	}
	return nil, false
}

// number reads a number with separators of thousands, or in hexadecimal.
func number(text string, a *fastjson.Arena, valid func(string) error) (*fastjson.Value, bool) {
	plain := strings.ReplaceAll(strings.ReplaceAll(text, ",", ""), "_", "")
	if plain == "" || valid(plain) != nil || strings.ContainsAny(plain, "nNiIpP") { // NaN, Inf, hexadecimal floats
		return nil, false
	}
	if n, err := strconv.ParseInt(plain, 0, 64); err == nil {
		return a.NewNumberString(strconv.FormatInt(n, 10)), true
	}
	f, err := strconv.ParseFloat(plain, 64)
	if err != nil {
		return nil, false
	}
	return a.NewNumberString(strconv.FormatFloat(f, 'g', -1, 64)), true
}

// address takes port, zone, brackets and the length of a whole prefix off.
func address(text string) (string, bool) {
	if p, err := netip.ParseAddrPort(text); err == nil {
		return p.Addr().WithZone("").String(), true
	}
	if p, err := netip.ParsePrefix(text); err == nil && p.IsSingleIP() {
		return p.Addr().String(), true
	}
	if ip, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil {
		return ip.WithZone("").String(), true
	}
	return "", false
}

// layouts are times that logs write, beside those that OpenSearch reads itself.
var layouts = []string{
	time.DateTime, "2006-01-02 15:04:05.999999999Z07:00", "2006-01-02 15:04:05 -0700", "2006/01/02 15:04:05", "02/Jan/2006:15:04:05 -0700",
	time.RFC1123Z, time.RFC1123, time.ANSIC, "2006-01-02T15:04:05-0700", "20060102T150405Z",
}

// date reads a time; without a zone it is UTC. Numbers are seconds since 1970
// where they lie between 2001 and 2286.
func date(text string) (time.Time, bool) {
	for _, layout := range layouts {
		if t, err := time.Parse(layout, text); err == nil {
			return t, true
		}
	}
	if f, err := strconv.ParseFloat(text, 64); err == nil && f >= 1e9 && f < 1e10 {
		return time.UnixMicro(int64(f * 1e6)), true
	}
	return time.Time{}, false
}
