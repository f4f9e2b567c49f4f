package daemon

// Duties are the sections of the file that are done, each as its package has
// it: geoip.Config, ioc.Config, proxies.Config, throttle.Config,
// indexmetrics.Config. With the cluster that is asked comes an opensearch.Config.
func (c *Config) Duties() (sections []any) {
	for _, d := range c.duties {
		sections = append(sections, d.cfg)
	}
	if len(c.cluster.Endpoint) > 0 {
		sections = append(sections, c.cluster)
	}
	return sections
}
