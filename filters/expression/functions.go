package expression

import (
	"bytes"
	"crypto/md5" //nolint:gosec // a hash that other systems know, not a secret
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/expr-lang/expr"
)

// operators are those that take texts for numbers, and the functions they become.
var operators = map[string]string{"==": "eq#", "!=": "ne#", "<": "lt#", "<=": "le#", ">": "gt#", ">=": "ge#", "in": "in#", "+": "add#"}

type function struct {
	run   func(args ...any) (any, error)
	types []any
}

// functions are those of this package; the library's are in allowed. They make
// nil of nil, for a record may lack any field.
var functions = map[string]*function{
	"lower":   {texts(strings.ToLower), []any{new(func(any) any)}},
	"upper":   {texts(strings.ToUpper), []any{new(func(any) any)}},
	"trim":    {texts(strings.TrimSpace), []any{new(func(any) any)}},
	"string":  {texts(func(s string) string { return s }), []any{new(func(any) any)}},
	"sha256":  {texts(func(s string) string { h := sha256.Sum256([]byte(s)); return hex.EncodeToString(h[:]) }), []any{new(func(any) any)}},
	"md5":     {texts(func(s string) string { h := md5.Sum([]byte(s)); return hex.EncodeToString(h[:]) }), []any{new(func(any) any)}},
	"number":  {func(args ...any) (any, error) { return number(args[0]), nil }, []any{new(func(any) any)}},
	"split":   {split, []any{new(func(any, string) any)}},
	"join":    {join, []any{new(func(any, string) any)}},
	"replace": {replace, []any{new(func(any, string, string) any)}},
	"coalesce": {func(args ...any) (any, error) {
		for _, a := range args {
			if a != nil && a != "" && a != "-" {
				return a, nil
			}
		}
		return nil, nil
	}, []any{new(func(...any) any)}},
	"inNetwork": {inNetwork, []any{new(func(any, ...string) bool)}},
	"eq#":       {compare(func(n int) bool { return n == 0 }, false), []any{new(func(any, any) bool)}},
	"ne#":       {compare(func(n int) bool { return n != 0 }, true), []any{new(func(any, any) bool)}},
	"lt#":       {compare(func(n int) bool { return n < 0 }, false), []any{new(func(any, any) bool)}},
	"le#":       {compare(func(n int) bool { return n <= 0 }, false), []any{new(func(any, any) bool)}},
	"gt#":       {compare(func(n int) bool { return n > 0 }, false), []any{new(func(any, any) bool)}},
	"ge#":       {compare(func(n int) bool { return n >= 0 }, false), []any{new(func(any, any) bool)}},
	"in#":       {in, []any{new(func(any, any) bool)}},
	"add#":      {add, []any{new(func(any, any) any)}},
}

// allowed are the library's functions that make nothing large and know no clock.
var allowed = strings.Fields(`all none any one filter map find findIndex findLast findLastIndex count sum
	len abs ceil floor round int float trimPrefix trimSuffix indexOf lastIndexOf hasPrefix hasSuffix max min first last keys values`)

// names are the functions that an expression may call.
func names() []string {
	own := slices.DeleteFunc(slices.Collect(maps.Keys(functions)), func(n string) bool { return strings.HasSuffix(n, "#") })
	return slices.Sorted(slices.Values(append(own, allowed...)))
}

var builtins = func() []expr.Option {
	options := []expr.Option{expr.DisableAllBuiltins()}
	for _, name := range allowed {
		options = append(options, expr.EnableBuiltin(name))
	}
	for name, f := range functions {
		options = append(options, expr.Function(name, f.run, f.types...))
	}
	return options
}()

// text is a scalar as text.
func text(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case int:
		return strconv.Itoa(v), true
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), true
	case bool:
		return strconv.FormatBool(v), true
	}
	return "", false
}

func texts(f func(string) string) func(...any) (any, error) {
	return func(args ...any) (any, error) {
		if args[0] == nil {
			return nil, nil
		}
		s, ok := text(args[0])
		if !ok {
			return nil, fmt.Errorf("a text is needed, not %T", args[0])
		}
		return f(s), nil
	}
}

// number is the number that v is, or that its text says; nil if it says none.
func number(v any) any {
	switch v := v.(type) {
	case int, float64:
		return v
	case bool:
		if v {
			return 1
		}
		return 0
	case string:
		if n, err := strconv.Atoi(v); err == nil {
			return n
		}
		if len(v) > 0 && len(v) < 64 && (v[0] >= '0' && v[0] <= '9' || v[0] == '-' || v[0] == '.' || v[0] == '+') {
			if f, err := strconv.ParseFloat(v, 64); err == nil {
				return f
			}
		}
	}
	return nil
}

