package ecs

import (
	"bytes"
	"errors"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/fluent-siem/fluent-siem/filters/logtype"
)

// timeRule reads an event's time from one place.
type timeRule struct {
	from  *source        // nil: the envelope or the key
	key   bool           // the key
	stamp *regexp.Regexp // of the time in the key; nil: as AWS services write it
	keep  int            // slot that keeps the envelope's time as it is; -1: none
	parse func(b []byte, zone *time.Location) (time.Time, bool)
	zone  *time.Location
	// year completes a text without one, from the time of loading; nil: it has one.
	year func(t, now time.Time) time.Time
}

func newTimeRule(from *source, at logtype.Time) (timeRule, error) {
	zone, err := logtype.ParseZone(at.Zone)
	r := timeRule{from: from, zone: zone, keep: -1}
	if at.Field == "@envelope" || at.Field == "@key" {
		if r.key = at.Field == "@key"; at.Pattern != "" {
			r.stamp = regexp.MustCompile(at.Pattern) // logtype compiled it before
		}
		return r, err
	}
	switch at.Layout {
	case "iso8601":
		r.parse = parseISO
	case "epoch":
		r.parse = func(b []byte, _ *time.Location) (time.Time, bool) { return parseEpoch(b) }
	case "syslog":
		r.parse, r.year = parseSyslog, syslogYear
	default:
		layout := at.Layout
		if _, perr := time.Parse(layout, time.Now().Format(layout)); perr != nil || layout == time.Now().Format(layout) {
			err = errors.Join(err, errors.New(layout+" is no layout: iso8601, epoch, or a reference time of Go's package time"))
		}
		named := strings.Contains(layout, "MST")
		r.parse = func(b []byte, zone *time.Location) (time.Time, bool) {
			t, err := time.ParseInLocation(layout, unsafeString(b), zone)
			if named && err == nil {
				return inZone(t)
			}
			return t, err == nil
		}
	}
	return r, err
}

// zones are the abbreviations that mean one offset, in minutes east of UTC. CST,
// IST, BST and others have several meanings, and a time with one of them is not
// understood.
var zones = map[string]int{
	"UTC": 0, "GMT": 0, "WET": 0, "WEST": 60, "CET": 60, "CEST": 120, "EET": 120, "EEST": 180, "MSK": 180,
	"HKT": 480, "SGT": 480, "AWST": 480, "JST": 540, "KST": 540, "ACST": 570, "AEST": 600, "ACDT": 630, "AEDT": 660, "NZST": 720, "NZDT": 780,
	"EST": -300, "EDT": -240, "CDT": -300, "MST": -420, "MDT": -360, "PST": -480, "PDT": -420, "AKST": -540, "AKDT": -480, "HST": -600,
}

// inZone gives a time that was parsed with an abbreviation of its zone the
// offset that it means.
func inZone(t time.Time) (time.Time, bool) {
	name, _ := t.Zone()
	minutes, ok := zones[name]
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.FixedZone(name, minutes*60)), ok
}

// at is the time that the envelope says.
func (e *envelope) at() (time.Time, bool) {
	if len(e.time) == 0 {
		return time.Time{}, false
	}
	if _, ok := digits(e.time); ok {
		return parseEpoch(e.time)
	}
	return parseISO(e.time, time.UTC)
}

// findTime finds the event's time: the type's places in order, then the
// envelope's, then that in the object's key, then when S3 announced the object,
// then now.
func (c *Converter) findTime() {
	for i := range c.p.times {
		r := &c.p.times[i]
		var t time.Time
		var ok bool
		switch {
		case r.key:
			t, ok = c.o.keyTimes[i], !c.o.keyTimes[i].IsZero()
		case r.from == nil:
			if t, ok = c.env.at(); ok && r.keep >= 0 {
				c.keepTime(r.keep)
			}
		default:
			b := c.readText(r.from)
			if len(b) == 0 {
				continue
			}
			if t, ok = r.parse(b, r.zone); ok && r.year != nil {
				t = r.year(t, c.reference())
			}
		}
		if ok {
			c.time = t
			return
		}
	}
	wrapped, isWrapped := c.env.at()
	switch {
	case isWrapped:
		c.time = wrapped
	case !c.o.at.IsZero():
		c.time = c.o.at
	case !c.o.src.EventTime.IsZero():
		c.time = c.o.src.EventTime
	default:
		c.time = c.now
	}
}

// reference is when the object was written: what a time without a year is
// completed from. An object that is loaded years later has the years it had.
func (c *Converter) reference() time.Time {
	switch {
	case !c.o.at.IsZero():
		return c.o.at
	case !c.o.src.EventTime.IsZero():
		return c.o.src.EventTime
	}
	return c.now
}

// keepTime sets a slot to the envelope's time, a number where it is one.
func (c *Converter) keepTime(slot int) {
	if _, ok := digits(c.env.time); ok {
		c.setNumberText(slot, c.env.time)
	} else {
		c.setText(slot, c.env.time)
	}
}

