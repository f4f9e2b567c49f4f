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

import "time"

// Config says what to watch and whom to tell.
type Config struct {
	// StateDir is the state_dir of the inputs on this host, which get the orders.
	StateDir string
	// Interval is the time between two looks at the cluster. Default 5 s.
	Interval time.Duration
	// DiskFree is the number of bytes that each data node must have free, beside
	// what the cluster's watermarks demand. Default 0: the watermarks alone.
	DiskFree int64
	// Fleet is where the order is published for other hosts, or, with Follow, taken
	// from: s3://bucket/key or ssm:/parameter. Empty: this host alone.
	Fleet string
	// Follow: take the order from Fleet instead of looking at the cluster.
	Follow bool
	// SNSTopic is the ARN of a topic that hears of each stop, slow-down and end;
	// e-mail is a subscription of it. Empty: none.
	SNSTopic string
	// Webhook is a URL that gets the same as JSON. Empty: none.
	Webhook string
	// Calm is how long all causes must be gone before inputs are let go. Default 15 s.
	Calm time.Duration
}

func (c Config) withDefaults() Config {
	if c.Interval <= 0 {
		c.Interval = 5 * time.Second
	}
	if c.Calm <= 0 {
		c.Calm = 15 * time.Second
	}
	return c
}
