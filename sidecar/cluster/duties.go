package cluster

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

// policies are those of index state management: one for each life cycle that
// has ages, and one for each index that rolls over.
func (m maker) policies() []Resource {
	var all []Resource
	for _, name := range slices.Sorted(maps.Keys(m.set.Lifecycle)) {
		l := m.set.lifecycle(name)
		if l.Warm+l.Cold+l.Delete == "" {
			continue
		}
		pattern, priority := name+"-*", 20
		if name == "default" {
			pattern, priority = "log-*", 10
		}
		all = append(all, m.policy(name, pattern, priority, nil, l, "min_index_age"))
	}
	for _, name := range m.rolled {
		l := m.set.lifecycle(name)
		rollover := object{"rollover": object{"min_primary_shard_size": l.RolloverSize, "min_index_age": l.RolloverAge}}
		all = append(all, m.policy(name+"-rollover", name+"-0*", 30, []any{rollover}, l, "min_rollover_age"))
	}
	return all
}

// policy is a chain of states: hot, warm, cold, delete, as far as there are ages.
func (m maker) policy(name, pattern string, priority int, hot []any, l Lifecycle, age string) Resource {
	if hot == nil {
		hot = []any{}
	}
	states := []any{}
	state := object{"name": "hot", "actions": hot, "transitions": []any{}}
	for _, next := range []struct {
		name, after string
		actions     []any
	}{
		{"warm", l.Warm, m.warm()}, {"cold", l.Cold, m.cold()}, {"delete", l.Delete, m.remove(l)},
	} {
		if next.after == "" {
			continue
		}
		state["transitions"] = []any{object{"state_name": next.name, "conditions": object{age: next.after}}}
		states = append(states, state)
		state = object{"name": next.name, "actions": next.actions, "transitions": []any{}}
	}
	states = append(states, state)
	return Resource{"ISM policy", m.name(name), object{"policy": object{
		"description":   "made by fluent-siem setup",
		"default_state": "hot",
		"states":        states,
		"ism_template":  []any{object{"index_patterns": []any{m.set.IndexPrefix + pattern}, "priority": priority}},
	}}}
}

// warm merges, and moves where there are nodes for it.
func (m maker) warm() []any {
	merge := object{"force_merge": object{"max_num_segments": 1}}
	if m.set.Tiers == "ultrawarm" {
		return []any{object{"warm_migration": object{}}} // merges by itself
	}
	return append([]any{merge}, m.allocate("warm")...)
}

func (m maker) cold() []any {
	if m.set.Tiers == "ultrawarm" {
		return []any{object{"cold_migration": object{"timestamp_field": "@timestamp"}}}
	}
	return m.allocate("cold")
}

func (m maker) allocate(tier string) []any {
	attribute, ok := strings.CutPrefix(m.set.Tiers, "attribute:")
	if !ok {
		return nil
	}
	return []any{object{"allocation": object{"require": object{attribute: tier}, "wait_for": false}}}
}

func (m maker) remove(l Lifecycle) []any {
	if l.Cold != "" && m.set.Tiers == "ultrawarm" {
		return []any{object{"cold_delete": object{}}}
	}
	return []any{object{"delete": object{}}}
}

