package opensearch

import (
	"net/http"
	"strings"
)

// Verdict is what the cluster's answer means for one document.
type Verdict uint8

// The verdicts. Stored, Duplicate and Rejected are final.
const (
	Stored    Verdict = iota // the cluster has it
	Duplicate                // the cluster had it before
	Rejected                 // refused for what it is: a dead letter
	Busy                     // not now: sent again soon
	Held                     // not before somebody repairs something: kept, tried slowly
	Split                    // only for whole requests: send the halves
	Repaired                 // refused and changed so that it fits: sent again at once
	Moved                    // its index takes none any more: sent to a neighbour at once
)

var verdictNames = [...]string{"stored", "duplicate", "dead-lettered", "busy", "held", "split", "repaired", "moved"}

func (v Verdict) String() string { return verdictNames[v] }

// Final reports whether the document needs no further work.
func (v Verdict) Final() bool { return v <= Rejected }

// ruling is a verdict with its reason: Class is one of few words, fit for a
// metric; Advice says what to do, if anything.
type ruling struct {
	Verdict Verdict
	Class   string
	Advice  string
}

// A rule matches when each of its non-zero parts does. Text is looked for in
// the reason.
type rule struct {
	from, to int    // status, inclusive
	kind     string // type of the error
	text     string
	ruling
}

// itemRules is the one place that knows what the status of a bulk item means;
// the first match counts. What nobody recognises is sent again: losing data
// takes a decision, not an accident.
var itemRules = []rule{
	{200, 299, "", "", ruling{Stored, "stored", ""}},

	{0, 599, "cluster_block_exception", "flood-stage", ruling{Held, "disk_full",
		"free disk space or add nodes: OpenSearch lifts the block by itself"}},
	{0, 599, "cluster_block_exception", "read-only / allow delete", ruling{Held, "disk_full",
		"free disk space or add nodes: OpenSearch lifts the block by itself"}},
	{0, 599, "cluster_block_exception", "FORBIDDEN", ruling{Held, "index_blocked",
		"remove index.blocks.write and index.blocks.read_only from the index, or the block from the cluster"}},
	{0, 599, "cluster_block_exception", "", ruling{Busy, "cluster_blocked", ""}},
	{0, 599, "index_closed_exception", "", ruling{Held, "index_closed", "open the index, or delete it so that a new one is made"}},
	{400, 400, "validation_exception", "shards open", ruling{Held, "too_many_shards",
		"delete old indices or raise cluster.max_shards_per_node: the index cannot be made"}},
	{400, 400, "illegal_argument_exception", "no write index is defined", ruling{Held, "alias_without_write_index",
		"set is_write_index on one index of the alias"}},
	{400, 400, "", "ocument ID is not supported", ruling{Held, "ids_refused",
		"write collection: timeseries for this output, and restart"}},

	{http.StatusConflict, http.StatusConflict, "", "", ruling{Duplicate, "duplicate", ""}}, // for create; see itemRuling
	{http.StatusTooManyRequests, http.StatusTooManyRequests, "", "", ruling{Busy, "too_many_requests", ""}},
	{http.StatusRequestTimeout, http.StatusRequestTimeout, "", "", ruling{Busy, "timeout", ""}},
	{http.StatusUnauthorized, http.StatusUnauthorized, "", "", ruling{Held, "unauthorized", adviceLogin}},
	{http.StatusForbidden, http.StatusForbidden, "", "", ruling{Held, "forbidden",
		"let our user write to the index: it needs indices:data/write/bulk*, indices:data/write/index and, for new indices, indices:admin/create"}},
	{http.StatusNotFound, http.StatusNotFound, "", "", ruling{Held, "index_missing",
		"create the index or its template, or allow it in action.auto_create_index"}},

	{400, 499, "", "Limit of total fields", ruling{Rejected, "too_many_fields", adviceReplay}},
	{400, 499, "", "immense term", ruling{Rejected, "field_too_long", adviceReplay}},
	{400, 499, "", "depth of the field has exceeded", ruling{Rejected, "too_deep", adviceReplay}},
	{400, 499, "", "Limit of mapping depth", ruling{Rejected, "too_deep", adviceReplay}},
	{400, 499, "", "field name cannot be an empty string", ruling{Rejected, "field_name", adviceReplay}},
	{400, 499, "", "makes object resolution ambiguous", ruling{Rejected, "field_name", adviceReplay}},
	{400, 499, "", "cannot be changed from type", ruling{Rejected, "mapping_conflict", adviceReplay}},
	{400, 499, "", "can't merge a non object mapping", ruling{Rejected, "mapping_conflict", adviceReplay}},
	{400, 499, "mapper_parsing_exception", "", ruling{Rejected, "mapping_conflict", adviceReplay}},
	{400, 499, "strict_dynamic_mapping_exception", "", ruling{Rejected, "unmapped_field", adviceReplay}},
	{400, 499, "illegal_argument_exception", "", ruling{Rejected, "illegal_argument", adviceReplay}},
	{400, 499, "invalid_index_name_exception", "", ruling{Rejected, "invalid_index_name", adviceReplay}},
	{413, 413, "", "", ruling{Rejected, "too_large", adviceReplay}},
	{400, 499, "", "", ruling{Rejected, "refused", adviceReplay}},

	{500, 599, "", "", ruling{Busy, "server_error", ""}},
	{0, 1 << 30, "", "", ruling{Busy, "unknown_status", ""}},
}

