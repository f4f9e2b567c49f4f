package cluster

import (
	"encoding/json"
	"maps"
	"net/url"
)

// kind is how the API of one kind of resource is used.
type kind struct {
	path string // the name follows
	// all: GET path, without the name, answers for all of them.
	all bool
	// current takes what there is out of the answer to GET path; nil when the
	// answer says that there is nothing.
	current func(name string, answer object) object
	// put is the request that makes or replaces; there is the answer to GET, nil
	// when there is nothing.
	put func(r Resource, path string, there object) (method, to string, body any)
	// remove is the request that deletes. nil: DELETE path.
	remove func(r Resource, path string) (method, to string, body any)
	// fixed: what is there is never replaced.
	fixed bool
	// lacks says why a cluster cannot have it, "" when it can.
	lacks func(Resource, Features) string
}

func (k kind) pathOf(name string) string {
	if k.all {
		return k.path
	}
	return k.path + url.PathEscape(name)
}

func noISM(_ Resource, f Features) string {
	if !f.ISM {
		return "the cluster has no index state management"
	}
	return ""
}

func noSecurity(_ Resource, f Features) string {
	switch {
	case f.Serverless:
		return "Serverless has no roles of its own: write data access policies"
	case !f.Security:
		return "the cluster has no security plugin"
	}
	return ""
}

func notServerless(_ Resource, f Features) string {
	if f.Serverless {
		return "Serverless has none"
	}
	return ""
}

func put(r Resource, path string, _ object) (string, string, any) { return "PUT", path, r.Body }

// bySequence replaces only what was looked at.
func bySequence(create string) func(Resource, string, object) (string, string, any) {
	return func(r Resource, path string, there object) (string, string, any) {
		if there == nil {
			return create, path, r.Body
		}
		q := url.Values{"if_seq_no": {text(there["_seq_no"])}, "if_primary_term": {text(there["_primary_term"])}}
		return "PUT", path + "?" + q.Encode(), r.Body
	}
}

// kinds are all kinds of resources.
var kinds = map[string]kind{
	"component template": {
		path:    "/_component_template/",
		current: func(_ string, a object) object { return first(a["component_templates"], "component_template") },
		put:     put,
	},
	"index template": {
		path:    "/_index_template/",
		current: func(_ string, a object) object { return first(a["index_templates"], "index_template") },
		put:     put,
	},
	"ISM policy": {
		path: "/_plugins/_ism/policies/",
		current: func(_ string, a object) object {
			return object{"policy": without(a["policy"], "policy_id", "last_updated_time", "schema_version", "error_notification")}
		},
		put:   bySequence("PUT"),
		lacks: noISM,
	},
	"role": {
		path:    "/_plugins/_security/api/roles/",
		current: func(name string, a object) object { return without(a[name], "reserved", "hidden", "static") },
		put:     put,
		lacks:   noSecurity,
	},
	"role mapping": {
		path:    "/_plugins/_security/api/rolesmapping/",
		current: func(name string, a object) object { return without(a[name], "reserved", "hidden", "static") },
		put:     put,
		lacks:   noSecurity,
	},
	"snapshot repository": {
		path:    "/_snapshot/",
		current: func(name string, a object) object { return without(a[name], "uuid") },
		put:     put,
		lacks:   notServerless,
	},
	"snapshot policy": {
		path: "/_plugins/_sm/policies/",
		current: func(_ string, a object) object {
			return without(a["sm_policy"], "name", "last_updated_time", "schema_version", "enabled_time", "schedule")
		},
		put:   bySequence("POST"),
		lacks: noISM,
	},
	"notification channel": {
		path: "/_plugins/_notifications/configs/",
		current: func(_ string, a object) object {
			if config := first(a["config_list"], "config"); config != nil {
				return object{"config": config}
			}
			return nil
		},
		put: func(r Resource, path string, there object) (string, string, any) {
			if there != nil {
				return "PUT", path, r.Body
			}
			body := maps.Clone(r.Body)
			body["config_id"] = r.Name
			return "POST", "/_plugins/_notifications/configs/", body
		},
		lacks: func(_ Resource, f Features) string {
			if !f.Channels {
				return "the cluster has no notifications plugin"
			}
			return ""
		},
	},
	"cluster setting": {
		path: "/_cluster/settings?flat_settings=true&filter_path=persistent",
		all:  true,
		current: func(name string, a object) object {
			persistent, _ := a["persistent"].(object)
			if value, ok := persistent[name]; ok {
				return object{"value": value}
			}
			return nil
		},
		put: func(r Resource, _ string, _ object) (string, string, any) {
			return "PUT", "/_cluster/settings", object{"persistent": object{r.Name: r.Body["value"]}}
		},
		remove: func(r Resource, _ string) (string, string, any) {
			return "PUT", "/_cluster/settings", object{"persistent": object{r.Name: nil}}
		},
		lacks: func(r Resource, f Features) string {
			switch {
			case f.Serverless:
				return "Serverless has no settings of the cluster"
			case !f.Alerting && len(r.Name) > 17 && r.Name[:17] == "plugins.alerting.":
				return "the cluster has no alerting plugin"
			}
			return ""
		},
	},
	"rollover index": {
		path: "/_alias/",
		current: func(name string, a object) object {
			for _, index := range a { // the alias, whatever index is behind it now
				aliases, _ := index.(object)["aliases"].(object)
				if aliases[name] != nil {
					return object{"alias": name}
				}
			}
			return nil
		},
		put: func(r Resource, _ string, _ object) (string, string, any) {
			return "PUT", "/" + url.PathEscape(r.Name) + "-000001", r.Body
		},
		fixed: true,
		lacks: notServerless,
	},
}

// first is the value of key in the first object of a list.
func first(list any, key string) object {
	all, _ := list.([]any)
	if len(all) == 0 {
		return nil
	}
	item, _ := all[0].(object)
	value, _ := item[key].(object)
	return value
}

// without is an object without what changes by itself; nil when v is none.
func without(v any, keys ...string) object {
	o, ok := v.(object)
	if !ok {
		return nil
	}
	o = maps.Clone(o)
	for _, key := range keys {
		delete(o, key)
	}
	return o
}

// text is a number or text of JSON as it was written.
func text(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	b, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(b)
}