func float(v any) (float64, bool) {
	switch v := v.(type) {
	case int:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}

// order compares two values: as numbers where one is a number and the other is,
// or says, one; else as texts. false: they cannot be compared.
func order(a, b any) (int, bool) {
	_, aNumber := float(a)
	_, bNumber := float(b)
	if aNumber || bNumber {
		x, ok1 := float(number(a))
		y, ok2 := float(number(b))
		switch {
		case !ok1 || !ok2:
			return 0, false
		case x < y:
			return -1, true
		case x > y:
			return 1, true
		}
		return 0, true
	}
	x, ok1 := text(a)
	y, ok2 := text(b)
	return strings.Compare(x, y), ok1 && ok2
}

// compare makes a comparison; otherwise is what it says of values that cannot be
// compared, as nil is equal to nil only.
func compare(says func(int) bool, otherwise bool) func(...any) (any, error) {
	return func(args ...any) (any, error) {
		if args[0] == nil && args[1] == nil {
			return says(0), nil
		}
		n, ok := order(args[0], args[1])
		if !ok {
			return otherwise, nil
		}
		return says(n), nil
	}
}

// in reports whether a list has a value, or an object a key.
func in(args ...any) (any, error) {
	equal := func(v any) bool { n, ok := order(args[0], v); return ok && n == 0 }
	switch list := args[1].(type) {
	case nil:
		return false, nil
	case []any:
		return slices.ContainsFunc(list, equal), nil
	case []int:
		return slices.ContainsFunc(list, func(n int) bool { return equal(n) }), nil
	case []string:
		return slices.ContainsFunc(list, func(s string) bool { return equal(s) }), nil
	case map[string]any:
		key, _ := text(args[0])
		_, ok := list[key]
		return ok, nil
	}
	return nil, fmt.Errorf("in needs a list behind it, not %T", args[1])
}

var errLong = fmt.Errorf("the text would be longer than %d bytes", maxText)

// add puts texts together, and sums numbers.
func add(args ...any) (any, error) {
	if args[0] == nil || args[1] == nil {
		return nil, errors.New("one side of + is missing")
	}
	_, aText := args[0].(string)
	_, bText := args[1].(string)
	if aText || bText {
		a, ok1 := text(args[0])
		b, ok2 := text(args[1])
		switch {
		case !ok1 || !ok2:
			return nil, fmt.Errorf("+ does not fit %T and %T", args[0], args[1])
		case len(a)+len(b) > maxText:
			return nil, errLong
		}
		return a + b, nil
	}
	if x, ok := args[0].(int); ok {
		if y, ok := args[1].(int); ok {
			return x + y, nil
		}
	}
	x, ok1 := float(args[0])
	y, ok2 := float(args[1])
	if !ok1 || !ok2 {
		return nil, fmt.Errorf("+ does not fit %T and %T", args[0], args[1])
	}
	return x + y, nil
}

func split(args ...any) (any, error) {
	if args[0] == nil {
		return nil, nil
	}
	s, ok := text(args[0])
	if !ok {
		return nil, fmt.Errorf("split needs a text, not %T", args[0])
	}
	parts := strings.SplitN(s, args[1].(string), 1000)
	list := make([]any, len(parts))
	for i, p := range parts {
		list[i] = p
	}
	return list, nil
}

func join(args ...any) (any, error) {
	if args[0] == nil {
		return nil, nil
	}
	list, ok := args[0].([]any)
	if !ok {
		return nil, fmt.Errorf("join needs a list, not %T", args[0])
	}
	var b bytes.Buffer
	for i, item := range list {
		if i > 0 {
			b.WriteString(args[1].(string))
		}
		s, ok := text(item)
		if !ok {
			return nil, fmt.Errorf("join needs texts, not %T", item)
		}
		if b.WriteString(s); b.Len() > maxText {
			return nil, errLong
		}
	}
	return b.String(), nil
}

func replace(args ...any) (any, error) {
	if args[0] == nil {
		return nil, nil
	}
	s, ok := text(args[0])
	old, with := args[1].(string), args[2].(string)
	if !ok {
		return nil, fmt.Errorf("replace needs a text, not %T", args[0])
	}
	if len(s)+strings.Count(s, old)*len(with) > maxText {
		return nil, errLong
	}
	return strings.ReplaceAll(s, old, with), nil
}

// networks are those that expressions name, by their text: not data, so few.
var networks sync.Map

// inNetwork reports whether an address is in one of the networks. What is no
// address is in none.
func inNetwork(args ...any) (any, error) {
	s, _ := args[0].(string)
	a, err := netip.ParseAddr(s)
	if err != nil {
		return false, nil
	}
	for _, arg := range args[1:] {
		said := arg.(string)
		known, ok := networks.Load(said)
		if !ok {
			n, err := netip.ParsePrefix(said)
			if err != nil {
				return nil, fmt.Errorf("%q is no network such as 10.0.0.0/8", said)
			}
			known = n
			networks.Store(said, n)
		}
		if known.(netip.Prefix).Contains(a.Unmap()) {
			return true, nil
		}
	}
	return false, nil
}
