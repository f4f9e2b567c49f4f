// Package settings reads what an operator wrote into a stage's Config.
//
// A setting is written once: its key in a `conf:"…"` tag, its meaning in the
// doc comment of the field, its default in the value that the stage's Defaults
// returns. [Load] overwrites the defaults with what the operator wrote, and
// settingstest makes the manual of the three.
//
//	cfg := Defaults()
//	err := settings.Load(&cfg, get) // get("bulk_size") is "5MB", or "" when absent
//
// # Promises
//
//   - All problems are reported at once, each with its key, what is wrong, and
//     what to write instead: one restart should fix them all.
//   - A value that cannot be understood leaves the default in place, so that a
//     stage may start degraded instead of not at all.
//   - A value is quoted in an error only if its key does not name a secret.
//
// # Values
//
// A field may be a string, a bool (true, on, yes, 1 and their opposites), an
// integer, a float, [Bytes], a [time.Duration], a list of strings (separated by
// commas), or anything that implements [encoding.TextUnmarshaler]. Fields of an
// embedded struct count as fields of the struct around it. Space around a value
// is ignored, and so is an empty value: Fluent Bit cannot tell it from an
// absent one.
//
// What the package does not do: it does not look for unknown keys, because a
// plugin inside Fluent Bit cannot list the keys that were written. `fluent-siem
// pipeline` can, and does so with [Keys].
package settings

import (
	"encoding"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/zeebo/xxh3"
)

// Duration is a length of time: "30s", "5m", "12h", "90d", combinations such as
// "1h30m", or a plain number of seconds.
type Duration = time.Duration

// Load overwrites fields of cfg, a pointer to a struct with `conf:"key"` tags
// that already holds the defaults, with what get returns for their keys. An
// empty value leaves the default. The error is an [*Error] that names every
// setting that could not be understood; these fields keep their defaults.
func Load(cfg any, get func(key string) string) error {
	fields, err := fieldsOf(cfg)
	if err != nil {
		return err
	}
	var bad Problems
	for _, f := range fields {
		text := strings.TrimSpace(get(f.key))
		if text == "" {
			continue
		}
		if err := set(f.value, text); err != nil {
			if secret(f.key) {
				bad.Add(f.key, "cannot be read: write %s", kind(f.value.Type()))
				continue
			}
			bad.Add(f.key, "%q %s", text, err)
		}
	}
	return bad.Err()
}

// Keys returns the keys of cfg, a struct or a pointer to one, in the order of
// its fields.
func Keys(cfg any) []string {
	fields, err := fieldsOf(cfg)
	if err != nil {
		return nil
	}
	keys := make([]string, len(fields))
	for i, f := range fields {
		keys[i] = f.key
	}
	return keys
}

// Fingerprint is a short name of what cfg, a struct or a pointer to one, says:
// it is another when a value is. Secrets take no part in it.
func Fingerprint(cfg any) string {
	fields, err := fieldsOf(cfg)
	if err != nil {
		return ""
	}
	h := xxh3.New()
	for _, f := range fields {
		if !secret(f.key) {
			fmt.Fprintf(h, "%s=%v\x00", f.key, f.value.Interface())
		}
	}
	return fmt.Sprintf("%016x", h.Sum64())[:8]
}

// field is one setting: its key and, when the struct came by pointer, its
// settable value.
type field struct {
	key   string
	value reflect.Value
}

func fieldsOf(cfg any) ([]field, error) {
	v := reflect.ValueOf(cfg)
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	if v.Kind() != reflect.Struct {
		return nil, fmt.Errorf("settings: %T is not a struct or a pointer to one", cfg)
	}
	return appendFields(nil, v), nil
}

func appendFields(list []field, v reflect.Value) []field {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if f.Anonymous && f.Type.Kind() == reflect.Struct {
			list = appendFields(list, v.Field(i))
			continue
		}
		if key, ok := f.Tag.Lookup("conf"); ok && f.IsExported() {
			list = append(list, field{key, v.Field(i)})
		}
	}
	return list
}

