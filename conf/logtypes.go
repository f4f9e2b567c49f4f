// Package conf holds what ships with the program: the log types as data.
package conf

import "embed"

// LogTypes are the shipped log types, logtypes/*.yaml.
//
//go:embed logtypes/*.yaml
var LogTypes embed.FS
