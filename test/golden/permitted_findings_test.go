package golden

import (
	"reflect"
	"strings"
)

var findings = []permitted{
	{"guardduty", `service\.action\..*(geoLocation\.l(at|on)|portProbeDetails)`, "GeoIP does not overwrite the location in the record itself", ownLocation},
	{"guardduty", `severitylabel|event\.category|Threat\w+|ResourceTypeAffected|DetectionMechanism|Artifact|network(\.direction)?`, "a severity above 8.9 is critical, and the other steps go on", gaveUp},
	{"guardduty", `cloud\.(account\.id|region)`, "what one finding was wrapped in does not count for the next one", leaked},
	{"guardduty", `destination(\.port)?`, "the port that was probed", only("port")},
	{"guardduty", `(source|destination)\.geo(\.(city|country)_name)?`, "the finding's city and country are kept where GeoIP knows none", only("city_name country_name")},
	{"securityhub", `_id|@timestamp|event\.(module|category)|rule\.(name|id)|consolidated_\w+|network(\.direction)?|Threat\w+|ResourceTypeAffected|cloud\.instance(\.id)?|user(\..*)?|related(\..*)?`, "a finding without ProductName or Workflow gets its id and name like all others", gaveUp},
	{"config-history config-snapshot", `cloud\.instance(\.id)?|user(\..*)?|related(\.\w+)?|configuration\.(owner|state|status)_\w+`, "an item without a configuration or an address still gets the other steps", gaveUp},
}

// ownLocation: nothing but geographic locations differ.
func ownLocation(_ goldenCase, want, got any) bool {
	_, isNumber := want.(float64)
	return isNumber || reflect.DeepEqual(withoutLocation(want), withoutLocation(got))
}

func withoutLocation(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, item := range v {
			if k != "geoLocation" {
				out[k] = withoutLocation(item)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = withoutLocation(v[i])
		}
		return out
	}
	return v
}

// leaked: the case says that an envelope leaked to a record that had none.
func leaked(c goldenCase, _, _ any) bool { return strings.Contains(c.Defect, "leaks to the second") }
