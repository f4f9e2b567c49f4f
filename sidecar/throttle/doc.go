// Package throttle watches the cluster that is written to and orders the inputs
// to take less before it suffers: the successor of the original's loader stopper.
//
// # Promises
//
//   - A full disk (the cluster's own watermark, or a floor in bytes) or a block
//     stops the inputs at the next look; rejections, a long write queue, indexing
//     pressure and a full heap slow them down step by step.
//   - It lets go by itself when the cause is gone and has been gone for a while,
//     and gently: from half the usual rate upwards.
//   - What was done, when and why goes to the log and to whoever is named to
//     hear of it. That nobody hears of it changes nothing of what is done.
//   - A cluster that cannot be asked is no reason for an order: the last one runs
//     out, and the output's own back-off remains.
package throttle
