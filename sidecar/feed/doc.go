// Package feed keeps copies of what others publish: files at a URL, in S3 or on
// a disk that are fetched again and again, tried, and put in place.
//
//	publisher ──▶ Client ──▶ Copy ──▶ (packages geoip, ioc) ──▶ table that the filter follows
//
// A [Source] says where something is. A [Client] fetches it when it is newer
// than what is known ([Known]). A [Copy] is the file that we have of it. A
// [Task] does something again and again, and says how it goes.
//
// # Promises
//
//   - The last good copy stays until a better one is complete and tried:
//     whatever a publisher sends (an error, half a file, a page of HTML, a byte
//     a minute), the worst that happens is that the copy grows old, and that
//     health says so, with the reason and the age.
//   - A publisher is asked no more than it wants: conditionally, with an
//     interval and jitter, more and more seldom while it fails, and not before
//     the time it names in Retry-After. A restart asks for nothing that is
//     fresh.
//   - Keys occur in no log and no error: an [Error] is text from which they
//     and the query of every URL were taken out, and it wraps nothing that has
//     them.
//   - Limits: bytes of a file, time of a download, and the least speed.
package feed
