package ecs

// serviceSteps are the steps of WorkSpaces, Client VPN, OpenSearch audit, ElastiCache, MSK, Okta.
var serviceSteps = map[string]stepDef{}
