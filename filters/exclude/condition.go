package exclude

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/jmespath-community/go-jmespath"
	"github.com/valyala/fastjson"
)

// condition is one JMESPath expression and what it does.
type condition struct {
	rule       string
	action     Action
	expression jmespath.JMESPath
}

// Condition is one JMESPath condition as somebody wrote it.
type Condition struct {
	// Rule is what it is called when it decided.
	Rule string
	// LogType is the log type that it concerns.
	LogType string
	// Action is COUNT, EXCLUDE or DISABLE, in letters of any size.
	Action string
	// Expression is JMESPath, evaluated on the finished document. A value that
	// is neither null, false, zero nor empty is a match.
	Expression string
}

// ParameterPath is where the original keeps conditions in Parameter Store.
const ParameterPath = "/siem/exclude-logs/"

// ParseParameter reads a condition as Parameter Store holds it below path: the
// name path<log type>/<name>, and as value
// {"action": "COUNT"|"EXCLUDE"|"DISABLE", "expression": "<JMESPath>"}.
func ParseParameter(path, name, value string) (Condition, error) {
	logType, rest, ok := strings.Cut(strings.TrimPrefix(name, path), "/")
	if !ok || logType == "" || rest == "" || !strings.HasPrefix(name, path) {
		return Condition{}, unused(name, errors.New("its name is not "+path+"<log type>/<name>"))
	}
	var v struct{ Action, Expression *string }
	if err := json.Unmarshal([]byte(value), &v); err != nil {
		return Condition{}, unused(name, fmt.Errorf("its value is not JSON: %w", err))
	}
	if v.Action == nil || v.Expression == nil {
		return Condition{}, unused(name, errors.New(`its value lacks "action" or "expression"`))
	}
	return Condition{Rule: name, LogType: logType, Action: *v.Action, Expression: *v.Expression}, nil
}

func unused(rule string, err error) error {
	return fmt.Errorf("exclusion condition %s is not used, what it would exclude is kept: %w", rule, err)
}

// LoadConditions makes rules of conditions, in their order.
func LoadConditions(list []Condition) (*Rules, []error) {
	r := &Rules{types: make(map[string]*TypeRules)}
	var problems []error
	for _, c := range list {
		if err := r.add(c); err != nil {
			problems = append(problems, unused(c.Rule, err))
		}
	}
	return r, problems
}

func (r *Rules) add(from Condition) error {
	c := condition{rule: from.Rule}
	switch strings.ToUpper(from.Action) {
	case "EXCLUDE":
		c.action = Exclude
	case "COUNT":
		c.action = Count
	case "DISABLE":
		return nil
	default:
		return fmt.Errorf("its action %q is none of COUNT, EXCLUDE, DISABLE", from.Action)
	}
	if from.LogType == "" {
		return errors.New("it names no log type")
	}
	var err error
	if c.expression, err = jmespath.Compile(quoteLiterals(from.Expression)); err != nil {
		return fmt.Errorf("its expression is not JMESPath: %w", err)
	}
	t := r.of(from.LogType)
	t.conditions = append(t.conditions, c)
	return nil
}

// match evaluates the expression; any value that Python takes for true is a
// match.
func (c *condition) match(document any) (match bool, err error) {
	defer func() { // a library that meets something unexpected must not take the agent with it
		if p := recover(); p != nil {
			match, err = false, fmt.Errorf("evaluating it panics: %v", p)
		}
	}()
	result, err := c.expression.Search(document)
	if err != nil {
		return false, err
	}
	switch v := result.(type) {
	case nil:
		return false, nil
	case bool:
		return v, nil
	case string:
		return v != "", nil
	case float64:
		return v != 0, nil
	case []any:
		return len(v) > 0, nil
	case map[string]any:
		return len(v) > 0, nil
	}
	return true, nil
}

// quoteLiterals makes JSON texts of literals that are none: `ListBuckets` is
// read as `"ListBuckets"`, as the original's library does. What stands in
// '…' and "…" is left alone.
func quoteLiterals(expression string) string {
	var out strings.Builder
	for i := 0; i < len(expression); {
		c := expression[i]
		end := i + 1
		if c == '`' || c == '\'' || c == '"' {
			for end < len(expression) && expression[end] != c {
				if expression[end] == '\\' {
					end++
				}
				end++
			}
			end = min(end+1, len(expression))
		}
		token := expression[i:end]
		i = end
		if c != '`' || len(token) < 2 || token[len(token)-1] != '`' {
			out.WriteString(token)
			continue
		}
		inner := token[1 : len(token)-1]
		if plain := strings.ReplaceAll(inner, "\\`", "`"); json.Valid([]byte(plain)) {
			out.WriteString(token)
		} else {
			out.WriteString("`\"" + strings.TrimLeft(inner, " \t\r\n") + "\"`")
		}
	}
	return out.String()
}

// tree turns a parsed document into what JMESPath walks.
func tree(v *fastjson.Value) any {
	switch v.Type() {
	case fastjson.TypeObject:
		o := v.GetObject()
		m := make(map[string]any, o.Len())
		o.Visit(func(key []byte, item *fastjson.Value) { m[string(key)] = tree(item) })
		return m
	case fastjson.TypeArray:
		items := v.GetArray()
		list := make([]any, len(items))
		for i, item := range items {
			list[i] = tree(item)
		}
		return list
	case fastjson.TypeString:
		return string(v.GetStringBytes())
	case fastjson.TypeNumber:
		return v.GetFloat64()
	case fastjson.TypeTrue:
		return true
	case fastjson.TypeFalse:
		return false
	}
	return nil
}
