// Package deadletter keeps what could not be stored, so that someone can look
// at it, repair the cause, and load it after all.
//
//	object → record → event → document
//	   └───────┴────────┴────────┴──▶ [Letter] ──▶ [Box] ──▶ replayed
//
// A [Box] is a local folder or s3://bucket/prefix/. Stages put letters in
// ([Box.Write]); people and the command line read them ([Box.Each]); a replay
// notes what became of each ([Box.Mark]).
//
// # Promises
//
//   - Write returns nil only when every letter is durable: synced to disk, or
//     answered by S3. After an error none of them counts.
//   - Whatever ends the process, each letter that was written is read again:
//     letters are written in batches that carry their length and checksum, a batch is
//     read whole or not at all, and damage costs the batches it touches.
//   - A folder stays below its limit. When it is full Write fails, and whoever
//     holds the record keeps it.
//   - Files are 0600, folders 0700; a file is written by one process only.
//   - A letter is never changed. A replay adds a [Mark] beside it.
//   - Files of before the batches (plain NDJSON) are read too.
//
// What it does not promise: that a letter is there once. A record whose verdict
// was lost with the process is kept again when its notification comes back.
//
// # Concurrency
//
// A Box may be shared; calls that wait for the same disk become one batch.
package deadletter

import (
	"encoding/hex"
	"encoding/json"
	"regexp"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/valyala/fastjson"
	"github.com/zeebo/xxh3"
)

// The outcomes of a letter: what its record or object was when it was put in.
const (
	Refused     = "dead-lettered" // a document that the cluster refused
	Unreadable  = "unreadable"    // a record that became no document
	Quarantined = "quarantined"   // an object that cannot be read, or not to its end
)

// Letter is one line: a document that the cluster refused, a record that became
// none, or an object that gave no more records, with all that is needed to
// understand, repair and replay it.
type Letter struct {
	Time      time.Time       `json:"time"`
	Class     string          `json:"class"`            // one of few words, as in the metric
	Outcome   string          `json:"outcome"`          // Refused, Unreadable or Quarantined
	Status    int             `json:"status,omitempty"` // of the bulk item or request
	Type      string          `json:"type,omitempty"`   // of OpenSearch's error
	Reason    string          `json:"reason"`
	Index     string          `json:"index,omitempty"`
	ID        string          `json:"id,omitempty"`
	Op        string          `json:"op,omitempty"`       // create or index
	Document  json.RawMessage `json:"document,omitempty"` // as sent
	Text      string          `json:"text,omitempty"`     // in place of Document when that is no valid JSON
	Msgpack   []byte          `json:"msgpack,omitempty"`  // base64 of the record, when there is nothing better
	Message   string          `json:"message,omitempty"`  // the record as it came
	Envelope  string          `json:"envelope,omitempty"` // what the record was wrapped in
	Bucket    string          `json:"bucket,omitempty"`
	Key       string          `json:"key,omitempty"`
	Version   string          `json:"version,omitempty"`
	Record    uint64          `json:"record,omitempty"` // position in the object, from 1
	LogType   string          `json:"log_type,omitempty"`
	Account   string          `json:"account,omitempty"`  // that the notification named
	Region    string          `json:"region,omitempty"`   // that the notification named
	Announced time.Time       `json:"announced,omitzero"` // when S3 announced the object
	Header    string          `json:"header,omitempty"`   // first line of the object, where it names columns
	Format    string          `json:"format,omitempty"`   // of the record, where it is not the log type's
	Tag       string          `json:"tag"`
	Attempts  int32           `json:"attempts"`           // requests it was in
	Software  string          `json:"software,omitempty"` // version of this program
	Object    uint64          `json:"-"`                  // lease.Object.ID; 0: no lease waits
}

// SetDocument stores the document, and takes from it what the lease may not
// know any more.
func (l *Letter) SetDocument(doc []byte) {
	v, err := fastjson.ParseBytes(doc)
	if err != nil || !json.Valid(doc) {
		l.Text = string(doc)
		return
	}
	l.Document = append(json.RawMessage(nil), doc...)
	text := func(into *string, key string) {
		if *into == "" {
			*into = string(v.GetStringBytes(key))
		}
	}
	text(&l.Message, "@message")
	text(&l.Bucket, "@log_s3bucket")
	text(&l.Key, "@log_s3key")
	text(&l.LogType, "@log_type")
}

// Software is the version of this program, as the build knows it.
var Software = sync.OnceValue(func() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	version := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && (version == "" || version == "(devel)") {
			version = s.Value[:min(12, len(s.Value))]
		}
	}
	return version
})

// Mark says what became of a letter when it was replayed.
type Mark struct {
	Letter   string    `json:"letter"` // [Entry.ID]
	Time     time.Time `json:"time"`
	Outcome  string    `json:"outcome"`          // stored, duplicate, excluded; or as in Letter: it stays
	Records  uint64    `json:"records"`          // read for it: 1, or those of the object
	Class    string    `json:"class,omitempty"`  // of the new refusal
	Reason   string    `json:"reason,omitempty"` // of the new refusal
	Index    string    `json:"index,omitempty"`  // of the new refusal
	Software string    `json:"software,omitempty"`
}

// Closes reports whether the letter needs no more work.
func (m Mark) Closes() bool {
	switch m.Outcome {
	case Refused, Unreadable, Quarantined:
		return false
	}
	return true
}

// idOf is the id of a letter: a hash of its line.
func idOf(line []byte) string {
	sum := xxh3.Hash128(line).Bytes()
	return hex.EncodeToString(sum[:])
}

// Signature is what letters with the same cause have in common.
type Signature struct {
	Class   string `json:"class"`
	Reason  string `json:"reason"` // without what differs from record to record
	Index   string `json:"index"`  // without its date
	LogType string `json:"log_type"`
}

var (
	quoted   = regexp.MustCompile(`'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"`)
	preview  = regexp.MustCompile(`(?s)Preview of field's value: .*`)
	hexes    = regexp.MustCompile(`\b[0-9a-fA-F-]{16,}\b`)
	digits   = regexp.MustCompile(`[0-9]+`)
	dateTail = regexp.MustCompile(`(-[0-9]+)+$`)
	spaces   = regexp.MustCompile(`\s+`)
)

// longestReason bounds a normalised reason, in bytes.
const longestReason = 300

// SignatureOf takes from a refusal what differs from record to record: quoted
// values, numbers, ids, and the date in the index's name.
func SignatureOf(class, reason, index, logType string) Signature {
	reason = preview.ReplaceAllString(reason, "")
	reason = quoted.ReplaceAllString(reason, "…")
	reason = hexes.ReplaceAllString(reason, "…")
	reason = digits.ReplaceAllString(reason, "N")
	reason = strings.TrimRight(spaces.ReplaceAllString(reason, " "), " :.")
	if len(reason) > longestReason {
		reason = strings.ToValidUTF8(reason[:longestReason], "") + "…"
	}
	if dateTail.MatchString(index) {
		index = dateTail.ReplaceAllString(index, "-*")
	}
	return Signature{class, reason, index, logType}
}

// Key is a short name for s, to be written on a command line.
func (s Signature) Key() string {
	sum := xxh3.HashString128(s.Class + "\x00" + s.Reason + "\x00" + s.Index + "\x00" + s.LogType).Bytes()
	return hex.EncodeToString(sum[:4])
}