// requestRules is the same for a status that is the answer to a whole request.
var requestRules = []rule{
	{413, 413, "", "", ruling{Split, "too_large", "raise http.max_content_length or the limit of the proxy in between"}},
	// One id that is too long, one malformed action, and OpenSearch refuses them all: find the one.
	{400, 400, "", "ocument ID is not supported", ruling{Held, "ids_refused", "write collection: timeseries for this output, and restart"}},
	{400, 400, "", "", ruling{Split, "refused", adviceReplay}},
	{401, 401, "", "", ruling{Held, "unauthorized", adviceLogin}},
	{403, 403, "cluster_block_exception", "", ruling{Held, "cluster_blocked", "remove cluster.blocks.* from the cluster"}},
	{403, 403, "", "", ruling{Held, "forbidden",
		"let our user send bulk requests: it needs the cluster permission indices:data/write/bulk, on AWS es:ESHttpPost or aoss:APIAccessAll and a role mapping or data access policy"}},
	{404, 404, "", "", ruling{Held, "no_bulk_api", "correct the setting endpoint: nothing there accepts bulk requests"}},
	{408, 408, "", "", ruling{Busy, "timeout", ""}},
	{429, 429, "cluster_block_exception", "", ruling{Held, "disk_full", "free disk space or add nodes: OpenSearch lifts the block by itself"}},
	{429, 429, "", "", ruling{Busy, "too_many_requests", ""}},
	{300, 499, "", "", ruling{Held, "not_opensearch", "correct the setting endpoint: what answers there is not OpenSearch"}},
	{500, 599, "", "", ruling{Busy, "server_error", ""}},
	{0, 1 << 30, "", "", ruling{Busy, "unknown_status", ""}},
}

const (
	adviceLogin  = "correct username and password_file, or the AWS credentials: the cluster does not know us"
	adviceReplay = "correct mapping or log type, then replay the dead letters"
)

// itemRuling judges one item. create tells whether its action was create: only
// then does a conflict mean that the document is there already.
func itemRuling(status int, kind, reason string, create bool) ruling {
	r := find(itemRules, status, kind, reason)
	if r.Verdict == Duplicate && !create {
		return ruling{Rejected, "version_conflict", adviceReplay}
	}
	return r
}

// requestRuling judges a request that was refused as a whole.
func requestRuling(status int, kind, reason string) ruling {
	return find(requestRules, status, kind, reason)
}

func find(rules []rule, status int, kind, reason string) ruling {
	for i := range rules {
		r := &rules[i]
		if status >= r.from && status <= r.to && (r.kind == "" || r.kind == kind) &&
			(r.text == "" || strings.Contains(reason, r.text)) {
			return r.ruling
		}
	}
	return ruling{Busy, "unknown_status", ""} // not reached but by a negative status
}
