// Package extend runs extensions: processes of the operator's own that change
// documents ([Transformer]) or know indicators of compromise ([Fetch]). Package
// extension is the other side, and says what is said.
//
//	configuration ──▶ supervisor ──▶ child process
//	                      │    start, watch, end, start again
//	batch of documents ───┴──▶ call, with a time limit ──▶ a result for each
//
// # Promises
//
//   - Nothing runs that the configuration does not name with its path and the
//     SHA-256 of its content, nor a file that others may write to.
//   - An extension gets none of our environment but what is named, no open file
//     of ours, and no standard input. It is in a process group of its own,
//     speaks over a Unix socket in a folder that only our user can open, and
//     ends when we do, however we do.
//   - Every document of a batch gets one result, whatever the extension does:
//     it dies, hangs, answers garbage, too little, too much, or not at all.
//   - A call ends within its time limit. An extension that does not keep it is
//     killed.
//   - One that ends is started again, later each time; while it is down, calls
//     that cannot wait for it fail at once.
//   - What it writes is in our log, bounded in length and number of lines.
//
// # Concurrency
//
// Everything may be shared.
package extend
