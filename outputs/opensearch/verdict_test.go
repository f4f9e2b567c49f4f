package opensearch

import "testing"

// The table, by what clusters say; the real ones are asked in real_test.go.
func TestItemRuling(t *testing.T) {
	for _, c := range []struct {
		status       int
		kind, reason string
		create       bool
		want         Verdict
		class        string
	}{
		{201, "", "", true, Stored, "stored"},
		{200, "", "", false, Stored, "stored"},
		{409, "version_conflict_engine_exception", "", true, Duplicate, "duplicate"},
		{409, "version_conflict_engine_exception", "", false, Rejected, "version_conflict"},
		{429, "es_rejected_execution_exception", "rejected execution", true, Busy, "too_many_requests"},
		{429, "circuit_breaking_exception", "[parent] Data too large", true, Busy, "too_many_requests"},
		{429, "cluster_block_exception", "index [x] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark, index has read-only-allow-delete block];", true, Held, "disk_full"},
		{403, "cluster_block_exception", "index [x] blocked by: [FORBIDDEN/8/index write (api)];", true, Held, "index_blocked"},
		{503, "cluster_block_exception", "blocked by: [SERVICE_UNAVAILABLE/1/state not recovered / initialized];", true, Busy, "cluster_blocked"},
		{503, "unavailable_shards_exception", "primary shard is not active", true, Busy, "server_error"},
		{500, "null_pointer_exception", "", true, Busy, "server_error"},
		{401, "", "", true, Held, "unauthorized"},
		{403, "security_exception", "no permissions for [indices:data/write/bulk[s]]", true, Held, "forbidden"},
		{404, "index_not_found_exception", "no such index [x]", true, Held, "index_missing"},
		{400, "index_closed_exception", "closed", true, Held, "index_closed"},
		{400, "validation_exception", "Validation Failed: 1: this action would add [2] total shards, but this cluster currently has [1000]/[1000] maximum shards open;", true, Held, "too_many_shards"},
		{400, "illegal_argument_exception", "no write index is defined for alias [x].", true, Held, "alias_without_write_index"},
		{400, "illegal_argument_exception", "Document ID is not supported in create/index operation request", true, Held, "ids_refused"},
		{400, "illegal_argument_exception", "Limit of total fields [1000] has been exceeded", true, Rejected, "too_many_fields"},
		{400, "illegal_argument_exception", "Document contains at least one immense term in field=\"k\"", true, Rejected, "field_too_long"},
		{400, "mapper_parsing_exception", "failed to parse: The depth of the field has exceeded the allowed limit of [3].", true, Rejected, "too_deep"},
		{400, "mapper_parsing_exception", "failed to parse: field name cannot be an empty string", true, Rejected, "field_name"},
		{400, "illegal_argument_exception", "mapper [x] cannot be changed from type [long] to [text]", true, Rejected, "mapping_conflict"},
		{400, "mapper_parsing_exception", "failed to parse", true, Rejected, "mapping_conflict"},
		{400, "strict_dynamic_mapping_exception", "", true, Rejected, "unmapped_field"},
		{400, "illegal_argument_exception", "mapper [x] cannot be changed", true, Rejected, "illegal_argument"},
		{400, "invalid_index_name_exception", "", true, Rejected, "invalid_index_name"},
		{413, "", "", true, Rejected, "too_large"},
		{418, "teapot", "", true, Rejected, "refused"},
		{0, "", "", true, Busy, "unknown_status"},
		{302, "", "", true, Busy, "unknown_status"},
		{777, "", "", true, Busy, "unknown_status"},
		{-1, "", "", true, Busy, "unknown_status"},
	} {
		if got := itemRuling(c.status, c.kind, c.reason, c.create); got.Verdict != c.want || got.Class != c.class {
			t.Errorf("%d %s %q create=%v: %v %s, want %v %s", c.status, c.kind, c.reason, c.create, got.Verdict, got.Class, c.want, c.class)
		}
	}
}

func TestRequestRuling(t *testing.T) {
	for _, c := range []struct {
		status int
		kind   string
		reason string
		want   Verdict
		class  string
	}{
		{413, "", "", Split, "too_large"},
		{400, "action_request_validation_exception", "id is too long", Split, "refused"},
		{400, "", "Document ID is not supported in create/index operation request", Held, "ids_refused"},
		{401, "", "", Held, "unauthorized"},
		{403, "security_exception", "", Held, "forbidden"},
		{403, "cluster_block_exception", "", Held, "cluster_blocked"},
		{404, "", "", Held, "no_bulk_api"},
		{405, "", "", Held, "not_opensearch"},
		{301, "", "", Held, "not_opensearch"},
		{408, "", "", Busy, "timeout"},
		{429, "", "", Busy, "too_many_requests"},
		{500, "", "", Busy, "server_error"},
		{502, "", "", Busy, "server_error"},
		{503, "", "", Busy, "server_error"},
		{0, "", "", Busy, "unknown_status"},
		{999, "", "", Busy, "unknown_status"},
	} {
		if got := requestRuling(c.status, c.kind, c.reason); got.Verdict != c.want || got.Class != c.class {
			t.Errorf("%d %s: %v %s, want %v %s", c.status, c.kind, got.Verdict, got.Class, c.want, c.class)
		}
	}
}

// Whoever has to repair something is told what.
func TestEveryHoldHasAdvice(t *testing.T) {
	for _, rules := range [][]rule{itemRules, requestRules} {
		for _, r := range rules {
			if (r.Verdict == Held || r.Verdict == Rejected) && r.Advice == "" {
				t.Errorf("%s has no advice", r.Class)
			}
		}
	}
}
