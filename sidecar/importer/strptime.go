package importer

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// directives are those of Python's strptime, with the part of a layout of Go's
// package time that reads the same. loose is for those that read one digit or two
// in Python; exact where another number follows at once.
var directives = map[byte]struct {
	loose, exact string
	number       bool
}{
	'Y': {"2006", "2006", true},
	'y': {"06", "06", true},
	'm': {"1", "01", true},
	'd': {"2", "02", true},
	'H': {"15", "15", true},
	'I': {"3", "03", true},
	'M': {"04", "04", true},
	'S': {"05", "05", true},
	'j': {"002", "002", true},
	'b': {"Jan", "Jan", false},
	'h': {"Jan", "Jan", false},
	'B': {"January", "January", false},
	'a': {"Mon", "Mon", false},
	'A': {"Monday", "Monday", false},
	'p': {"PM", "PM", false},
	'Z': {"MST", "MST", false},
}

// whole are the directives that stand for others, in the C locale.
var whole = strings.NewReplacer("%c", "%a %b %d %H:%M:%S %Y", "%x", "%m/%d/%y", "%X", "%H:%M:%S")

// trialTimes are formatted and read again to see that a layout means the same.
var trialTimes = []time.Time{
	time.Date(2024, 2, 9, 3, 4, 5, 678901000, time.UTC),
	time.Date(2031, 12, 28, 23, 59, 58, 0, time.UTC),
}

// layouts writes a format of strptime as layouts of Go's package time, of which
// the first that fits counts. One format makes two where it reads a zone, for
// Python reads +0900 and +09:00 alike.
func layouts(format string) ([]string, error) {
	if strings.TrimSpace(format) == "%b %d %H:%M:%S" {
		return []string{"syslog"}, nil // strptime takes the year 1900
	}
	format = whole.Replace(strings.ReplaceAll(format, "%%", "\x00"))
	zones := []string{""}
	if strings.Contains(format, "%z") {
		zones = []string{"0700", "07:00"}
	}
	var all []string
	for _, zone := range zones {
		layout, err := layout(format, zone)
		if err != nil {
			return nil, err
		}
		if err := sameTimes(format, layout, zone); err != nil {
			return nil, err
		}
		all = append(all, layout)
	}
	return all, nil
}

func layout(format, zone string) (string, error) {
	var out strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			out.WriteByte(unzero(format[i]))
			continue
		}
		if i++; i == len(format) {
			return "", errors.New("there is a % at its end")
		}
		switch c := format[i]; c {
		case 'f':
			text := out.String()
			if !strings.HasSuffix(text, "05.") && !strings.HasSuffix(text, "05,") {
				return "", errors.New("a fraction of a second (%f) can be read behind seconds and a point or comma only")
			}
			out.WriteString("999999999")
		case 'z':
			switch text := out.String(); {
			case strings.HasSuffix(text, " "):
				out.WriteString("-" + zone)
			default: // behind a time, as in ISO 8601
				out.WriteString("Z" + zone)
			}
		case 'U', 'W', 'w', 'u', 'G', 'V':
			return "", fmt.Errorf("weeks and numbers of weekdays (%%%c) cannot be read", c)
		default:
			d, ok := directives[c]
			if !ok {
				return "", fmt.Errorf("%%%c is no directive of strptime; the original fails with it too", c)
			}
			part := d.loose
			if d.number && (besideNumber(format[i+1:]) || i > 1 && numberBefore(format[:i-1])) {
				part = d.exact
			}
			out.WriteString(part)
		}
	}
	return out.String(), nil
}

func unzero(c byte) byte {
	if c == 0 {
		return '%'
	}
	return c
}

// besideNumber reports whether a format begins with a number.
func besideNumber(format string) bool {
	if format == "" {
		return false
	}
	if format[0] == '%' && len(format) > 1 {
		return directives[format[1]].number || format[1] == 'f'
	}
	return format[0] >= '0' && format[0] <= '9'
}

// numberBefore reports whether a format ends with a number.
func numberBefore(format string) bool {
	n := len(format)
	return n > 1 && format[n-2] == '%' && directives[format[n-1]].number
}

// sameTimes tries a layout on texts that the format would read.
func sameTimes(format, layout, zone string) error {
	for _, t := range trialTimes {
		var text strings.Builder
		for i := 0; i < len(format); i++ {
			if format[i] != '%' {
				text.WriteByte(unzero(format[i]))
				continue
			}
			i++
			switch c := format[i]; c {
			case 'f':
				fmt.Fprintf(&text, "%06d", t.Nanosecond()/1000)
			case 'z':
				text.WriteString(t.Format("-" + zone))
			default:
				text.WriteString(t.Format(directives[c].exact))
			}
		}
		own := t.Format(layout)
		if _, err := time.Parse(layout, own); err != nil || own == layout {
			return errors.New("a layout cannot say it: there is no time in it, or text that reads like one")
		}
		got, err := time.Parse(layout, text.String())
		if err != nil {
			return fmt.Errorf("a layout cannot say it: %q is not read", text.String())
		}
		if lacks := t.Sub(got); strings.Contains(format, "%S") && got.Second() != t.Second() || strings.Contains(format, "%f") && got.Nanosecond() != t.Nanosecond() ||
			strings.Contains(format, "%d") && got.Day() != t.Day() || strings.Contains(format, "%H") && got.Hour() != t.Hour() || strings.Contains(format, "%Y") && got.Year() != t.Year() {
			return fmt.Errorf("a layout cannot say it: %q is read %v wrong", text.String(), lacks)
		}
	}
	return nil
}
