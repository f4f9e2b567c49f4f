package event

import "github.com/valyala/fastjson"

// AppendJSONValue appends a value as JSON (RFC 8259) without blanks. Texts and
// names are written by [AppendJSONString]: fastjson's own writer escapes control
// characters as Go does (\x11), which is no JSON. Numbers keep their text.
func AppendJSONValue(dst []byte, v *fastjson.Value) []byte {
	switch v.Type() {
	case fastjson.TypeObject:
		dst = append(dst, '{')
		first := true
		v.GetObject().Visit(func(k []byte, item *fastjson.Value) {
			if !first {
				dst = append(dst, ',')
			}
			first = false
			dst = append(AppendJSONString(dst, k), ':')
			dst = AppendJSONValue(dst, item)
		})
		return append(dst, '}')
	case fastjson.TypeArray:
		dst = append(dst, '[')
		for i, item := range v.GetArray() {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = AppendJSONValue(dst, item)
		}
		return append(dst, ']')
	case fastjson.TypeString:
		return AppendJSONString(dst, v.GetStringBytes())
	}
	return v.MarshalTo(dst) // true, false, null, a number
}
