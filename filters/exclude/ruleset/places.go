package ruleset

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/fluent-siem/fluent-siem/filters/exclude"
	"github.com/fluent-siem/fluent-siem/internal/follow"
)

// places makes the list of places that are named.
func (cfg Config) places() ([]*place, error) {
	var list []*place
	if cfg.Patterns != "" {
		list = append(list, &place{
			name: "exclude_file " + cfg.Patterns, dir: filepath.Dir(cfg.Patterns),
			fetch: func(context.Context) ([]text, error) { return readFiles(cfg.Patterns) },
			parse: parseTexts,
		})
	}
	if cfg.Conditions != "" {
		at := &place{name: "exclude_conditions " + cfg.Conditions, dir: filepath.Dir(cfg.Conditions), parse: parseTexts}
		if info, err := os.Stat(cfg.Conditions); err == nil && info.IsDir() {
			at.dir = cfg.Conditions
		}
		at.fetch = func(context.Context) ([]text, error) { return readConditionFiles(cfg.Conditions) }
		list = append(list, at)
	}
	if len(cfg.S3) == 0 && cfg.Parameters == "" {
		return list, nil
	}
	cloud, err := newClients(cfg.AWS)
	if err != nil {
		return nil, err
	}
	for _, url := range cfg.S3 {
		bucket, key, err := ParseURL(url)
		if err != nil {
			return nil, err
		}
		list = append(list, &place{
			name:  "exclude_s3 " + url,
			fetch: func(ctx context.Context) ([]text, error) { return cloud.object(ctx, bucket, key) },
			parse: parseTexts,
		})
	}
	if cfg.Parameters != "" {
		path := strings.TrimSuffix(cfg.Parameters, "/") + "/"
		list = append(list, &place{
			name:  "exclude_parameters " + path,
			fetch: func(ctx context.Context) ([]text, error) { return cloud.parameters(ctx, path) },
			parse: func(texts []text) (*exclude.Rules, []error) { return parseParameters(path, texts) },
		})
	}
	return list, nil
}

// ParseURL takes s3://bucket/key apart.
func ParseURL(url string) (bucket, key string, err error) {
	bucket, key, ok := strings.Cut(strings.TrimPrefix(url, "s3://"), "/")
	if !ok || bucket == "" || key == "" || !strings.HasPrefix(url, "s3://") {
		return "", "", fmt.Errorf("%q is no object; write it like s3://bucket/exclude_log_patterns.csv", url)
	}
	return bucket, key, nil
}

// conditionFile says whether a name is that of a file of conditions.
func conditionFile(name string) bool {
	return slices.Contains([]string{".yaml", ".yml", ".json"}, strings.ToLower(filepath.Ext(name)))
}

// parseTexts makes rules of files: conditions by their ending, else patterns.
func parseTexts(texts []text) (*exclude.Rules, []error) {
	var sets []*exclude.Rules
	var problems []error
	for _, t := range texts {
		var set *exclude.Rules
		var bad []error
		if conditionFile(t.name) {
			set, bad = parseConditions(t)
		} else {
			set, bad = exclude.LoadPatterns(t.name, t.data)
		}
		sets, problems = append(sets, set), append(problems, bad...)
	}
	return exclude.Join(sets...), problems
}

func parseParameters(path string, texts []text) (*exclude.Rules, []error) {
	var list []exclude.Condition
	var problems []error
	for _, t := range texts {
		c, err := exclude.ParseParameter(path, t.name, string(t.data))
		if err != nil {
			problems = append(problems, err)
			continue
		}
		list = append(list, c)
	}
	rules, more := exclude.LoadConditions(list)
	return rules, append(problems, more...)
}

// written is a condition in a file.
type written struct {
	LogType    string `yaml:"log_type"`
	Name       string `yaml:"name"`
	Action     string `yaml:"action"`
	Expression string `yaml:"expression"`
	Comment    string `yaml:"comment"`
}

// parseConditions reads a YAML or JSON list of conditions, or what
// `aws ssm get-parameters-by-path` printed.
func parseConditions(t text) (*exclude.Rules, []error) {
	var printed struct {
		Parameters []struct {
			Name  string `yaml:"Name"`
			Value string `yaml:"Value"`
		} `yaml:"Parameters"`
	}
	if err := yaml.Unmarshal(t.data, &printed); err == nil && len(printed.Parameters) > 0 {
		texts := make([]text, len(printed.Parameters))
		for i, p := range printed.Parameters {
			texts[i] = text{p.Name, []byte(p.Value)}
		}
		return parseParameters(exclude.ParameterPath, texts)
	}
	var list []written
	if err := yaml.UnmarshalWithOptions(t.data, &list, yaml.DisallowUnknownField()); err != nil {
		return exclude.Join(), []error{fmt.Errorf("%s is no list of conditions, each with log_type, name, action and expression; nothing is excluded by it: %w", t.name, err)}
	}
	conditions := make([]exclude.Condition, len(list))
	for i, w := range list {
		name := w.Name
		if name == "" {
			name = fmt.Sprint("condition ", i+1)
		}
		if w.Action == "" {
			w.Action = "EXCLUDE"
		}
		conditions[i] = exclude.Condition{Rule: t.name + ": " + name, LogType: w.LogType, Action: w.Action, Expression: w.Expression}
	}
	return exclude.LoadConditions(conditions)
}

// readConditionFiles reads a file, or the files of conditions in a folder.
func readConditionFiles(path string) ([]text, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		if !conditionFile(path) {
			return nil, fmt.Errorf("%s does not end with .yaml, .yml or .json; rename it", path)
		}
		return readFiles(path)
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if conditionFile(e.Name()) && !e.IsDir() && !strings.HasPrefix(e.Name(), ".") {
			names = append(names, filepath.Join(path, e.Name()))
		}
	}
	return readFiles(names...)
}

// readFiles reads files as they are when nobody writes them.
func readFiles(names ...string) ([]text, error) {
	var list []text
	for _, name := range names {
		data, err := readFile(name)
		if err != nil {
			return nil, err
		}
		list = append(list, text{filepath.Base(name), data})
	}
	return list, nil
}

// errBusy: the next look tells.
var errBusy = errors.New("it was written while it was read")

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	before, err := f.Stat()
	if err != nil {
		return nil, err
	}
	data, err := readAll(f)
	if err != nil {
		return nil, &fs.PathError{Op: "read", Path: name, Err: err}
	}
	if after, err := os.Stat(name); err != nil || follow.Identify(name, after) != follow.Identify(name, before) {
		return nil, &fs.PathError{Op: "read", Path: name, Err: errBusy}
	}
	return data, nil
}

// readAll reads what may be a text of rules.
func readAll(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, sizeLimit+1))
	if err == nil && len(data) > sizeLimit {
		err = fmt.Errorf("it is longer than %d MB, too long for rules", sizeLimit>>20)
	}
	return data, err
}
