// Package enrich adds to an event what its record does not say: where an
// address is and whose it is ([Geo]), which program made the request
// ([Agents]), whether an indicator of compromise names it ([Indicators]),
// who stood behind the proxies ([Proxies]), and what the operator's own tables
// know ([Assets]). [History] has tables of days past.
//
//	object → record → event → document
//	                  ─────
//
// Tables are files that somebody else refreshes (the sidecar, a cron job, an
// operator): this package finds them, tries them, and swaps them in while
// events flow. It never downloads.
//
// # Promises
//
//   - A missing, half-written or corrupt file costs enrichment, never an event
//     and never the process: it is refused, said once, and the table before it
//     stays in use.
//   - No result is made of half a table: everything in one [Fragment] comes
//     from one [GeoTables]; [Assets] change all at once.
//   - Readers never wait: a look-up takes one atomic load to learn that
//     nothing changed, and a table is unmapped only when no reader can hold it.
//     Only the first record of a day past waits, until its tables are read.
//   - A file may be replaced, truncated or deleted while it is in use: tables
//     are read into memory of their own, outside the Go heap, and do not
//     depend on the file afterwards.
//   - Memory is bounded: the tables themselves, and caches of fixed size.
//
// # Concurrency
//
// Geo, Agents, Indicators, Proxies, Assets and History may be shared. A
// GeoReader, AgentReader or Matches may not: each goroutine takes its own.
//
// # What it does not promise
//
// That a table is right, only that it can be read: [Geo] tries some thousand
// look-ups on a new file. Whoever downloads it checks its checksum.
package enrich
