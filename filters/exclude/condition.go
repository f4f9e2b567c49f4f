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

const parameterPath = "/siem/exclude-logs/"

func (r *Rules) loadParameter(p Parameter) error {
	logType, name, ok := strings.Cut(strings.TrimPrefix(p.Name, parameterPath), "/")
	if !ok || logType == "" || name == "" || !strings.HasPrefix(p.Name, parameterPath) {
		return errors.New("its name is not " + parameterPath + "<log type>/<name>")
	}
	var value struct{ Action, Expression *string }
	if err := json.Unmarshal([]byte(p.Value), &value); err != nil {
		return fmt.Errorf("its value is not JSON: %w", err)
	}
	if value.Action == nil || value.Expression == nil {
		return errors.New(`its value lacks "action" or "expression"`)
	}
	c := condition{rule: p.Name}
	switch strings.ToUpper(*value.Action) {
	case "EXCLUDE":
		c.action = Exclude
	case "COUNT":
		c.action = Count
	case "DISABLE":
		return nil
	default:
		return fmt.Errorf("its action %q is none of COUNT, EXCLUDE, DISABLE", *value.Action)
	}
	var err error
	if c.expression, err = jmespath.Compile(quoteLiterals(*value.Expression)); err != nil {
		return fmt.Errorf("its expression is not JMESPath: %w", err)
	}
	t := r.of(logType)
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
