package opensearch

import (
	"fmt"
	"strings"
)

// MappingAdvice is the change of a mapping or setting that would make
// OpenSearch take documents that it refuses so, as a request; "" where none is
// known. index may be a pattern. New indices need the same in their template.
func MappingAdvice(class, reason, index string) string {
	c := understand(reason)
	mapping := func(definition string) string {
		return fmt.Sprintf("PUT /%s/_mapping %s (and the same in the index template)", index, properties(c.field, definition))
	}
	switch class {
	case "mapping_conflict":
		switch c.kind {
		case "long", "integer", "short", "byte", "unsigned_long", "float", "double", "half_float", "scaled_float", "ip", "date", "date_nanos", "geo_point":
			return mapping(fmt.Sprintf(`{"type":%q,"ignore_malformed":true}`, c.kind))
		case "":
			return ""
		case "object", "nested":
			return fmt.Sprintf(`map %s as {"type":"flat_object"} or {"enabled":false} in the index template of %s, or rename the field in the log type: it is an object in some records and a value in others`, c.field, index)
		}
		return fmt.Sprintf(`map %s as {"type":"keyword"} in the index template of %s, or as {"type":"flat_object"} if it may be an object, or rename the field in the log type`, c.field, index)
	case "field_too_long":
		if c.field != "" {
			return mapping(`{"type":"keyword","ignore_above":8191}`)
		}
	case "unmapped_field":
		if c.field != "" {
			return mapping(`{"type":"keyword"}`)
		}
	case "too_many_fields":
		return fmt.Sprintf(`PUT /%s/_settings {"index.mapping.total_fields.limit":2000}, or map a field with many names below it as {"type":"flat_object"}, and {"properties":{"overflow":{"type":"flat_object"},"siem":{"properties":{"repaired":{"type":"keyword"}}}}} so that what is too much finds a place`, index)
	case "too_deep":
		return fmt.Sprintf(`map the deep field as {"type":"flat_object"} in the index template of %s, or raise index.mapping.depth.limit (%d)`, index, c.limit)
	case "field_name":
		return "rename the field in the log type: a name must not be empty, nor begin or end with a dot"
	}
	return ""
}

// properties is the body that gives a field a definition.
func properties(field, definition string) string {
	parts := strings.Split(field, ".")
	var b strings.Builder
	for _, p := range parts {
		fmt.Fprintf(&b, `{"properties":{%q:`, p)
	}
	b.WriteString(definition)
	b.WriteString(strings.Repeat("}}", len(parts)))
	return b.String()
}