// parseSyslog reads the time of RFC 5424, which is one of ISO 8601, or of RFC 3164
// (section 4.1.2), "Jan  2 15:04:05", with or without a year before the clock, and
// a fraction or a colon behind. Without a year it is in year 0, a leap year.
func parseSyslog(b []byte, zone *time.Location) (time.Time, bool) {
	if len(b) < len("Jan 2 15:04:05") {
		return time.Time{}, false
	}
	if b[0] >= '0' && b[0] <= '9' {
		return parseISO(b, zone)
	}
	if b[3] != ' ' {
		return time.Time{}, false
	}
	month := monthOf(b[:3])
	b = bytes.TrimLeft(b[3:], " ")
	i := bytes.IndexByte(b, ' ')
	if month == 0 || i < 1 || i > 2 {
		return time.Time{}, false
	}
	day, ok := digits(b[:i])
	year := 0
	if b = b[i+1:]; len(b) > 5 && b[4] == ' ' {
		var numeric bool
		year, numeric = digits(b[:4])
		ok, b = ok && numeric, b[5:]
	}
	clock := bytes.TrimSuffix(b, []byte(":"))
	if !ok || len(clock) < 8 || clock[2] != ':' || clock[5] != ':' {
		return time.Time{}, false
	}
	hour, ok1 := digits(clock[:2])
	minute, ok2 := digits(clock[3:5])
	second, ok3 := digits(clock[6:8])
	if !ok1 || !ok2 || !ok3 || day < 1 || day > daysIn(year, month) || hour > 23 || minute > 59 || second > 60 {
		return time.Time{}, false
	}
	nanos := 0
	if fraction := clock[8:]; len(fraction) > 0 {
		n, ok := digits(fraction[1:])
		if !ok || fraction[0] != '.' && fraction[0] != ',' || len(fraction) == 1 || len(fraction) > 10 {
			return time.Time{}, false
		}
		for range 10 - len(fraction) {
			n *= 10
		}
		nanos = n
	}
	return time.Date(year, time.Month(month), day, hour, minute, second, nanos, zone), true
}

// monthOf is the number of a month's English short name, 0 when it is none.
func monthOf(b []byte) int {
	const names = "JanFebMarAprMayJunJulAugSepOctNovDec"
	if i := strings.Index(names, unsafeString(b)); len(b) == 3 && i >= 0 && i%3 == 0 {
		return i/3 + 1
	}
	return 0
}

// syslogYear gives a time without a year the last year in which it is not later
// than half a day from now.
func syslogYear(t, now time.Time) time.Time {
	if t.Year() != 0 {
		return t
	}
	limit := now.Add(12 * time.Hour)
	year := limit.In(t.Location()).Year()
	for range 8 { // 29 February may be years back
		_, month, day := t.Date()
		at := time.Date(year, month, day, t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), t.Location())
		if at.Day() == day && !at.After(limit) {
			return at
		}
		year--
	}
	return t
}

var keyTimeRE = regexp.MustCompile(`(?:^|\D)(20\d{6})T(\d{4}(?:\d\d)?)Z`)

// keyTime finds the time of delivery that AWS services write into keys, such
// as 20240115T0905Z.
func keyTime(key string) (time.Time, bool) {
	m := keyTimeRE.FindStringSubmatch(key)
	if m == nil {
		return time.Time{}, false
	}
	layout := "20060102T1504"
	if len(m[2]) == 6 {
		layout += "05"
	}
	t, err := time.Parse(layout, m[1]+"T"+m[2])
	return t, err == nil
}

// inKey finds the time in an object's key, zero when there is none.
func (r *timeRule) inKey(key string) time.Time {
	if r.stamp == nil {
		t, _ := keyTime(key)
		return t
	}
	m := r.stamp.FindStringSubmatch(key)
	if m == nil {
		return time.Time{}
	}
	parts := [...]int{2000, 1, 1, 0, 0, 0, 0}
	for i, group := range logtype.KeyTimeGroups {
		if n := r.stamp.SubexpIndex(group); n >= 0 && m[n] != "" {
			v, err := strconv.Atoi(m[n])
			if err != nil {
				return time.Time{}
			}
			parts[i] = v
		}
	}
	t := time.Date(parts[0], time.Month(parts[1]), parts[2], parts[3], parts[4], parts[5], parts[6]*1000, r.zone)
	if t.Month() != time.Month(parts[1]) || t.Day() != parts[2] || t.Hour() != parts[3] || t.Minute() != parts[4] {
		return time.Time{} // there is no such day or hour
	}
	return t
}

// parseEpoch reads seconds, milliseconds, microseconds or nanoseconds since
// 1970, told apart by their size; seconds may have a fraction.
func parseEpoch(b []byte) (time.Time, bool) {
	n, neg, i := int64(0), false, 0
	if len(b) > 0 && b[0] == '-' {
		neg, i = true, 1
	}
	if i == len(b) || len(b)-i > 19 {
		return time.Time{}, false
	}
	for ; i < len(b); i++ {
		if b[i] < '0' || b[i] > '9' {
			return parseEpochFloat(b)
		}
		n = n*10 + int64(b[i]-'0')
	}
	if n < 0 {
		return time.Time{}, false
	}
	if neg {
		n = -n
	}
	switch m := max(n, -n); {
	case m <= 1e12:
		return time.Unix(n, 0).UTC(), true
	case m < 1e15:
		return time.UnixMilli(n).UTC(), true
	case m < 1e17:
		return time.UnixMicro(n).UTC(), true
	}
	return time.Unix(0, n).UTC(), true
}

