// Package settingstest keeps the manual of a stage's settings true: the table
// in it is made from the tags, the doc comments and the defaults of the Config
// struct, and a test fails as soon as they differ.
package settingstest

import (
	"fmt"
	"go/ast"
	"go/doc/comment"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/fluent-siem/fluent-siem/internal/settings"
)

// The table stands between these two lines; what is around them is prose that
// people write and nobody overwrites.
const (
	begin = "<!-- settings: made from the source by UPDATE=1 go test -->"
	end   = "<!-- /settings -->"
)

// CheckManual fails t unless the manual, a Markdown file, holds the table of
// the settings of defaults, a Config struct declared in source, the name of a
// Go file. With UPDATE=1 in the environment it writes the table instead, and
// makes the file if there is none.
func CheckManual(t testing.TB, manual, source string, defaults any) {
	t.Helper()
	table, err := Table(source, defaults)
	if err != nil {
		t.Fatal(err)
	}
	old, err := os.ReadFile(manual)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	want := replace(string(old), table, strings.TrimSuffix(filepath.Base(manual), filepath.Ext(manual)))
	if string(old) == want {
		return
	}
	if os.Getenv("UPDATE") != "1" {
		t.Errorf("%s is not what %s says; UPDATE=1 go test writes it", manual, source)
		return
	}
	if err := os.MkdirAll(filepath.Dir(manual), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(manual, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

// replace returns text with table between the two marks, which are added at
// the end if they are missing.
func replace(text, table, title string) string {
	block := begin + "\n" + table + end
	before, rest, ok := strings.Cut(text, begin)
	if ok {
		if _, after, ok := strings.Cut(rest, end); ok {
			return before + block + after
		}
	}
	if text == "" {
		text = "# " + title + "\n"
	}
	return strings.TrimRight(text, "\n") + "\n\n" + block + "\n"
}

// Table is the Markdown table of the settings of defaults.
func Table(source string, defaults any) (string, error) {
	value := reflect.Indirect(reflect.ValueOf(defaults))
	structs, err := parse(source)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString("| setting | default | meaning |\n|---|---|---|\n")
	names := map[string]string{}
	collectNames(names, value.Type())
	if err := rows(&b, structs, value, names); err != nil {
		return "", fmt.Errorf("%s: %w", source, err)
	}
	return b.String(), nil
}

func collectNames(names map[string]string, t reflect.Type) {
	for i := range t.NumField() {
		f := t.Field(i)
		if key, ok := f.Tag.Lookup("conf"); ok {
			names[f.Name] = key
		} else if f.Anonymous && f.Type.Kind() == reflect.Struct {
			collectNames(names, f.Type)
		}
	}
}

func rows(b *strings.Builder, structs map[string]map[string]string, v reflect.Value, names map[string]string) error {
	docs, ok := structs[v.Type().Name()]
	if !ok {
		return fmt.Errorf("no struct %s in this package", v.Type().Name())
	}
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if f.Anonymous && f.Type.Kind() == reflect.Struct {
			if err := rows(b, structs, v.Field(i), names); err != nil {
				return err
			}
			continue
		}
		key, ok := f.Tag.Lookup("conf")
		if !ok {
			continue
		}
		if docs[f.Name] == "" {
			return fmt.Errorf("the field %s (setting %s) has no doc comment: say what it means, its unit, and when to change it", f.Name, key)
		}
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", key, show(v.Field(i)), cell(docs[f.Name], f.Name, names))
	}
	return nil
}

// show is a default as the operator would write it.
func show(v reflect.Value) string {
	var text string
	switch x := v.Interface().(type) {
	case time.Duration:
		text = settings.FormatDuration(x)
	case []string:
		text = strings.Join(x, ", ")
	case bool:
		text = map[bool]string{true: "on", false: "off"}[x]
	default:
		text = fmt.Sprint(x)
	}
	if text == "" {
		return ""
	}
	return "`" + text + "`"
}

var link = regexp.MustCompile(`\[([A-Za-z]+)\]`)

// cell is a doc comment as one cell: paragraphs become line breaks, the name of
// the field and links to other fields become keys.
func cell(doc, name string, names map[string]string) string {
	if rest, ok := strings.CutPrefix(doc, name+" "); ok {
		doc = "`" + names[name] + "` " + rest
	}
	doc = link.ReplaceAllStringFunc(doc, func(m string) string {
		if key, ok := names[m[1:len(m)-1]]; ok {
			return "`" + key + "`"
		}
		return m
	})
	var paragraphs []string
	for _, block := range new(comment.Parser).Parse(doc).Content {
		text := (&comment.Printer{}).Text(&comment.Doc{Content: []comment.Block{block}})
		paragraphs = append(paragraphs, strings.Join(strings.Fields(string(text)), " "))
	}
	return strings.ReplaceAll(strings.Join(paragraphs, "<br>"), "|", `\|`)
}

// parse finds the doc comments of all struct fields of the package that source
// belongs to: struct name → field name → text.
func parse(source string) (map[string]map[string]string, error) {
	if _, err := os.Stat(source); err != nil {
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(filepath.Dir(source), "*.go"))
	if err != nil {
		return nil, err
	}
	structs := map[string]map[string]string{}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") && name != source {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if spec, ok := n.(*ast.TypeSpec); ok {
				if s, ok := spec.Type.(*ast.StructType); ok {
					structs[spec.Name.Name] = fieldDocs(s)
				}
			}
			return true
		})
	}
	return structs, nil
}

// fieldDocs maps each field to its comment: the one above, else the one beside.
func fieldDocs(s *ast.StructType) map[string]string {
	docs := map[string]string{}
	for _, f := range s.Fields.List {
		text := strings.TrimSpace(f.Doc.Text())
		if text == "" {
			text = strings.TrimSpace(f.Comment.Text())
		}
		for _, name := range f.Names {
			docs[name.Name] = text
		}
	}
	return docs
}

// CheckFile fails t when the file at path is not what was made of its source, of
// which saying tells, such as "the help texts say". With UPDATE=1 in the
// environment it writes the file first.
func CheckFile(t testing.TB, path, made, saying string) {
	t.Helper()
	if os.Getenv("UPDATE") == "1" {
		if err := os.WriteFile(path, []byte(made), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if old, err := os.ReadFile(path); err != nil || string(old) != made {
		t.Errorf("%s is not what %s (%v); UPDATE=1 go test writes it", path, saying, err)
	}
}
