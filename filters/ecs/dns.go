package ecs

// dnsSteps are the steps of Route 53 Resolver, WAF and Network Firewall.
var dnsSteps = map[string]stepDef{}
