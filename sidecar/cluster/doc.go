// Package cluster sets an OpenSearch cluster up for what the pipeline writes:
// index templates, rollover aliases, life cycles, roles, snapshots, settings, a
// channel for notifications.
//
// What there should be is a list of [Resource]s ([Resources]), made from data in
// conf/opensearch, from the log types, and from the operator's [Settings].
// [Cluster.Plan] compares it with what there is, [Cluster.Apply] makes it so; a
// plan of nothing takes everything back.
//
// # Promises
//
//   - Plan changes nothing.
//   - Apply may be repeated: after one that succeeded, Plan finds nothing to do.
//   - What somebody else made or changed stays as it is, unless told to force;
//     what is replaced or deleted is saved before.
//   - A step that fails is reported, and the others are done all the same.
//   - Only what Apply made is deleted. No index that holds a
//     document is ever deleted.
//   - What a cluster lacks (a plugin, all but templates on Serverless) is skipped
//     with the reason.
//
// # How own changes are told from ours
//
// A component template without content, named as [Settings.Name], holds for each
// resource two hashes in its _meta: of what we wanted and of what the cluster
// then showed. If the cluster shows something else now, somebody changed it. The
// record is written after each step, so it is true after a crash, too.
package cluster
