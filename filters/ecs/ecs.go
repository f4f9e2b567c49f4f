// Package ecs turns records into ECS documents. It is the pipeline's second
// step:
//
//	object → record → event → document
//	         ──────────────
//
// A [logtype.Type] is compiled into a plan: every ECS path that the type can
// set gets a slot, and a place in a tree of keys that were rendered beforehand.
// Converting a record fills slots; writing walks the record and the tree, and
// leaves out what is empty. The record itself is not copied: it is a JSON value
// in an arena, or a row of columns. A [Converter] does this for one goroutine,
// a [Filter] for the chunks of the host.
//
// # Promises
//
//   - A record becomes exactly one of: a document, an exclusion, an unreadable
//     record with its reason. Nothing is dropped without one.
//   - A document has the fields that the original loader gave it, but for what
//     the differences page lists.
//   - The same record of the same object gets the same id and index, whenever
//     and wherever it is converted.
//   - emit: record and emit: document give the same document: one walk writes
//     both.
//   - A text that is indexed is never longer than a keyword field takes
//     (32,766 bytes): it is cut on a character boundary and marked.
//
// # Concurrency
//
// An [Engine] may be shared. A Converter may not.
package ecs

import (
	"time"

	"github.com/fluent-siem/fluent-siem/filters/enrich"
	"github.com/fluent-siem/fluent-siem/filters/exclude"
	"github.com/fluent-siem/fluent-siem/filters/logtype"
)

// IDs says how documents are identified.
type IDs string

const (
	// Natural ids: the record's own, else a hash of where the record stands
	// (bucket, key, version, record number): two equal lines are two events.
	Natural IDs = "natural"
	// Content ids are those that the original loader gave: the record's own,
	// else the MD5 of its content. Two equal lines are one document.
	Content IDs = "content"
)

// Collection says what the documents are for.
type Collection string

const (
	Cluster    Collection = ""           // a cluster or managed domain
	Search     Collection = "search"     // a serverless collection of type search: no dates in index names
	TimeSeries Collection = "timeseries" // a serverless collection of type time series: no ids either
)

// TableVersions says which documents tell the tables they were made with.
type TableVersions string

const (
	OfMatches TableVersions = "matches" // those that an indicator matched
	OfAll     TableVersions = "all"
	OfNone    TableVersions = "none"
)

// Engine is what all converters share: how to convert, and with which tables.
type Engine struct {
	IDs        IDs
	Collection Collection
	Geo        *enrich.Geo               // nil: no GeoIP
	Agents     *enrich.Agents            // nil: user agents are not parsed
	Indicators func() *enrich.Indicators // those in use now; nil: no indicators
	Proxies    func() *enrich.Proxies    // those in use now; nil: no proxy is trusted
	Assets     func() *enrich.Assets     // those in use now; nil: no assets
	Rules      func() *exclude.Rules     // those in use now; nil: nothing is excluded but own logs
	// History has the tables of days past, for records of such days of objects that
	// were announced so, or of all if ByDay is set. nil: the newest tables count.
	History *enrich.History
	ByDay   bool
	// TableVersions says which documents tell the tables they were made with; those
	// made with a day's tables do. Empty: no others.
	TableVersions TableVersions
	// AddFields are optional steps for every type whose documents have what they need.
	AddFields []string
	// Trial keeps what the rules exclude; [Converter.Matched] tells.
	Trial bool
	// Now is the clock; nil means time.Now.
	Now func() time.Time

	close   []func() // of what the filter opened
	watched []watched
}

// Check reports whether a type can be compiled; for [logtype.Registry.AddCheck].
func Check(t *logtype.Type) error {
	_, err := compile(t, additions{})
	return err
}