var durationType = reflect.TypeFor[time.Duration]()

// set parses text into v. Its error continues the sentence `"text" …`.
func set(v reflect.Value, text string) error {
	if v.CanAddr() {
		if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
			return unmarshal(v, u, text)
		}
	}
	if v.Type() == durationType {
		d, err := ParseDuration(text)
		if err == nil {
			v.SetInt(int64(d))
		}
		return err
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
		return nil
	case reflect.Bool:
		b, err := parseBool(text)
		if err == nil {
			v.SetBool(b)
		}
		return err
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		n, err := strconv.ParseInt(text, 10, v.Type().Bits())
		if err != nil {
			return fmt.Errorf("is not a whole number")
		}
		v.SetInt(n)
		return nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		n, err := strconv.ParseUint(text, 10, v.Type().Bits())
		if err != nil {
			return fmt.Errorf("is not a whole number of zero or more")
		}
		v.SetUint(n)
		return nil
	case reflect.Float32, reflect.Float64:
		n, err := strconv.ParseFloat(text, v.Type().Bits())
		if err != nil {
			return fmt.Errorf("is not a number")
		}
		v.SetFloat(n)
		return nil
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.String {
			list := reflect.MakeSlice(v.Type(), 0, 4)
			for _, item := range SplitList(text) {
				list = reflect.Append(list, reflect.ValueOf(item).Convert(v.Type().Elem()))
			}
			v.Set(list)
			return nil
		}
	}
	return fmt.Errorf("cannot be stored: this program has no reader for a setting of type %s, which is a bug in it", v.Type())
}

// unmarshal lets u read text, and restores the default if it cannot.
func unmarshal(v reflect.Value, u encoding.TextUnmarshaler, text string) error {
	before := reflect.New(v.Type()).Elem()
	before.Set(v)
	if err := u.UnmarshalText([]byte(text)); err != nil {
		v.Set(before)
		return err
	}
	return nil
}

// SplitList splits a comma-separated value, trims its items, and drops empty ones.
func SplitList(text string) []string {
	var items []string
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}

// ParseDuration reads a [Duration]. Negative ones are refused.
func ParseDuration(text string) (time.Duration, error) {
	refused := fmt.Errorf("is not a length of time; write a number with a unit, like 30s, 5m, 12h or 7d")
	if seconds, err := strconv.ParseFloat(text, 64); err == nil {
		if !(seconds >= 0 && seconds < 1<<33) {
			return 0, refused
		}
		return time.Duration(seconds * float64(time.Second)), nil
	}
	rest, days := text, time.Duration(0)
	if n, after, ok := strings.Cut(text, "d"); ok {
		count, err := strconv.ParseUint(n, 10, 16)
		if err != nil {
			return 0, refused
		}
		if rest, days = after, time.Duration(count)*24*time.Hour; rest == "" {
			return days, nil
		}
	}
	d, err := time.ParseDuration(rest)
	if err != nil || d < 0 || d+days < 0 {
		return 0, refused
	}
	return days + d, nil
}

// FormatDuration is d as an operator would write it: "5m", not "5m0s".
func FormatDuration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

func parseBool(text string) (bool, error) {
	switch strings.ToLower(text) {
	case "true", "on", "yes", "1":
		return true, nil
	case "false", "off", "no", "0":
		return false, nil
	}
	return false, fmt.Errorf("is neither true nor false; write on or off")
}

// secret tells whether the value of a key must not be shown.
func secret(key string) bool {
	key = strings.ToLower(key)
	for _, word := range []string{"password", "secret", "token", "credential", "passwd"} {
		if strings.Contains(key, word) {
			return true
		}
	}
	return false
}

// kind says in words what a value of type t looks like.
func kind(t reflect.Type) string {
	switch {
	case t == durationType:
		return "a length of time"
	case t.Kind() == reflect.Bool:
		return "on or off"
	case t.Kind() == reflect.String:
		return "text"
	case t.Kind() == reflect.Slice:
		return "a list, separated by commas"
	default:
		return "a number"
	}
}
