// Package conf holds what ships with the program: the log types and the fields
// of the indexes, as data.
package conf

import "embed"

// LogTypes are the shipped log types, logtypes/*.yaml.
//
//go:embed logtypes/*.yaml
var LogTypes embed.FS

// OpenSearch are the fields and settings of the indexes, opensearch/*.yaml.
//
//go:embed opensearch/*.yaml
var OpenSearch embed.FS

// Dashboards describe the dashboards and index patterns,
// opensearch/dashboards/*.yaml.
//
//go:embed opensearch/dashboards/*.yaml
var Dashboards embed.FS