// access are the roles and who has them. No role may do more than its duty: the
// loader writes, asks for what has an id and for mappings (late documents and
// repairs need that) and cannot search, the exporter sees sizes and writes the
// indexes of the sidecar, the reader reads.
func (m maker) access() []Resource {
	logs := m.patterns([]string{"log-*", "metrics-*", "siem-ledger-*"})
	read := m.patterns([]string{"log-*", "metrics-*", "siem-ledger-*", "siem-status-*"})
	roles := map[string]object{
		"loader": {
			"cluster_permissions": []any{"indices:data/write/bulk", "indices:data/read/mget"},
			"index_permissions": []any{object{"index_patterns": logs, "allowed_actions": []any{
				"indices:data/write/bulk*", "indices:data/write/index", "indices:admin/create", "indices:admin/mapping/put",
				"indices:data/read/mget*", "indices:admin/mappings/get",
			}}},
		},
		"exporter": {
			"cluster_permissions": []any{
				"cluster:monitor/main", "cluster:monitor/health", "cluster:monitor/state", "cluster:monitor/stats",
				"cluster:monitor/nodes/stats", "cluster:monitor/nodes/info", "cluster:monitor/shards", "indices:data/write/bulk",
			},
			"index_permissions": []any{
				object{"index_patterns": []any{"*"}, "allowed_actions": []any{"indices:monitor/settings/get", "indices:monitor/stats", "indices:monitor/shards"}},
				object{"index_patterns": m.patterns([]string{"metrics-opensearch-index-*", "siem-status-*"}), "allowed_actions": []any{
					"indices:data/write/bulk*", "indices:data/write/index", "indices:admin/create", "indices:admin/mapping/put",
				}},
			},
		},
		"reader": {
			"cluster_permissions": []any{"cluster_composite_ops_ro"},
			"index_permissions": []any{object{"index_patterns": read, "allowed_actions": []any{
				"read", "indices:admin/get", "indices:admin/mappings/get", "indices:admin/mappings/fields/get*", "indices:admin/resolve/index", "indices:monitor/settings/get",
			}}},
			"tenant_permissions": []any{object{"tenant_patterns": []any{"global_tenant"}, "allowed_actions": []any{"kibana_all_read"}}},
		},
	}
	var all []Resource
	for _, role := range roleNames {
		all = append(all, Resource{"role", m.name(role), roles[role]})
		g := m.set.Access[role]
		if len(g.Users)+len(g.BackendRoles)+len(g.Hosts) > 0 {
			all = append(all, Resource{"role mapping", m.name(role), object{
				"users": list(g.Users), "backend_roles": list(g.BackendRoles), "hosts": list(g.Hosts),
			}})
		}
	}
	return all
}

func list(all []string) []any {
	l := make([]any, len(all))
	for i, s := range all {
		l[i] = s
	}
	return l
}

// snapshots are a repository and a policy of snapshot management.
func (m maker) snapshots() []Resource {
	s := m.set.Snapshots
	if s == nil {
		return nil
	}
	settings := object{}
	for key, value := range s.Repository.Settings {
		settings[key] = value
	}
	repository := m.name("snapshots")
	zone := cmp.Or(s.Timezone, "UTC")
	cron := func(expression string) object {
		return object{"cron": object{"expression": expression, "timezone": zone}}
	}
	return []Resource{
		{"snapshot repository", repository, object{"type": s.Repository.Type, "settings": settings}},
		{"snapshot policy", repository, object{
			"description": "made by fluent-siem setup",
			"enabled":     true,
			"creation":    object{"schedule": cron(cmp.Or(s.Cron, "0 3 * * *")), "time_limit": "6h"},
			"deletion":    object{"schedule": cron("0 5 * * *"), "condition": object{"max_age": cmp.Or(s.Keep, "30d"), "min_count": 1}},
			"snapshot_config": object{
				"repository": repository, "indices": strings.Join([]string{m.set.IndexPrefix + "log-*", m.set.IndexPrefix + "metrics-*"}, ","),
				"ignore_unavailable": true, "include_global_state": false, "partial": true, "date_format": "yyyy-MM-dd-HH-mm",
			},
		}},
	}
}

// channel is where monitors and policies send what they have to say.
func (m maker) channel() []Resource {
	n := m.set.Notifications
	if n == nil {
		return nil
	}
	config := object{"name": m.name("alerts"), "description": "made by fluent-siem setup", "is_enabled": true}
	switch {
	case n.TopicARN != "":
		config["config_type"] = "sns"
		sns := object{"topic_arn": n.TopicARN}
		if n.RoleARN != "" {
			sns["role_arn"] = n.RoleARN
		}
		config["sns"] = sns
	default:
		config["config_type"] = "webhook"
		config["webhook"] = object{"url": n.Webhook}
	}
	return []Resource{{"notification channel", m.name("alerts"), object{"config": config}}}
}
