// Package doctor knows what a configuration needs from AWS and from the
// cluster: which permissions, on what, for which setting, and why. It prints
// them as a policy, and finds out which of them are missing.
//
// # Promises
//
//   - A permission is written once, in the table [Needs]: the policy is made of
//     it, and the examination tries each row of it.
//   - A policy holds what the configuration needs, and nothing for settings
//     that it does not have.
//   - What the configuration cannot say (the buckets, their key) is not guessed
//     silently: [Plan.Policy] returns a note for each.
//   - An examination changes nothing: what would write is asked so that AWS
//     refuses it for another reason than a missing permission.
package doctor
