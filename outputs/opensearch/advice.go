package opensearch

// MappingAdvice is the change of a mapping that would make OpenSearch take
// documents that it refuses so; "" where none is known. index may be a pattern.
func MappingAdvice(class, reason, index string) string { return "" }
