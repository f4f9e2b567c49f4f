package throttle

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/fluent-siem/fluent-siem/internal/settings"
)

// Get asks a cluster: it decodes the JSON answer to a GET request of path into
// answer, or says why there is none.
type Get func(ctx context.Context, path string, answer any) error

// Sample is what one look at a cluster found.
type Sample struct {
	Nodes []Node
	// High is the disk watermark beyond which OpenSearch moves shards away from a
	// node: as a part of the disk (0 < High ≤ 1) or, when HighFree is not 0, as
	// bytes that must be free.
	High     float64
	HighFree int64
	// Blocks are the cluster's own, and those of indices that OpenSearch has
	// closed for writing because a disk is full: for people.
	Blocks []string
}

// Node is one that holds data.
type Node struct {
	Name                  string
	DiskTotal, DiskFree   int64 // bytes
	Heap                  int   // percent of it that is used
	Queue, QueueSize      int64 // bulk requests that wait for a thread, and how many may
	Rejected              int64 // bulk requests refused since the node started
	Pressure, PressureMax int64 // bytes of documents that are being indexed, and how many may
}

// the answers, as far as they are read
type (
	nodesStats struct {
		Nodes map[string]struct {
			Name  string
			Roles []string
			Fs    struct {
				Total struct {
					Total     int64 `json:"total_in_bytes"`
					Available int64 `json:"available_in_bytes"`
				}
			}
			Jvm struct {
				Mem struct {
					Used int `json:"heap_used_percent"`
				}
			}
			ThreadPool struct {
				Write struct{ Queue, Rejected int64 }
			} `json:"thread_pool"`
			Pressure struct {
				Memory struct {
					Current struct {
						All int64 `json:"all_in_bytes"`
					}
					Total struct {
						Coordinating int64 `json:"coordinating_rejections"`
						Primary      int64 `json:"primary_rejections"`
						Replica      int64 `json:"replica_rejections"`
					}
					Limit int64 `json:"limit_in_bytes"`
				}
			} `json:"indexing_pressure"`
		}
	}
	nodesPools struct {
		Nodes map[string]struct {
			ThreadPool struct {
				Write struct {
					QueueSize int64 `json:"queue_size"`
				}
			} `json:"thread_pool"`
		}
	}
	clusterSettings struct{ Transient, Persistent, Defaults allocation }
	allocation      struct {
		Cluster struct {
			Routing struct {
				Allocation struct {
					Disk struct{ Watermark struct{ High string } }
				}
			}
		}
	}
	clusterBlocks struct {
		Blocks struct {
			Global  map[string]block
			Indices map[string]map[string]block
		}
	}
	block struct {
		Description string
		Levels      []string
	}
)

const (
	statsPath  = "/_nodes/stats/fs,jvm,thread_pool,indexing_pressure?filter_path=nodes.*.name,nodes.*.roles,nodes.*.fs.total,nodes.*.jvm.mem.heap_used_percent,nodes.*.thread_pool.write,nodes.*.indexing_pressure.memory"
	poolsPath  = "/_nodes/thread_pool?filter_path=nodes.*.thread_pool.write.queue_size"
	highName   = "cluster.routing.allocation.disk.watermark.high"
	setPath    = "/_cluster/settings?include_defaults=true&filter_path=*." + highName
	blocksPath = "/_cluster/state/blocks"
	// floodBlock is the id of the block that OpenSearch sets on the indices of a
	// node beyond the flood-stage watermark, and takes away again (cluster
	// settings reference, "Disk-based shard allocation").
	floodBlock = "12"
)

// Look asks a cluster how it is.
func Look(ctx context.Context, get Get) (s Sample, err error) {
	var stats nodesStats
	var pools nodesPools
	var set clusterSettings
	var blocks clusterBlocks
	for path, answer := range map[string]any{statsPath: &stats, poolsPath: &pools, setPath: &set, blocksPath: &blocks} {
		if err := get(ctx, path, answer); err != nil {
			return s, err
		}
	}
	for id, n := range stats.Nodes {
		if !slices.ContainsFunc(n.Roles, func(r string) bool { return r == "data" || strings.HasPrefix(r, "data_") }) {
			continue
		}
		m := n.Pressure.Memory
		s.Nodes = append(s.Nodes, Node{
			Name: n.Name, DiskTotal: n.Fs.Total.Total, DiskFree: n.Fs.Total.Available, Heap: n.Jvm.Mem.Used,
			Queue: n.ThreadPool.Write.Queue, QueueSize: pools.Nodes[id].ThreadPool.Write.QueueSize,
			Rejected: n.ThreadPool.Write.Rejected + m.Total.Coordinating + m.Total.Primary + m.Total.Replica,
			Pressure: m.Current.All, PressureMax: m.Limit,
		})
	}
	if len(s.Nodes) == 0 {
		return s, fmt.Errorf("%s names no node with data", statsPath)
	}
	slices.SortFunc(s.Nodes, func(a, b Node) int { return strings.Compare(a.Name, b.Name) })
	if s.High, s.HighFree, err = watermark(set.high()); err != nil {
		return s, fmt.Errorf("%s: %w", highName, err)
	}
	for _, b := range blocks.Blocks.Global {
		if slices.Contains(b.Levels, "write") {
			s.Blocks = append(s.Blocks, "the cluster: "+b.Description)
		}
	}
	for index, of := range blocks.Blocks.Indices {
		if b, ok := of[floodBlock]; ok {
			s.Blocks = append(s.Blocks, "index "+index+": "+b.Description)
		}
	}
	slices.Sort(s.Blocks)
	return s, nil
}

// high returns the watermark in force.
func (c clusterSettings) high() (text string) {
	for _, a := range []allocation{c.Defaults, c.Persistent, c.Transient} {
		if high := a.Cluster.Routing.Allocation.Disk.Watermark.High; high != "" {
			text = high
		}
	}
	return text
}

// watermark reads a disk watermark: "90%", "0.9", or what must be free: "20gb".
// Without one it is OpenSearch's default.
func watermark(text string) (part float64, free int64, err error) {
	t := strings.ToLower(strings.TrimSpace(text))
	switch {
	case t == "":
		return .9, 0, nil
	case strings.HasSuffix(t, "%"):
		part, err = strconv.ParseFloat(strings.TrimSuffix(t, "%"), 64)
		return part / 100, 0, err
	case !strings.HasSuffix(t, "b"):
		part, err = strconv.ParseFloat(t, 64)
		return part, 0, err
	}
	bytes, err := settings.ParseBytes(t)
	return 0, int64(bytes), err
}
