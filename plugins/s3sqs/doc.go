// Package s3sqs is the input: it receives notifications of S3 objects from SQS
// queues, fetches the objects, and hands their records to the host. It is the
// first step of the pipeline:
//
//	object → record → event → document
//	─────────────────
//
// A queue's receivers ([Input.Run]) take messages; a message becomes a hold
// (hold.go: our claim on it, kept alive by a heartbeat) and a [lease.Lease] (its
// books). Which of the messages that are held is read next is a question of age and
// log type (lanes.go). The objects it names (notification.go) are fetched (fetch.go), cut
// into records by the package split, and buffered by log type (buffer.go) for
// the [Sink], which is the host. When every record has its verdict the message
// is deleted; whatever goes wrong before that, it is given back.
//
// # Promises
//
//   - A message is deleted only when every record of every object in it has a
//     verdict (acknowledge: indexed) or is with the host (acknowledge: queued).
//   - A message whose shape is unknown is never deleted: it is given back, and
//     the queue's redrive policy decides.
//   - Fresh objects of the types in priority do not wait behind others, and nothing
//     waits for ever.
//   - Bytes of records without a verdict stay below memory_limit. An object is
//     never held: it streams through buffers of some hundred kilobytes.
//   - What an object's content does wrong (cut off, a bomb, no JSON) costs that
//     object's bad records and nothing else; what the service does wrong (denied,
//     throttled, connection lost) costs time: the object comes again.
//   - An object or record that is not loaded is counted under its reason, and a
//     log line says what became of the data and what to do.
//   - Run starts with whatever is wrong with network, credentials and queues, says
//     so in health, and works as soon as it is repaired.
//
// # Verdicts with acknowledge: queued
//
// For pipelines that end elsewhere nobody gives verdicts, so the message is
// deleted when the host has taken the last record. The records still carry their
// origin, and the lease stays open for lookups by our filter until it has all
// verdicts or none came for lease_timeout; it holds no credit then. What the host
// drops later is lost.
//
// # Concurrency
//
// An Input is run once at a time; Pause and Resume may be called from anywhere.
package s3sqs