func parseEpochFloat(b []byte) (time.Time, bool) {
	f, err := strconv.ParseFloat(unsafeString(b), 64)
	if err != nil || !(f > -1e15 && f < 1e15) {
		return time.Time{}, false
	}
	if f > 1e12 || f < -1e12 {
		return time.UnixMicro(int64(f * 1e3)).UTC(), true
	}
	return time.UnixMicro(int64(f*1e6 + 0.5)).UTC(), true
}

// parseISO reads a date and time of ISO 8601 as logs write it: any one
// character between date and time, fractions of any length, Z, ±hh:mm or
// ±hhmm; without a zone, zone counts.
func parseISO(b []byte, zone *time.Location) (time.Time, bool) {
	if len(b) < 19 {
		for _, layout := range []string{"2006-01-02", "20060102", "20060102T150405Z0700", "20060102T150405", "2006-01-02T15:04Z07:00", "2006-01-02T15:04"} {
			if t, err := time.ParseInLocation(layout, unsafeString(b), zone); err == nil {
				return t, true
			}
		}
		return time.Time{}, false
	}
	if b[4] != '-' || b[7] != '-' || b[13] != ':' || b[16] != ':' {
		t, err := time.ParseInLocation("20060102T150405.999999999Z0700", unsafeString(b), zone)
		return t, err == nil
	}
	year, ok0 := digits(b[0:4])
	month, ok1 := digits(b[5:7])
	day, ok2 := digits(b[8:10])
	hour, ok3 := digits(b[11:13])
	minute, ok4 := digits(b[14:16])
	second, ok5 := digits(b[17:19])
	if !(ok0 && ok1 && ok2 && ok3 && ok4 && ok5) || month < 1 || month > 12 || day < 1 || day > daysIn(year, month) || hour > 23 || minute > 59 || second > 60 {
		return time.Time{}, false
	}
	b = b[19:]
	nanos := 0
	if len(b) > 0 && (b[0] == '.' || b[0] == ',') {
		n := 0
		for b = b[1:]; len(b) > 0 && b[0] >= '0' && b[0] <= '9'; b = b[1:] {
			if n < 9 {
				nanos = nanos*10 + int(b[0]-'0')
				n++
			}
		}
		if n == 0 {
			return time.Time{}, false
		}
		for ; n < 9; n++ {
			nanos *= 10
		}
	}
	if len(b) > 0 && b[0] == ' ' {
		b = b[1:]
	}
	switch {
	case len(b) == 0:
	case len(b) == 1 && (b[0] == 'Z' || b[0] == 'z'), string(b) == "UTC":
		zone = time.UTC
	default:
		offset, ok := parseOffset(b)
		if !ok {
			return time.Time{}, false
		}
		t := time.Date(year, time.Month(month), day, hour, minute, second, nanos, time.UTC)
		return t.Add(-time.Duration(offset) * time.Second), true
	}
	return time.Date(year, time.Month(month), day, hour, minute, second, nanos, zone), true
}

// parseOffset reads ±hh, ±hhmm or ±hh:mm as seconds east of UTC.
func parseOffset(b []byte) (int, bool) {
	if len(b) < 3 || b[0] != '+' && b[0] != '-' {
		return 0, false
	}
	h, ok := digits(b[1:3])
	rest := b[3:]
	if len(rest) > 0 && rest[0] == ':' {
		rest = rest[1:]
	}
	m := 0
	if ok && len(rest) > 0 {
		if len(rest) != 2 {
			return 0, false
		}
		m, ok = digits(rest)
	}
	if !ok || h > 23 || m > 59 {
		return 0, false
	}
	seconds := h*3600 + m*60
	if b[0] == '-' {
		seconds = -seconds
	}
	return seconds, true
}

func daysIn(year, month int) int {
	return time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

func digits(b []byte) (int, bool) {
	n := 0
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, true
}

// appendTime writes a time in UTC as OpenSearch's strict_date_optional_time
// reads it, without a fraction when there is none.
func appendTime(dst []byte, t time.Time) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	if year < 0 || year > 9999 {
		return t.AppendFormat(dst, time.RFC3339Nano)
	}
	two := func(n int, after byte) { dst = append(dst, byte('0'+n/10), byte('0'+n%10), after) }
	dst = append(dst, byte('0'+year/1000), byte('0'+year/100%10), byte('0'+year/10%10), byte('0'+year%10), '-')
	two(int(month), '-')
	two(day, 'T')
	two(hour, ':')
	two(minute, ':')
	two(second, '.')
	nanos := t.Nanosecond()
	if nanos == 0 {
		dst[len(dst)-1] = 'Z'
		return dst
	}
	for unit := 100_000_000; nanos > 0; unit /= 10 {
		dst = append(dst, byte('0'+nanos/unit))
		nanos %= unit
	}
	return append(dst, 'Z')
}
