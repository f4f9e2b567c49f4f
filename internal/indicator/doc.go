// Package indicator keeps indicators of compromise (addresses, networks,
// domains, URLs, hashes of files) in one immutable file, which every process
// that needs them maps: ten million of them take no heap, and once the memory
// of the page cache however many read it.
//
//	feeds ──▶ Builder ──▶ file ──▶ Table ──▶ event
//
// A [Row] is what one provider says of one value. A [Builder] sorts rows on
// disk, merges those of the same provider, name and value, and puts the file in
// place by renaming it. A [Table] answers from the file.
//
// # Promises
//
//   - A reader sees one whole file or another, never half of one: a file is
//     written under another name, synced, renamed, and never changed again.
//   - A damaged file is refused when it is opened: its head, the limits of each
//     section and a checksum of all of it are looked at. One that is damaged
//     later (truncated in place, a disk that fails) answers nothing; it does not
//     end the process.
//   - A look-up that finds nothing, which is nearly every one, does not allocate
//     and touches one cache line of the filter, and for an address those of the
//     networks around it.
//   - A build takes the same memory for any number of rows, but for 20 bytes
//     each.
//
// # What matches
//
// An address matches its own rows and those of all networks that hold it, the
// narrowest first. A name matches the rows of its domain and of each domain
// above it (not those of a top-level domain alone, unless it is all there is),
// the longest first. URLs match as a whole, once scheme and host are in lower
// case, the fragment is gone and an empty path is "/"; hashes as a whole in
// lower case.
//
// # The file
//
// Numbers are little-endian. Sections begin at multiples of 64 bytes.
//
//	head      64 KiB   magic, length and xxh3 (128 bits) of a JSON object: [Head]
//	rows               blocks of 64 rows, each a zstd frame, in the order of their keys
//	blocks    8 n + 8  where each block begins, and where the last one ends
//	filter    64 n     blocked Bloom filter of all keys but networks, and of the
//	                   domains above each domain: 10 bits a key, 6 tests in one line
//	directory 4 n + 4  for the top bits of a hash, the first entry that has them
//	marks     4 n      for each entry the low half of its hash; entries are sorted by hash
//	entries   4 n      the first row of that key
//	v4, v6             networks flattened into ranges: see ranges.go
//	networks  8 n      for each network its first row and the next wider network
//
// A key is hashed with xxh3 (64 bits), the [Kind] is the seed. A mark that fits
// is checked against the row itself, so no answer rests on a hash.
package indicator
